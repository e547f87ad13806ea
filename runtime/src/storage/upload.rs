//! One upload, from its first byte to the object.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use md5::{Digest, Md5};

use super::bucket::BucketState;
use super::folder::Folder;
use super::place::Place;
use super::publish::{self, Sealed};
use super::quota::Claim;
use super::staged::StagedFile;
use super::work::{Lane, blocking, uninterrupted};
use super::{BLOCK, Object, ObjectName, StorageError};
use crate::failpoint::{failpoint, left_out};
use crate::ledger::Content;

/// How far the disk may lag behind an upload, in bytes. Writing early makes the last sync short, and
/// that is also how often an upload that has its room looks whether somebody else has taken it.
const SYNC_EVERY: u64 = 32 << 20;

/// What an object is given beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    pub content_type: Option<String>,
    /// Custom metadata.
    pub metadata: BTreeMap<String, String>,
    /// The bytes to come, if the sender says so: lets limits refuse before the first one.
    pub content_length: Option<u64>,
}

/// Bytes on their way to becoming an object. Dropping it, at any point before
/// [`Upload::finish`], leaves nothing behind.
#[must_use]
pub struct Upload {
    bucket: Arc<BucketState>,
    name: ObjectName,
    place: Place,
    options: PutOptions,
    /// `None` once a call failed or was abandoned half-way.
    running: Option<Running>,
}

/// Two blocks of memory, in turn: one fills while threads write and hash the other.
struct Running {
    received: u64,
    block: BytesMut,
    passed_on: Bytes,
    file: Lane<StagedFile>,
    md5: Lane<Md5>,
    disk: Lane<Disk>,
    unsynced: u64,
    claim: Option<Claim>,
}

/// The slow side of the disk: what makes bytes durable and knows how many fit.
struct Disk {
    staging: Arc<Folder>,
    file: File,
    min_free: u64,
}

impl Upload {
    pub(super) async fn start(
        bucket: Arc<BucketState>,
        name: ObjectName,
        options: PutOptions,
    ) -> Result<Self, StorageError> {
        let place = Place::of(&name, &bucket.spec.object_name)?;
        let declared = options.content_length.unwrap_or_default();
        check_size(&bucket, declared)?;
        let claim = match bucket.spec.quota_per_user {
            None => None,
            Some(quota) => {
                let stored = bucket
                    .ledger
                    .owner_total(&bucket.spec.name, place.owner(), &name)
                    .await?;
                let room = quota.saturating_sub(stored);
                let mut claim = Claim::new(bucket.claims.clone(), place.owner(), room);
                claim.grow_to(declared)?;
                Some(claim)
            }
        };

        let (staging, min_free) = (bucket.staging.clone(), bucket.spec.min_free);
        let room = bucket.room.clone();
        let (file, disk) = blocking(move || {
            let room = room.reserve(declared, min_free)?;
            let file = StagedFile::create(staging.clone(), room)?;
            failpoint!("after-create")?;
            let disk = Disk {
                staging,
                file: file.handle()?,
                min_free,
            };
            Ok((file, disk))
        })
        .await?;
        if left_out!("no-staging") {
            let folder = bucket.tree.make(&place)?;
            bucket.staging.rename(file.id(), &folder, place.file())?;
        }

        Ok(Self {
            bucket,
            name,
            place,
            running: Some(Running {
                received: 0,
                block: BytesMut::with_capacity(BLOCK.min(declared.try_into().unwrap_or(BLOCK))),
                passed_on: Bytes::new(),
                file: Lane::Idle(file),
                md5: Lane::Idle(Md5::new()),
                disk: Lane::Idle(disk),
                unsynced: 0,
                claim,
            }),
            options,
        })
    }

    /// Takes the next bytes; waits while the disk is behind. After an error, or when the future is
    /// dropped before its end, the upload is over.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        let mut running = self.running.take().ok_or(StorageError::Aborted)?;
        running.received = running.received.saturating_add(bytes.len() as u64);
        check_size(&self.bucket, running.received)?;
        if let Some(claim) = &mut running.claim {
            claim.grow_to(running.received)?;
        }
        while !bytes.is_empty() {
            let taken = bytes.len().min(BLOCK - running.block.len());
            running.block.extend_from_slice(&bytes[..taken]);
            bytes.advance(taken);
            if running.block.len() == BLOCK {
                running = running.pass_on_block().await?;
            }
        }
        self.running = Some(running);
        Ok(())
    }

    /// Makes the object: when this returns, it is durable. An error other than
    /// [`StorageError::QuotaExceeded`] can leave the object made. Once polled it runs to its end,
    /// even if the future is dropped.
    pub async fn finish(self) -> Result<Object, StorageError> {
        let running = self.running.ok_or(StorageError::Aborted)?;
        uninterrupted(async move {
            let (sealed, claim) = running.seal().await?;
            let object =
                publish::publish(self.bucket, self.name, self.place, self.options, sealed).await;
            drop(claim);
            object
        })
        .await
    }
}

impl Running {
    async fn pass_on_block(mut self) -> io::Result<Self> {
        let block = std::mem::take(&mut self.block).freeze();
        self.unsynced += block.len() as u64;
        self.md5 = self.md5.run(update_md5(block.clone())).await?;
        self.file = self.file.run(append(block.clone())).await?;
        // Both lanes have begun with this block, so they are done with the one before.
        let spent = std::mem::replace(&mut self.passed_on, block);
        self.block = spent.try_into_mut().unwrap_or_default();
        self.block.clear();
        self.block.reserve(BLOCK);

        if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            self.disk = self.disk.run(Disk::catch_up).await?;
        }
        Ok(self)
    }

    async fn seal(self) -> io::Result<(Sealed, Option<Claim>)> {
        let last = self.block.freeze();
        let md5 = self.md5.run(update_md5(last.clone())).await?;
        let file = self.file.run(append(last)).await?;
        let (md5, file) = (md5.finish().await?, file.finish().await?);
        self.disk.finish().await?;
        let content = Content {
            size: file.size(),
            md5: md5.finalize().into(),
            crc32c: file.crc32c(),
            sha256: file.sha256(),
        };
        Ok((Sealed { file, content }, self.claim))
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

fn check_size(bucket: &BucketState, size: u64) -> Result<(), StorageError> {
    let limit = bucket.spec.max_object;
    if size > limit {
        return Err(StorageError::TooLarge { limit });
    }
    Ok(())
}
