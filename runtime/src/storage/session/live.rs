//! The sessions that are active, in memory: whose turn it is to write, and what need not be hashed
//! again. The ledger has the truth, and a session without any of this goes on all the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedMutexGuard;

use super::progress::Progress;
use crate::ledger::Session;
use crate::storage::StorageError;
use crate::storage::quota::Claim;

/// Sessions of one owner in one bucket that can be active together.
pub(super) const MOST_SESSIONS: usize = 100;

/// A sender that is still there is heard of within this time: Firebase's clients try for ten minutes.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// The active sessions of one bucket, by id.
#[derive(Default)]
pub(in crate::storage) struct Sessions {
    active: Mutex<HashMap<String, Arc<Live>>>,
}

/// An active session.
pub(super) struct Live {
    owner: String,
    /// Microseconds since 1970: when a sender last showed that it is there.
    heard: AtomicI64,
    work: Arc<tokio::sync::Mutex<Work>>,
}

/// What one request at a time does with a session.
pub(super) struct Work {
    /// How many writers there were. Only the last one may write.
    pub(super) writers: u64,
    pub(super) claim: Option<Claim>,
    /// `None`: the session has ended.
    pub(super) progress: Option<Progress>,
}

impl Sessions {
    /// Adds a session. `None`: its owner has too many.
    pub(super) fn add(&self, row: &Session) -> Option<Arc<Live>> {
        let mut active = self.lock();
        let of_owner = active.values().filter(|live| live.owner == row.owner);
        if of_owner.count() >= MOST_SESSIONS {
            return None;
        }
        let work = Work {
            writers: 0,
            claim: None,
            progress: Some(Progress::of(row)),
        };
        let live = Live {
            owner: row.owner.clone(),
            heard: AtomicI64::new(row.updated.as_microsecond()),
            work: Arc::new(tokio::sync::Mutex::new(work)),
        };
        let live = Arc::new(live);
        active.insert(row.id.clone(), live.clone());
        Some(live)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Live>> {
        self.lock().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// The session of `owner` of which nobody was heard for longest, if that is before `since`.
    pub(super) fn idle(&self, owner: &str, since: Timestamp) -> Option<String> {
        let active = self.lock();
        let heard = |live: &Live| live.heard.load(Ordering::Relaxed);
        active
            .iter()
            .filter(|(_, live)| live.owner == owner && heard(live) <= since.as_microsecond())
            .min_by_key(|(_, live)| heard(live))
            .map(|(id, _)| id.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Live>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Waits for what is being done with the session. Nothing takes long: a writer does not keep its
    /// turn while it waits for bytes.
    pub(super) async fn enter(&self) -> OwnedMutexGuard<Work> {
        let now = Timestamp::now().as_microsecond();
        self.heard.store(now, Ordering::Relaxed);
        self.enter_unheard().await
    }

    /// The same on nobody's behalf.
    pub(super) async fn enter_unheard(&self) -> OwnedMutexGuard<Work> {
        self.work.clone().lock_owned().await
    }
}

impl Work {
    /// # Errors
    /// When another writer came after this one.
    pub(super) fn check_turn(&self, writer: u64) -> Result<(), StorageError> {
        if self.writers == writer {
            Ok(())
        } else {
            Err(StorageError::Superseded)
        }
    }

    /// Nobody writes any more, and nothing is claimed.
    pub(super) fn end(&mut self) {
        self.writers += 1;
        self.claim = None;
        self.progress = None;
    }
}
