//! Uploads that take several requests, and may outlive the process: the same steps as any upload
//! (see [the module](super)), with the ledger keeping account in between.
//!
//! A session's bytes lie in a staged file that stays until the session ends. One writer at a time
//! adds to it, and a later one takes over from an earlier one, whose client has most likely given
//! up. The commit that makes the object ends the session, so an object is made once however often
//! its end is asked for.

mod ending;
mod live;
mod progress;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

pub(super) use self::ending::{expire, make_way, restore};
use self::live::Live;
pub(super) use self::live::Sessions;
use self::progress::Tail;
pub use self::writer::SessionWriter;
use super::bucket::BucketState;
use super::place::Place;
use super::publish::{self, Sealed};
use super::quota;
use super::staged::StagedFile;
use super::work::{blocking, uninterrupted};
use super::{Object, ObjectName, PutOptions, SessionState, StorageError};
use crate::failpoint::failpoint;
use crate::ledger::{Session, check_metadata};

/// From its start; that of Cloud Storage.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Bytes of randomness in an id.
const SECRET: usize = 24;

/// An upload that takes several requests, as it stood when it was asked for.
#[derive(Clone)]
pub struct UploadSession {
    bucket: Arc<BucketState>,
    row: Session,
}

/// Once polled it runs to its end, so no file is left that the ledger does not know.
pub(super) async fn start(
    bucket: Arc<BucketState>,
    name: ObjectName,
    options: PutOptions,
    lifetime: SignedDuration,
) -> Result<UploadSession, StorageError> {
    uninterrupted(async move {
        let place = Place::of(&name, &bucket.spec.object_name);
        let now = Timestamp::now();
        let mut row = Session {
            id: secret(),
            bucket: bucket.spec.name.clone(),
            name,
            owner: place.owner().to_owned(),
            options,
            state: SessionState::Active,
            staged: String::new(),
            received: 0,
            updated: now,
            expires: now + lifetime,
        };
        let started = begin(&bucket, &mut row).await;
        if let Err(error) = started {
            bucket.sessions.remove(&row.id);
            return Err(error);
        }
        Ok(UploadSession { bucket, row })
    })
    .await
}

fn secret() -> String {
    let mut secret = [0; SECRET];
    rand::fill(&mut secret).expect("the system gives random bytes");
    URL_SAFE_NO_PAD.encode(secret)
}

async fn begin(bucket: &Arc<BucketState>, row: &mut Session) -> Result<(), StorageError> {
    let declared = row.options.content_length.unwrap_or_default();
    bucket.check_size(declared)?;
    check_metadata(&row.options.metadata, &BTreeMap::new())?;
    let file = {
        let bucket = bucket.clone();
        blocking(move || {
            let room = bucket.room.reserve(declared, bucket.spec.min_free)?;
            let file = StagedFile::create(bucket.staging.clone(), room)?;
            failpoint!("after-create")?;
            // The ledger is about to name an entry of this folder.
            bucket.staging.sync()?;
            Ok(file)
        })
        .await?
    };
    row.staged = file.id().to_owned();

    let live = loop {
        match bucket.sessions.add(row) {
            Some(live) => break live,
            None if make_way(bucket, &row.owner).await? => {}
            None => return Err(StorageError::TooManySessions),
        }
    };
    live.enter().await.claim = quota::claim(bucket, &row.name, &row.owner, declared).await?;
    bucket.ledger.start_session(row).await?;
    file.hand_over();
    Ok(())
}

/// What has come by now is made durable first, so that the answer is as good as it can be.
pub(super) async fn find(
    bucket: Arc<BucketState>,
    id: &str,
) -> Result<Option<UploadSession>, StorageError> {
    if let Some(live) = bucket.sessions.get(id) {
        let bucket = bucket.clone();
        let caught_up = uninterrupted(async move {
            match &mut live.enter().await.progress {
                Some(progress) => progress.catch_up(&bucket).await,
                None => Ok(()),
            }
        });
        if let Err(error) = caught_up.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an upload session falls back to what was durable");
        }
    }
    let row = bucket.ledger.session(id).await?;
    let is_ours = |row: &Session| row.bucket == bucket.spec.name && row.expires > Timestamp::now();
    Ok(row.filter(is_ours).map(|row| UploadSession { bucket, row }))
}

impl UploadSession {
    /// Unguessable: whoever knows it may go on with the upload.
    pub fn id(&self) -> &str {
        &self.row.id
    }

    /// Of the object that it will be.
    pub fn name(&self) -> &ObjectName {
        &self.row.name
    }

    /// As given at the start.
    pub fn options(&self) -> &PutOptions {
        &self.row.options
    }

    /// Bytes that are durable: where the sender goes on.
    pub fn received(&self) -> u64 {
        self.row.received
    }

    pub fn state(&self) -> &SessionState {
        &self.row.state
    }

    /// Takes the bytes from `offset` on. Those that are there already are dropped, so a request may be
    /// sent again. Whoever was writing is refused from now on ([`StorageError::Superseded`]), and what
    /// came from there stays as far as it fills blocks.
    ///
    /// # Errors
    /// [`StorageError::OffsetMismatch`] when bytes between would be missing; also when the session has
    /// ended, and when its limits no longer hold it.
    pub async fn append(&self, offset: u64) -> Result<SessionWriter, StorageError> {
        let this = self.clone();
        uninterrupted(async move {
            let live = this.live().await?;
            SessionWriter::open(this, live, offset).await
        })
        .await
    }

    /// Makes the object of the bytes that were received: when this returns, it is durable. A session
    /// that is finished answers with the same object again. Once polled it runs to its end, even if
    /// the future is dropped; after an error it can be tried again, unless the session has ended.
    ///
    /// # Errors
    /// [`StorageError::ChecksumMismatch`] ends the session: no request makes these bytes the right ones.
    pub async fn finish(&self) -> Result<Object, StorageError> {
        let this = self.clone();
        uninterrupted(async move {
            match this.live().await {
                Ok(live) => {
                    let made = this.clone().publish(&live).await;
                    if let Err(StorageError::ChecksumMismatch) = made {
                        ending::cancel(&this.bucket, &this.row.id).await?;
                    }
                    made
                }
                Err(StorageError::SessionFinished) => this.outcome().await,
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Ends the session without an object. Returns whether it was active until now: of several who
    /// cancel it, one is told so.
    ///
    /// # Errors
    /// [`StorageError::SessionFinished`]
    pub async fn cancel(&self) -> Result<bool, StorageError> {
        let this = self.clone();
        uninterrupted(async move {
            if ending::cancel(&this.bucket, &this.row.id).await? {
                return Ok(true);
            }
            match this.ended().await? {
                StorageError::SessionCancelled => Ok(false),
                error => Err(error),
            }
        })
        .await
    }

    /// # Errors
    /// [`StorageError::SessionFinished`], [`StorageError::SessionCancelled`]
    async fn live(&self) -> Result<Arc<Live>, StorageError> {
        match self.bucket.sessions.get(&self.row.id) {
            Some(live) => Ok(live),
            None => Err(self.ended().await?),
        }
    }

    async fn again(self) -> Result<Self, StorageError> {
        let row = self.bucket.ledger.session(&self.row.id).await?;
        let row = row.ok_or(StorageError::SessionCancelled)?;
        Ok(Self { row, ..self })
    }

    /// How a session ended that is not active.
    async fn ended(&self) -> Result<StorageError, StorageError> {
        let row = self.bucket.ledger.session(&self.row.id).await?;
        Ok(match row.map(|row| row.state) {
            Some(SessionState::Final(_)) => StorageError::SessionFinished,
            _ => StorageError::SessionCancelled,
        })
    }

    async fn outcome(&self) -> Result<Object, StorageError> {
        let row = self.bucket.ledger.session(&self.row.id).await?;
        match row.map(|row| row.state) {
            Some(SessionState::Final(object)) => Ok(*object),
            _ => Err(StorageError::SessionCancelled),
        }
    }

    async fn publish(self, live: &Live) -> Result<Object, StorageError> {
        let Self { bucket, row } = &self;
        let mut work = live.enter().await;
        work.writers += 1;
        let Some(progress) = &mut work.progress else {
            return self.outcome().await;
        };
        progress.settle(bucket, Tail::Dropped).await?;
        progress.check_whole()?;
        let (file, measures) = progress.seal(bucket).await?;
        let content = measures.content();
        publish::check(&content, &row.options)?;
        let sealed = Sealed {
            file,
            content,
            session: Some(row.id.clone()),
        };
        let place = Place::of(&row.name, &bucket.spec.object_name);
        let (name, options) = (row.name.clone(), row.options.clone());
        let made = publish::publish(bucket.clone(), name, place, options, sealed).await;
        // An error after the commit has made the object all the same.
        if made.is_ok() || self.outcome().await.is_ok() {
            work.end();
            bucket.sessions.remove(&row.id);
        }
        made
    }
}

impl fmt::Debug for UploadSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not its id, which is a secret.
        f.debug_struct("UploadSession")
            .field("name", &self.row.name)
            .field("received", &self.row.received)
            .field("state", &self.row.state)
            .finish_non_exhaustive()
    }
}
