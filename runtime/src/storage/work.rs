//! Work that may wait for the disk, and work that must not stop half-way.

use std::io;

use tokio::task::{JoinHandle, spawn_blocking};

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

/// A value that blocking threads work on, one job at a time, while the async side goes on.
#[derive(Debug)]
pub(super) enum Lane<T> {
    Idle(T),
    Busy(JoinHandle<io::Result<T>>),
}

impl<T: Send + 'static> Lane<T> {
    /// Waits for the previous job, then starts this one and does not wait for it. The first error
    /// of a job surfaces here or in [`Lane::finish`], and drops the value.
    pub(super) async fn run(
        self,
        job: impl FnOnce(&mut T) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let mut value = self.finish().await?;
        Ok(Self::Busy(spawn_blocking(move || {
            job(&mut value)?;
            Ok(value)
        })))
    }

    /// Waits for the last job.
    pub(super) async fn finish(self) -> io::Result<T> {
        match self {
            Self::Idle(value) => Ok(value),
            Self::Busy(job) => job.await?,
        }
    }
}
