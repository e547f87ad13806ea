//! One upload, from its first byte to the object.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use md5::Md5;

use super::bucket::BucketState;
use super::intake::Intake;
use super::place::Place;
use super::publish::{self, Sealed};
use super::quota::{self, Claim};
use super::staged::StagedFile;
use super::work::{blocking, uninterrupted};
use super::{Object, ObjectName, PutOptions, StorageError};
use crate::failpoint::{failpoint, left_out};
use crate::ledger::check_metadata;

/// Bytes. Nobody is promised a number of whole blocks, as in an upload session; smaller ones keep the memory
/// of many uploads at once small, and with two of them before the threads the MD5, which is the slowest, has
/// its next one at hand when it ends one.
const UPLOAD_BLOCK: usize = 128 << 10;

/// Bytes on their way to becoming an object. Dropping it, at any point before
/// [`Upload::finish`], leaves nothing behind.
#[must_use]
pub struct Upload {
    bucket: Arc<BucketState>,
    name: ObjectName,
    place: Place,
    options: PutOptions,
    claim: Option<Claim>,
    /// `None` once a call failed or was abandoned half-way.
    running: Option<Intake>,
}

impl Upload {
    pub(super) async fn start(
        bucket: Arc<BucketState>,
        name: ObjectName,
        options: PutOptions,
    ) -> Result<Self, StorageError> {
        let place = Place::of(&name, &bucket.spec.object_name);
        let declared = options.content_length.unwrap_or_default();
        bucket.check_size(declared)?;
        check_metadata(&options.metadata, &BTreeMap::new())?;
        let claim = quota::claim(&bucket, &name, place.owner(), declared).await?;

        let running = {
            let (bucket, place) = (bucket.clone(), place.clone());
            blocking(move || {
                let room = bucket.room.reserve(declared, bucket.spec.min_free)?;
                let file = StagedFile::create(bucket.staging.clone(), room)?;
                failpoint!("after-create")?;
                if left_out!("no-staging") {
                    let folder = bucket.tree.make(&place)?;
                    bucket.staging.rename(file.id(), &folder, place.file())?;
                }
                Intake::new(&bucket, file, Md5::default(), UPLOAD_BLOCK, declared)
            })
            .await?
        };
        Ok(Self {
            bucket,
            name,
            place,
            options,
            claim,
            running: Some(running),
        })
    }

    /// Takes the next bytes; waits while the disk is behind. After an error, or when the future is
    /// dropped before its end, the upload is over.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let running = self.running.take().ok_or(StorageError::Aborted)?;
        let total = running.taken().saturating_add(bytes.len() as u64);
        self.bucket.check_size(total)?;
        if let Some(claim) = &mut self.claim {
            claim.grow_to(total)?;
        }
        self.running = Some(running.take(bytes).await?);
        Ok(())
    }

    /// Makes the object: when this returns, it is durable. An error other than
    /// [`StorageError::QuotaExceeded`] can leave the object made. Once polled it runs to its end,
    /// even if the future is dropped.
    pub async fn finish(self) -> Result<Object, StorageError> {
        let running = self.running.ok_or(StorageError::Aborted)?;
        uninterrupted(async move {
            let (file, measures) = running.pass_on().await?.end().await?;
            let content = measures.content();
            publish::check(&content, &self.options)?;
            let sealed = Sealed {
                file,
                content,
                session: None,
            };
            let object =
                publish::publish(self.bucket, self.name, self.place, self.options, sealed).await;
            drop(self.claim);
            object
        })
        .await
    }
}
