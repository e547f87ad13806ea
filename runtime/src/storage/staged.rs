//! A file in the staging folder: bytes that no object owns yet. Dropping one removes it.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use uuid::Uuid;

use super::folder::Folder;
use super::room::Reservation;
use crate::failpoint::{failpoint, left_out};

pub(super) struct StagedFile {
    id: String,
    staging: Arc<Folder>,
    file: File,
    room: Reservation,
    size: u64,
    crc32c: u32,
    sha256: digest::Context,
    /// Whether dropping this removes the file.
    owned: bool,
}

impl StagedFile {
    /// A new one, which grows beyond `room` only while the disk has more.
    pub(super) fn create(staging: Arc<Folder>, room: Reservation) -> io::Result<Self> {
        let id = Uuid::now_v7().simple().to_string();
        let file = staging.create_file(&id)?;
        Ok(Self {
            id,
            staging,
            file,
            room,
            size: 0,
            crc32c: 0,
            sha256: digest::Context::new(&SHA256),
            owned: true,
        })
    }

    /// Writes and hashes; MD5, the slowest, has a thread of its own.
    pub(super) fn append(&mut self, block: &[u8]) -> io::Result<()> {
        let bytes = block.len() as u64;
        self.room.cover(bytes)?;
        self.file.write_all(block)?;
        self.room.spend(bytes);
        self.size += bytes;
        self.crc32c = crc32c::crc32c_append(self.crc32c, block);
        self.sha256.update(block);
        failpoint!("mid-write")
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn crc32c(&self) -> u32 {
        self.crc32c
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        let digest = self.sha256.clone().finish();
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
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
