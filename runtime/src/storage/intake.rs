//! Bytes on their way into a staged file: the ones before are written and hashed while the next ones
//! come. It knows nothing of objects, and of limits only the room that a disk must keep.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use md5::{Digest, Md5};

use super::BLOCK;
use super::bucket::BucketState;
use super::folder::Folder;
use super::measure::Measures;
use super::staged::StagedFile;
use super::work::{Lane, blocking_io};
use crate::failpoint::failpoint;

/// How far the disk may lag behind an upload, in bytes. Writing early makes the last sync short, and
/// that is also how often an upload that has its room looks whether somebody else has taken it.
const SYNC_EVERY: u64 = 32 << 20;

/// Two blocks of memory, in turn: one fills while threads write and hash the other. Every step takes
/// the value and gives it back, so one that fails or is abandoned half-way leaves none.
pub(super) struct Intake {
    /// Bytes, those in `block` included.
    taken: u64,
    block: BytesMut,
    passed_on: Bytes,
    file: Lane<StagedFile>,
    md5: Lane<Md5>,
    disk: Lane<Disk>,
    unsynced: u64,
    /// Bytes from the start of the file that the sync under way makes durable.
    syncing: u64,
    /// Bytes from the start of the file that are durable.
    durable: u64,
}

/// The slow side of the disk: what makes bytes durable and knows how many fit.
struct Disk {
    staging: Arc<Folder>,
    file: File,
    min_free: u64,
}

impl Intake {
    /// Goes on behind the bytes that `file` has, which are durable. `expected`: bytes to come, as far
    /// as that is known.
    pub(super) fn new(
        bucket: &BucketState,
        file: StagedFile,
        md5: Md5,
        expected: u64,
    ) -> io::Result<Self> {
        let disk = Disk {
            staging: bucket.staging.clone(),
            file: file.handle()?,
            min_free: bucket.spec.min_free,
        };
        let taken = file.tally().size();
        Ok(Self {
            taken,
            block: BytesMut::with_capacity(BLOCK.min(expected.try_into().unwrap_or(BLOCK))),
            passed_on: Bytes::new(),
            file: Lane::Idle(file),
            md5: Lane::Idle(md5),
            disk: Lane::Idle(disk),
            unsynced: 0,
            syncing: taken,
            durable: taken,
        })
    }

    /// Bytes from the start of the file, whether or not they have got there.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes from the start of the file that are known to be durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    /// Takes the next bytes; waits while the disk is behind.
    pub(super) async fn take(mut self, mut bytes: Bytes) -> io::Result<Self> {
        while !bytes.is_empty() {
            // Blocks end at multiples of their size, wherever the first one began.
            let room = BLOCK - (self.taken % BLOCK as u64) as usize;
            let count = bytes.len().min(room);
            self.block.extend_from_slice(&bytes[..count]);
            bytes.advance(count);
            self.taken += count as u64;
            if count == room {
                self = self.pass_on_block().await?;
            }
        }
        Ok(self)
    }

    async fn pass_on_block(self) -> io::Result<Self> {
        let mut this = self.pass_on().await?;
        this.block.reserve(BLOCK);
        if this.unsynced >= SYNC_EVERY {
            this.unsynced = 0;
            this.disk = this.disk.run(Disk::catch_up).await?;
            // The sync before has ended, and this one began when all but this block was written.
            let written = this.taken - this.passed_on.len() as u64;
            this.durable = std::mem::replace(&mut this.syncing, written);
        }
        Ok(this)
    }

    /// Passes on what has come of the next block, even if that is nothing.
    pub(super) async fn pass_on(mut self) -> io::Result<Self> {
        let block = std::mem::take(&mut self.block).freeze();
        self.unsynced += block.len() as u64;
        self.md5 = self.md5.run(update_md5(block.clone())).await?;
        self.file = self.file.run(append(block.clone())).await?;
        // Both lanes have begun with this block, so they are done with the one before.
        let spent = std::mem::replace(&mut self.passed_on, block);
        self.block = spent.try_into_mut().unwrap_or_default();
        self.block.clear();
        Ok(self)
    }

    /// Makes durable what was passed on. The next block goes on filling.
    pub(super) async fn sync(mut self) -> io::Result<Self> {
        let file = self.file.finish().await?;
        let disk = self.disk.finish().await?;
        let size = file.tally().size();
        let file = if size == self.durable {
            file
        } else {
            blocking_io(move || {
                failpoint!("before-fsync")?;
                file.sync()?;
                failpoint!("after-fsync")?;
                Ok(file)
            })
            .await?
        };
        self.file = Lane::Idle(file);
        self.disk = Lane::Idle(disk);
        (self.unsynced, self.syncing, self.durable) = (0, size, size);
        Ok(self)
    }

    /// Ends the taking: the file, and the measures of what was passed on.
    pub(super) async fn end(self) -> io::Result<(StagedFile, Measures)> {
        let (md5, file) = (self.md5.finish().await?, self.file.finish().await?);
        self.disk.finish().await?;
        let tally = file.tally().clone();
        Ok((file, Measures { tally, md5 }))
    }
}

impl Disk {
    fn catch_up(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.staging.check_free(self.min_free)
    }
}

fn update_md5(block: Bytes) -> impl FnOnce(&mut Md5) -> io::Result<()> {
    move |md5| {
        md5.update(&block);
        Ok(())
    }
}

fn append(block: Bytes) -> impl FnOnce(&mut StagedFile) -> io::Result<()> {
    move |file| file.append(&block)
}
