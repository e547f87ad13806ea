//! A file in the staging folder: bytes that no object owns yet.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::folder::Folder;
use super::measure::{Measures, Tally};
use super::room::Reservation;
use crate::failpoint::{failpoint, left_out};

pub(super) struct StagedFile {
    id: String,
    staging: Arc<Folder>,
    file: File,
    room: Reservation,
    tally: Tally,
    /// Whether dropping this removes the file.
    owned: bool,
    /// Held as long as anything can still be written.
    _turn: Option<OwnedMutexGuard<()>>,
}

/// The first bytes of a file that stays from one opening to the next.
pub(super) struct Kept {
    pub(super) id: String,
    /// Bytes; what follows is cut off, because nobody was promised it.
    pub(super) size: u64,
    /// `None`: they are read to be measured.
    pub(super) measures: Option<Measures>,
    /// Keeps others from opening it.
    pub(super) turn: OwnedMutexGuard<()>,
}

impl StagedFile {
    /// A new one, which grows beyond `room` only while the disk has more. Dropping it removes the file.
    pub(super) fn create(staging: Arc<Folder>, room: Reservation) -> io::Result<Self> {
        let id = Uuid::now_v7().simple().to_string();
        let file = staging.create_file(&id)?;
        Ok(Self {
            id,
            staging,
            file,
            room,
            tally: Tally::default(),
            owned: true,
            _turn: None,
        })
    }

    /// One that an upload session keeps, to go on behind its bytes. `None`: the file is gone, or has
    /// not as many bytes.
    pub(super) fn reopen(
        staging: Arc<Folder>,
        room: Reservation,
        kept: Kept,
    ) -> io::Result<Option<(Self, Measures)>> {
        let Some(mut file) = staging.open_file_to_write(&kept.id)? else {
            return Ok(None);
        };
        let found = file.metadata()?.len();
        if found < kept.size {
            return Ok(None);
        }
        if found > kept.size {
            file.set_len(kept.size)?;
        }
        let measures = match kept.measures {
            Some(measures) => measures,
            None => Measures::read(&file)?,
        };
        file.seek(SeekFrom::Start(kept.size))?;
        let staged = Self {
            id: kept.id,
            staging,
            file,
            room,
            tally: measures.tally.clone(),
            owned: false,
            _turn: Some(kept.turn),
        };
        Ok(Some((staged, measures)))
    }

    /// Writes and hashes, for all hashes but the MD5.
    pub(super) fn append(&mut self, block: &[u8]) -> io::Result<()> {
        let bytes = block.len() as u64;
        self.room.cover(bytes)?;
        self.file.write_all(block)?;
        self.room.spend(bytes);
        self.tally.update(block);
        failpoint!("mid-write")
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A second handle, for syncing while the first one writes.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Makes the bytes durable. An error is final: the kernel may have dropped the pages that it
    /// could not write, and a second call would not mention them.
    pub(super) fn sync(&self) -> io::Result<()> {
        if left_out!("no-file-fsync") {
            return Ok(());
        }
        self.file.sync_all()
    }

    /// The file's name. From here on the ledger says whose it is, at the latest when the process
    /// starts again.
    pub(super) fn hand_over(mut self) -> String {
        self.owned = false;
        std::mem::take(&mut self.id)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        let (staging, id) = (self.staging.clone(), std::mem::take(&mut self.id));
        let remove = move || {
            if let Err(error) = staging.remove_file(&id) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a staged file stays"
                );
            }
        };
        // Freeing a large file takes the disk a while, and drops happen on async threads too.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
