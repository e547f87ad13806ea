//! Work that may wait for the disk, and work that must not stop half-way.

use std::io;

use tokio::task::spawn_blocking;

use super::StorageError;

/// Runs `work` on a thread that may wait. It runs to its end even if nobody awaits it any more.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StorageError> {
    Ok(blocking_io(work).await?)
}

/// As [`blocking`], for callers that are part of the disk's work themselves.
pub(super) async fn blocking_io<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await?
}

/// Runs `work` to its end even if the returned future is dropped after its first poll.
pub(super) async fn uninterrupted<T: Send + 'static>(
    work: impl Future<Output = Result<T, StorageError>> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::spawn(work).await.map_err(io::Error::from)?
}
