//! Bytes on their way into a staged file: the ones before are written and hashed while the next ones
//! come. It knows nothing of objects, and of limits only the room that a disk must keep.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use md5::{Digest, Md5};
use tokio::task::{JoinHandle, spawn_blocking};

use super::bucket::BucketState;
use super::folder::Folder;
use super::lane::{Crew, Lane};
use super::measure::Measures;
use super::staged::StagedFile;
use super::work::blocking_io;
use crate::failpoint::failpoint;

/// How far the disk may lag behind an upload, in bytes. Writing early makes the last sync short, and
/// that is also how often an upload that has its room looks whether somebody else has taken it.
const SYNC_EVERY: u64 = 32 << 20;

/// Bytes that may lie before the threads while the next block fills.
const BEHIND: usize = 256 << 10;

/// Blocks of memory, in turn: one fills while threads write and hash those before. Every step takes
/// the value and gives it back, so one that fails or is abandoned half-way leaves none.
pub(super) struct Intake {
    /// Bytes, those in `block` included.
    taken: u64,
    block: BytesMut,
    block_size: usize,
    /// The blocks before, whose memory may be free again; the last one is the youngest.
    passed_on: VecDeque<Bytes>,
    crew: Arc<Crew>,
    file: Lane<StagedFile>,
    md5: Lane<Md5>,
    disk: Arc<Disk>,
    catching_up: Option<JoinHandle<io::Result<()>>>,
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
    /// Goes on behind the bytes that `file` has, which are durable. `block_size`: in bytes. `expected`:
    /// bytes to come, as far as that is known.
    pub(super) fn new(
        bucket: &BucketState,
        file: StagedFile,
        md5: Md5,
        block_size: usize,
        expected: u64,
    ) -> io::Result<Self> {
        let disk = Disk {
            staging: bucket.staging.clone(),
            file: file.handle()?,
            min_free: bucket.spec.min_free,
        };
        let crew = bucket.crew.clone();
        let taken = file.tally().size();
        Ok(Self {
            taken,
            block: BytesMut::with_capacity(
                block_size.min(expected.try_into().unwrap_or(block_size)),
            ),
            block_size,
            passed_on: VecDeque::new(),
            file: Lane::new(crew.clone(), file),
            md5: Lane::new(crew.clone(), md5),
            crew,
            disk: Arc::new(disk),
            catching_up: None,
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
            let room = self.block_size - (self.taken % self.block_size as u64) as usize;
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
        this.block.reserve(this.block_size);
        if this.unsynced >= SYNC_EVERY {
            this.unsynced = 0;
            this.caught_up().await?;
            // The sync before has ended, and the next one begins when so much is written.
            this.durable = this.syncing;
            this.syncing = this.written();
            let disk = this.disk.clone();
            this.catching_up = Some(spawn_blocking(move || disk.catch_up()));
        }
        Ok(this)
    }

    /// Passes on what has come of the next block.
    pub(super) async fn pass_on(mut self) -> io::Result<Self> {
        if self.block.is_empty() {
            return Ok(self);
        }
        let block = std::mem::take(&mut self.block).freeze();
        self.unsynced += block.len() as u64;
        self.md5.run(update_md5(block.clone()))?;
        self.file.run(append(block.clone()))?;
        self.passed_on.push_back(block);
        self.block = self.free_block().await?;
        Ok(self)
    }

    /// Memory for the next block.
    async fn free_block(&mut self) -> io::Result<BytesMut> {
        loop {
            match self.passed_on.pop_front().map(Bytes::try_into_mut) {
                Some(Ok(mut free)) => {
                    free.clear();
                    return Ok(free);
                }
                Some(Err(held)) => self.passed_on.push_front(held),
                None => {}
            }
            if self.passed_on.len() * self.block_size <= BEHIND {
                return Ok(BytesMut::new());
            }
            let behind = self.passed_on.len().saturating_sub(1);
            self.md5.settle(behind).await?;
            self.file.settle(behind).await?;
        }
    }

    /// Bytes from the start of the file that have got there.
    fn written(&self) -> u64 {
        let behind = self.passed_on.iter().rev().take(self.file.left());
        let behind: usize = behind.map(Bytes::len).sum();
        self.taken - (behind + self.block.len()) as u64
    }

    /// Waits for the sync under way.
    async fn caught_up(&mut self) -> io::Result<()> {
        match self.catching_up.take() {
            Some(catching_up) => catching_up.await?,
            None => Ok(()),
        }
    }

    /// Makes durable what was passed on. The next block goes on filling.
    pub(super) async fn sync(mut self) -> io::Result<Self> {
        self.caught_up().await?;
        let file = self.file.finish().await?;
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
        self.file = Lane::new(self.crew.clone(), file);
        (self.unsynced, self.syncing, self.durable) = (0, size, size);
        Ok(self)
    }

    /// Ends the taking: the file, and the measures of what was passed on.
    pub(super) async fn end(mut self) -> io::Result<(StagedFile, Measures)> {
        self.caught_up().await?;
        let (md5, file) = (self.md5.finish().await?, self.file.finish().await?);
        let tally = file.tally().clone();
        Ok((file, Measures { tally, md5 }))
    }
}

impl Disk {
    fn catch_up(&self) -> io::Result<()> {
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
