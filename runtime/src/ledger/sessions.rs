//! The rows of upload sessions: what was promised to whom, and how many bytes of it are durable.

use jiff::Timestamp;

use super::{Object, ObjectName, PutOptions};

/// What has become of an upload session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    Active,
    /// The object as it was when the session made it.
    Final(Box<Object>),
    Cancelled,
}

/// An upload that takes several requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// Unguessable: whoever knows it may go on with the upload.
    pub(crate) id: String,
    pub(crate) bucket: String,
    pub(crate) name: ObjectName,
    pub(crate) owner: String,
    pub(crate) options: PutOptions,
    pub(crate) state: SessionState,
    /// The staged file.
    pub(crate) staged: String,
    /// Bytes of it that are durable.
    pub(crate) received: u64,
    pub(crate) updated: Timestamp,
    pub(crate) expires: Timestamp,
}
