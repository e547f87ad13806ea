//! What was uploaded, and what is therefore owed: the clients' side of the truth.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::borrowed::content::{content, random};
use crate::users::{USERS, uid};

/// So many objects are there at a time, beside the kept ones.
const STANDING: usize = 1_000;
/// One of so many is never deleted.
const KEPT: u64 = 12;
const BUCKET: &str = "holograms-media.firebasestorage.app";

/// One upload; no two share a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object {
    number: u64,
    pub(crate) user: usize,
    pub(crate) size: usize,
}

impl Object {
    pub(crate) fn uid(&self) -> String {
        uid(self.user)
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}.bin", self.number)
    }

    pub(crate) fn name(&self) -> String {
        format!("user_uploads/{}/{}", self.uid(), self.file_name())
    }

    /// As the functions' tables call it.
    pub(crate) fn storage_ref(&self) -> String {
        format!("gs://{BUCKET}/{}", self.name())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        content(&self.file_name(), self.size)
    }

    /// Its path in Cloud Storage's interface.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", objects(), self.name().replace('/', "%2F"))
    }
}

pub(crate) fn objects() -> String {
    format!("/v0/b/{BUCKET}/o")
}

/// All that was ever uploaded, by what became of it.
#[derive(Default)]
pub(crate) struct Objects {
    count: AtomicU64,
    books: Mutex<Books>,
}

#[derive(Default)]
pub(crate) struct Books {
    /// Acknowledged, and perhaps deleted some day.
    pub(crate) standing: VecDeque<Arc<Object>>,
    /// Acknowledged, for good.
    pub(crate) kept: Vec<Arc<Object>>,
    /// Acknowledged, and the deletion too.
    pub(crate) deleted: Vec<Arc<Object>>,
    /// Sent, with no answer that says yes: there as a whole, or not at all.
    pub(crate) unknown: Vec<Arc<Object>>,
    /// Acknowledged, and sent a deletion that was not.
    pub(crate) doomed: Vec<Arc<Object>>,
}

impl Objects {
    /// One that is not there yet.
    pub(crate) fn invent(&self, size: usize) -> Arc<Object> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let user = random(USERS as u64) as usize;
        Arc::new(Object { number, user, size })
    }

    pub(crate) fn uploaded(&self, object: Arc<Object>) {
        let mut books = self.books();
        if object.number.is_multiple_of(KEPT) {
            books.kept.push(object);
        } else {
            books.standing.push_back(object);
        }
    }

    pub(crate) fn not_acknowledged(&self, object: Arc<Object>) {
        self.books().unknown.push(object);
    }

    /// Any that is there, and stays while it is held.
    pub(crate) fn any(&self) -> Option<Arc<Object>> {
        let books = self.books();
        let all = books.standing.len() + books.kept.len();
        let at = random(all.max(1) as u64) as usize;
        let standing = books.standing.get(at);
        let object = standing.or_else(|| books.kept.get(at - books.standing.len()));
        object.cloned()
    }

    /// The oldest that nobody holds, taken out; `None` while there are few.
    pub(crate) fn oldest(&self) -> Option<Arc<Object>> {
        let mut books = self.books();
        if books.standing.len() <= STANDING {
            return None;
        }
        let free = |object: &Arc<Object>| Arc::strong_count(object) == 1;
        let at = books.standing.iter().position(free)?;
        books.standing.remove(at)
    }

    pub(crate) fn deleted(&self, object: Arc<Object>) {
        self.books().deleted.push(object);
    }

    pub(crate) fn perhaps_deleted(&self, object: Arc<Object>) {
        self.books().doomed.push(object);
    }

    pub(crate) fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().expect("books")
    }
}
