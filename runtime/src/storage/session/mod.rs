//! Uploads that take several requests.

use std::sync::Arc;

use bytes::Bytes;

use super::bucket::BucketState;
use super::{Object, ObjectName, PutOptions, SessionState, StorageError};
use crate::ledger::Session;

/// An upload that takes several requests, as it stood when it was asked for. It outlives the process.
pub struct UploadSession {
    bucket: Arc<BucketState>,
    row: Session,
}

/// The bytes of one request of an [`UploadSession`].
#[must_use]
pub struct SessionWriter {
    bucket: Arc<BucketState>,
}

pub(super) async fn start(
    bucket: Arc<BucketState>,
    name: ObjectName,
    options: PutOptions,
) -> Result<UploadSession, StorageError> {
    unimplemented!()
}

pub(super) async fn find(
    bucket: Arc<BucketState>,
    id: &str,
) -> Result<Option<UploadSession>, StorageError> {
    unimplemented!()
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
    /// sent again. Whoever was writing is told [`StorageError::Superseded`].
    ///
    /// # Errors
    /// [`StorageError::OffsetMismatch`] when bytes between would be missing.
    pub async fn append(&self, offset: u64) -> Result<SessionWriter, StorageError> {
        unimplemented!()
    }

    /// Makes the object of the bytes that were received: when this returns, it is durable. A session
    /// that is finished answers with the same object again.
    pub async fn finish(&self) -> Result<Object, StorageError> {
        unimplemented!()
    }

    /// Ends the session without an object. One that is cancelled already is fine.
    ///
    /// # Errors
    /// [`StorageError::SessionFinished`]
    pub async fn cancel(&self) -> Result<(), StorageError> {
        unimplemented!()
    }
}

impl SessionWriter {
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        unimplemented!()
    }

    /// The request is over and more will follow: makes what came durable, in multiples of 256 KiB
    /// unless the declared length is reached. The rest is forgotten, and the sender sends it again.
    pub async fn close(self) -> Result<UploadSession, StorageError> {
        unimplemented!()
    }

    /// The request was the last one: makes all of it durable, and then the object as
    /// [`UploadSession::finish`] does.
    pub async fn finish(self) -> Result<Object, StorageError> {
        unimplemented!()
    }
}
