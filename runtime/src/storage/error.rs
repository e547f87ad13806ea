//! How storage fails, and what of that a caller may read.

use std::io;

use http::StatusCode;

use crate::database::sqlite::SqliteError;
use crate::error::{Error, ErrorCode};
use crate::ledger::{CommitError, InvalidObjectName, MetadataTooLong};

type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The name is empty, too long, or not of the form the bucket's `object_name` asks for.
    #[error("the object's name is not one this bucket takes")]
    InvalidName,
    /// The object's custom metadata would be more than Cloud Storage keeps.
    #[error("the object has too much metadata")]
    MetadataTooLong,
    /// `limit`: bytes of one object.
    #[error("the object is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the owner's quota does not hold the object")]
    QuotaExceeded,
    #[error("the disk is full")]
    DiskFull,
    /// An earlier call of the same upload failed or was abandoned half-way.
    #[error("the upload was aborted")]
    Aborted,
    /// The bytes of an upload session must follow one another; `received` is where they go on.
    #[error("the session goes on at byte {received}")]
    OffsetMismatch { received: u64 },
    /// `declared`, `received`: bytes. The object would be longer or shorter than its sender said.
    #[error("{declared} bytes were declared and {received} came")]
    LengthMismatch { declared: u64, received: u64 },
    /// The bytes are not those whose hash their sender gave.
    #[error("the bytes have another MD5 than was said")]
    ChecksumMismatch,
    /// Another request went on with the upload session.
    #[error("another request has taken the session over")]
    Superseded,
    #[error("the session is cancelled")]
    SessionCancelled,
    /// The session has become an object, and takes no more.
    #[error("the session is finished")]
    SessionFinished,
    /// The owner has too many upload sessions that are going on.
    #[error("too many sessions")]
    TooManySessions,
    #[error("the disk failed")]
    Io(#[source] io::Error),
    #[error("the ledger failed")]
    Ledger(#[source] Cause),
    /// The ledger has more to do than it can, or is closing. Trying again later may work.
    #[error("the ledger is unavailable")]
    Unavailable(#[source] Cause),
}

impl From<InvalidObjectName> for StorageError {
    fn from(_: InvalidObjectName) -> Self {
        Self::InvalidName
    }
}

impl From<MetadataTooLong> for StorageError {
    fn from(_: MetadataTooLong) -> Self {
        Self::MetadataTooLong
    }
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

impl From<SqliteError> for StorageError {
    fn from(error: SqliteError) -> Self {
        let sqlite = match &error {
            SqliteError::Busy | SqliteError::Closed => return Self::Unavailable(error.into()),
            SqliteError::Panicked => return Self::Ledger(error.into()),
            SqliteError::Job(sqlite) => sqlite,
            SqliteError::Commit(sqlite) => sqlite,
        };
        match sqlite.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull,
            _ => Self::Ledger(error.into()),
        }
    }
}

impl From<CommitError> for StorageError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::QuotaExceeded => Self::QuotaExceeded,
            CommitError::MetadataTooLong(too_long) => too_long.into(),
            CommitError::Sqlite(error) => error.into(),
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        let public = match &error {
            StorageError::InvalidName => {
                Self::new(ErrorCode::InvalidArgument, "Invalid object name")
            }
            StorageError::MetadataTooLong => {
                Self::new(ErrorCode::InvalidArgument, "The metadata is too long")
            }
            StorageError::TooLarge { .. } => {
                Self::new(ErrorCode::InvalidArgument, "The object is too large")
                    .with_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            StorageError::QuotaExceeded => {
                Self::new(ErrorCode::ResourceExhausted, "The storage quota is used up")
                    .with_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            StorageError::DiskFull => {
                Self::new(ErrorCode::ResourceExhausted, "The storage is full")
                    .with_status(StatusCode::INSUFFICIENT_STORAGE)
            }
            StorageError::Aborted => Self::new(ErrorCode::Aborted, "The upload was aborted"),
            StorageError::OffsetMismatch { .. } => Self::new(
                ErrorCode::OutOfRange,
                "The bytes do not follow those before",
            ),
            StorageError::LengthMismatch { .. } => Self::new(
                ErrorCode::InvalidArgument,
                "The upload is not as long as was declared",
            ),
            StorageError::ChecksumMismatch => Self::new(
                ErrorCode::InvalidArgument,
                "The bytes have another MD5 than was said",
            ),
            StorageError::Superseded => Self::new(
                ErrorCode::Aborted,
                "Another request goes on with the upload",
            ),
            StorageError::SessionCancelled => {
                Self::new(ErrorCode::FailedPrecondition, "The upload was cancelled")
            }
            StorageError::SessionFinished => {
                Self::new(ErrorCode::FailedPrecondition, "The upload is finished")
            }
            StorageError::TooManySessions => Self::new(
                ErrorCode::ResourceExhausted,
                "Too many uploads are going on",
            ),
            StorageError::Unavailable(_) => Self::new(ErrorCode::Unavailable, "UNAVAILABLE"),
            StorageError::Io(_) | StorageError::Ledger(_) => {
                Self::new(ErrorCode::Internal, "INTERNAL")
            }
        };
        public.because(error)
    }
}

impl From<InvalidObjectName> for Error {
    fn from(error: InvalidObjectName) -> Self {
        StorageError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_reads_a_fixed_text_and_never_the_cause() {
        let secret = || io::Error::other("/data/user_chunks/U1");
        let errno = |code| io::Error::from_raw_os_error(code).into();
        for (error, status, message) in [
            (StorageError::InvalidName, 400, "Invalid object name"),
            (
                StorageError::MetadataTooLong,
                400,
                "The metadata is too long",
            ),
            (
                StorageError::TooLarge { limit: 7 },
                413,
                "The object is too large",
            ),
            (
                StorageError::QuotaExceeded,
                413,
                "The storage quota is used up",
            ),
            (errno(nix::libc::ENOSPC), 507, "The storage is full"),
            (errno(nix::libc::EDQUOT), 507, "The storage is full"),
            (
                StorageError::OffsetMismatch { received: 7 },
                400,
                "The bytes do not follow those before",
            ),
            (
                StorageError::LengthMismatch {
                    declared: 7,
                    received: 6,
                },
                400,
                "The upload is not as long as was declared",
            ),
            (
                StorageError::ChecksumMismatch,
                400,
                "The bytes have another MD5 than was said",
            ),
            (
                StorageError::Superseded,
                409,
                "Another request goes on with the upload",
            ),
            (
                StorageError::SessionCancelled,
                400,
                "The upload was cancelled",
            ),
            (StorageError::SessionFinished, 400, "The upload is finished"),
            (
                StorageError::TooManySessions,
                429,
                "Too many uploads are going on",
            ),
            (SqliteError::Busy.into(), 503, "UNAVAILABLE"),
            (secret().into(), 500, "INTERNAL"),
            (StorageError::Ledger(secret().into()), 500, "INTERNAL"),
        ] {
            let public = Error::from(error);
            assert_eq!(public.status().as_u16(), status);
            assert_eq!(public.message(), message);
        }
        let full = rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
            None,
        );
        let full = StorageError::from(SqliteError::Commit(full.into()));
        assert!(matches!(full, StorageError::DiskFull));
    }
}
