//! The bytes of one request of an upload session.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::UploadSession;
use super::ending::make_way;
use super::live::Live;
use super::progress::Tail;
use crate::storage::bucket::BucketState;
use crate::storage::work::uninterrupted;
use crate::storage::{Object, StorageError, quota};

/// Takes the bytes of one request of an [`UploadSession`]. Dropping it keeps what came as far as it
/// fills blocks of 256 KiB: the sender asks how far that is, and goes on from there.
#[must_use]
pub struct SessionWriter {
    session: UploadSession,
    live: Arc<Live>,
    /// Its number among the writers of the session.
    number: u64,
    /// Bytes that the session has already.
    known: u64,
    is_over: bool,
}

impl SessionWriter {
    pub(super) async fn open(
        session: UploadSession,
        live: Arc<Live>,
        offset: u64,
    ) -> Result<Self, StorageError> {
        let UploadSession { bucket, row } = &session;
        let mut work = live.enter().await;
        work.writers += 1;
        let number = work.writers;
        let Some(progress) = &mut work.progress else {
            return Err(session.ended().await?);
        };
        if let Err(error) = progress.settle(bucket, Tail::Dropped).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "what an earlier writer left is cut off");
        }
        let received = progress.received();
        let Some(known) = received.checked_sub(offset) else {
            return Err(StorageError::OffsetMismatch { received });
        };
        let room = quota::room(bucket, &row.name, &row.owner).await?;
        if let (Some(claim), Some(room)) = (&mut work.claim, room) {
            while let Err(refused) = claim.renew(room) {
                if !make_way(bucket, &row.owner).await? {
                    return Err(refused);
                }
            }
        }
        if let Some(progress) = &mut work.progress {
            progress.run(bucket).await?;
        }
        drop(work);
        Ok(Self {
            session,
            live,
            number,
            known,
            is_over: false,
        })
    }

    /// Takes the next bytes; waits while the disk is behind. Once polled it takes all of them, even if
    /// the future is dropped.
    ///
    /// # Errors
    /// [`StorageError::Superseded`] when another request has taken the session over. Bytes that the
    /// limits or the declared length do not hold are not taken; those before them stay.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        let known = usize::try_from(self.known).unwrap_or(usize::MAX);
        let known = known.min(bytes.len());
        bytes.advance(known);
        self.known -= known as u64;
        if bytes.is_empty() {
            return Ok(());
        }
        let (session, live, number) = (self.session.clone(), self.live.clone(), self.number);
        uninterrupted(async move {
            let bucket = &session.bucket;
            let mut work = live.enter().await;
            work.check_turn(number)?;
            let work = &mut *work;
            let Some(progress) = &mut work.progress else {
                return Err(StorageError::Aborted);
            };
            let more = bytes.len() as u64;
            let total = progress.taken().saturating_add(more);
            progress.check_length(more)?;
            bucket.check_size(total)?;
            if let Some(claim) = &mut work.claim {
                claim.grow_to(total)?;
            }
            progress.take(bucket, bytes).await
        })
        .await
    }

    /// The request is over and more will follow: makes what came durable, in whole blocks of 256 KiB
    /// unless the declared length is reached. The rest is forgotten, and the sender sends it again.
    pub async fn close(mut self) -> Result<UploadSession, StorageError> {
        self.is_over = true;
        let (session, live, number) = (self.session.clone(), self.live.clone(), self.number);
        uninterrupted(async move {
            settle(&session.bucket, &live, number, false).await?;
            session.again().await
        })
        .await
    }

    /// The request was the last one: makes all of it durable, and then the object, as
    /// [`UploadSession::finish`] does.
    pub async fn finish(mut self) -> Result<Object, StorageError> {
        self.is_over = true;
        let (session, live, number) = (self.session.clone(), self.live.clone(), self.number);
        uninterrupted(async move {
            settle(&session.bucket, &live, number, true).await?;
            session.finish().await
        })
        .await
    }
}

/// Ends a writer's part. `is_last`: no more will follow, if the length was not declared.
async fn settle(
    bucket: &BucketState,
    live: &Live,
    writer: u64,
    is_last: bool,
) -> Result<(), StorageError> {
    let mut work = live.enter().await;
    work.check_turn(writer)?;
    let Some(progress) = &mut work.progress else {
        return Ok(());
    };
    let tail = match progress.is_whole().unwrap_or(is_last) {
        true => Tail::Kept,
        false => Tail::Dropped,
    };
    progress.settle(bucket, tail).await
}

impl Drop for SessionWriter {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.is_over {
            return;
        }
        let (bucket, live, number) = (self.session.bucket.clone(), self.live.clone(), self.number);
        runtime.spawn(async move {
            match settle(&bucket, &live, number, false).await {
                Ok(()) | Err(StorageError::Superseded) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "what a writer left is cut off");
                }
            }
        });
    }
}
