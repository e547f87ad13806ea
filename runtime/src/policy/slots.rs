//! Counting what runs: the invocations of one function, and those of the whole process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A number of places. Cheaper than a semaphore, because nobody ever waits for one.
pub(crate) struct Slots {
    taken: Arc<AtomicU32>,
    limit: u32,
}

/// One place; free again when dropped.
pub(crate) struct Slot(Arc<AtomicU32>);

impl Slots {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            taken: Arc::default(),
            limit,
        }
    }

    /// Another number of places, of which as many are taken.
    pub(crate) fn limited_to(&self, limit: u32) -> Self {
        Self {
            taken: self.taken.clone(),
            limit,
        }
    }

    pub(crate) fn take(&self) -> Option<Slot> {
        if self.taken.fetch_add(1, Ordering::AcqRel) < self.limit {
            return Some(Slot(self.taken.clone()));
        }
        self.taken.fetch_sub(1, Ordering::AcqRel);
        None
    }

    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Ordering::Acquire)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
