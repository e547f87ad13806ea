//! The room on the disk that running uploads have been promised. The free space alone does not tell it:
//! what others are about to write is still free.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The room of one disk, shared by every upload to it.
pub(super) struct Room {
    free: Box<dyn Fn() -> io::Result<u64> + Send + Sync>,
    /// Bytes that are promised and not yet written.
    reserved: Mutex<u64>,
}

/// Bytes that one upload may still write; given back on drop.
pub(super) struct Reservation {
    room: Arc<Room>,
    bytes: u64,
    /// Bytes that nobody may be promised.
    min_free: u64,
}

impl Room {
    /// `free` says how many bytes are free; what was written before must count.
    pub(super) fn new(free: impl Fn() -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self {
            free: Box::new(free),
            reserved: Mutex::new(0),
        }
    }

    /// Fails with [`io::ErrorKind::StorageFull`] when fewer than `min_free` bytes would be left once
    /// every upload has written what it was promised.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64, min_free: u64) -> io::Result<Reservation> {
        self.promise(bytes, min_free)?;
        Ok(Reservation {
            room: self.clone(),
            bytes,
            min_free,
        })
    }

    /// For whoever has written everything.
    pub(super) fn reserve_nothing(self: &Arc<Self>) -> Reservation {
        Reservation {
            room: self.clone(),
            bytes: 0,
            min_free: 0,
        }
    }

    fn promise(&self, bytes: u64, min_free: u64) -> io::Result<()> {
        // Held while the disk is asked: what is written meanwhile counts as both, never as neither.
        let mut reserved = self.lock();
        let promised = reserved.saturating_add(bytes);
        if (self.free)()? < promised.saturating_add(min_free) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *reserved = promised;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Makes sure that so many bytes may be written next, beyond what was declared too.
    pub(super) fn cover(&mut self, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 {
            self.room.promise(more, self.min_free)?;
            self.bytes += more;
        }
        Ok(())
    }

    /// They are written, so the disk itself no longer calls them free.
    pub(super) fn spend(&mut self, bytes: u64) {
        let spent = bytes.min(self.bytes);
        *self.room.lock() -= spent;
        self.bytes -= spent;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.room.lock() -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A disk with so many bytes free, and the room on it.
    fn disk(bytes: u64) -> (Arc<AtomicU64>, Arc<Room>) {
        let free = Arc::new(AtomicU64::new(bytes));
        let asked = free.clone();
        let room = Room::new(move || {
            let found = asked.load(Ordering::SeqCst);
            // Others go on before the answer is used.
            std::thread::yield_now();
            Ok(found)
        });
        (free, Arc::new(room))
    }

    fn is_full<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull)
    }

    #[test]
    fn what_one_upload_was_promised_is_no_room_for_another() {
        let (free, room) = disk(100);
        let mut first = room.reserve(60, 10).unwrap();
        assert!(is_full(room.reserve(31, 10)));
        let second = room.reserve(30, 10).unwrap();

        // Written bytes are counted once.
        first.cover(20).unwrap();
        free.fetch_sub(20, Ordering::SeqCst);
        first.spend(20);
        assert!(is_full(room.reserve(1, 10)));
        assert!(room.reserve(0, 10).is_ok());

        drop(second);
        assert!(is_full(room.reserve(31, 10)));
        assert!(room.reserve(30, 10).is_ok());
        drop(first);
        assert!(room.reserve(70, 10).is_ok());
        assert_eq!(*room.lock(), 0);
    }

    #[test]
    fn what_was_not_declared_is_promised_before_it_is_written() {
        let (free, room) = disk(100);
        let mut upload = room.reserve(5, 10).unwrap();
        upload.cover(50).unwrap();
        assert!(is_full(room.reserve(41, 10)));
        free.fetch_sub(50, Ordering::SeqCst);
        upload.spend(50);
        assert!(is_full(upload.cover(41)));
        upload.cover(40).unwrap();
        drop(upload);
        assert_eq!(*room.lock(), 0);
    }

    #[test]
    fn no_number_of_bytes_overflows() {
        let (_free, room) = disk(u64::MAX - 1);
        let _most = room.reserve(u64::MAX - 1, 0).unwrap();
        assert!(is_full(room.reserve(u64::MAX, u64::MAX)));
    }

    #[test]
    fn parallel_uploads_leave_what_must_stay_free() {
        const MIN_FREE: u64 = 1000;
        let (free, room) = disk(20_000);
        let written: u64 = std::thread::scope(|scope| {
            let uploads: Vec<_> = (0..8)
                .map(|_| {
                    let (free, mut upload) = (&free, room.reserve(0, MIN_FREE).unwrap());
                    scope.spawn(move || {
                        let mut written = 0;
                        while upload.cover(7).is_ok() {
                            std::thread::yield_now();
                            let before = free.fetch_sub(7, Ordering::SeqCst);
                            assert!(before >= MIN_FREE + 7);
                            upload.spend(7);
                            written += 7;
                        }
                        written
                    })
                })
                .collect();
            uploads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(free.load(Ordering::SeqCst), 20_000 - written);
        assert!(written > 10_000, "{written}");
        assert_eq!(*room.lock(), 0);
    }
}
