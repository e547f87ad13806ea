//! One lock per object: publishing, opening and deleting an object exclude one another, so nobody
//! sees the metadata of one generation with the bytes of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::ObjectName;

type Queue = Arc<tokio::sync::Mutex<()>>;

/// The locks of the objects that somebody holds or waits for.
#[derive(Debug, Default)]
pub(super) struct ObjectLocks {
    queues: Mutex<HashMap<ObjectName, Queue>>,
}

#[derive(Debug)]
pub(super) struct ObjectLock {
    locks: Arc<ObjectLocks>,
    name: ObjectName,
    queue: Queue,
    /// `None` while waiting.
    held: Option<OwnedMutexGuard<()>>,
}

impl ObjectLocks {
    pub(super) async fn lock(self: &Arc<Self>, name: &ObjectName) -> ObjectLock {
        let queue = self
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.clone())
            .or_default()
            .clone();
        // Made before the wait, so that a wait that is given up cleans up too.
        let mut lock = ObjectLock {
            locks: self.clone(),
            name: name.clone(),
            queue: queue.clone(),
            held: None,
        };
        lock.held = Some(queue.lock_owned().await);
        lock
    }
}

impl Drop for ObjectLock {
    fn drop(&mut self) {
        self.held = None;
        let mut queues = self
            .locks
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The map's and our own: nobody holds it, nobody waits.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn a_second_holder_waits_and_nothing_is_left_when_both_are_gone() {
        let locks = Arc::new(ObjectLocks::default());
        let name = ObjectName::new("a").unwrap();
        let first = locks.lock(&name).await;
        let mut context = Context::from_waker(Waker::noop());

        let mut second = Box::pin(locks.lock(&name));
        assert!(second.as_mut().poll(&mut context).is_pending());
        let other = ObjectName::new("b").unwrap();
        assert!(pin!(locks.lock(&other)).poll(&mut context).is_ready());

        drop(first);
        drop(second.await);
        assert!(locks.queues.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing() {
        let locks = Arc::new(ObjectLocks::default());
        let name = ObjectName::new("a").unwrap();
        let first = locks.lock(&name).await;
        let mut second = Box::pin(locks.lock(&name));
        let mut context = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());

        drop(first);
        drop(second);
        assert!(locks.queues.lock().unwrap().is_empty());
    }
}
