//! How another process tells the server that it has changed the ledger: SQLite tells nobody, and the
//! server does not ask again and again.
//!
//! The bell is a named pipe beside the ledger's file. The server keeps it open, so a pipe that
//! nobody has open says that no server runs; one that was killed leaves nothing to clear away. The
//! bytes mean nothing: whoever hears one looks at the ledger. Unlike a signal, this cannot reach a
//! stranger who has the process number of a server that is gone, and it works from another
//! container that has the same disk.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe;

/// The server's side.
pub(crate) struct Doorbell(pipe::Receiver);

impl Doorbell {
    /// Opens the bell in the ledger's folder, made when missing.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = path(folder);
        match mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // Also for writing: a pipe whose last writer has gone would be at its end, and always ready.
        let mut options = pipe::OpenOptions::new();
        options.read_write(true).open_receiver(path).map(Self)
    }

    /// Ends when somebody has rung since the last call.
    pub(crate) async fn rung(&self) -> io::Result<()> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut [0; 64]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

/// Tells the server that has the ledger in `folder` open to look at it. Returns whether there is one.
pub(crate) fn ring(folder: &Path) -> io::Result<bool> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits())
        .open(path(folder));
    let mut bell = match opened {
        Ok(bell) => bell,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => return Ok(false),
        Err(error) => return Err(error),
    };
    if !bell.metadata()?.file_type().is_fifo() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a pipe"));
    }
    match bell.write(&[0]) {
        // Full of rings that will be heard.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        written => written.map(|_| true),
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(format!("{}-bell", super::FILE))
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn a_ring_is_heard_once_however_often_it_was_rung() {
        let folder = tempfile::tempdir().unwrap();
        let bell = Doorbell::open(folder.path()).unwrap();
        for _ in 0..3 {
            assert!(ring(folder.path()).unwrap());
        }
        bell.rung().await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(bell.rung()).poll(&mut context).is_pending());

        assert!(ring(folder.path()).unwrap());
        bell.rung().await.unwrap();
    }

    #[tokio::test]
    async fn nobody_answers_where_no_server_runs() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!ring(folder.path()).unwrap());
        drop(Doorbell::open(folder.path()).unwrap());
        assert!(!ring(folder.path()).unwrap());

        let _again = Doorbell::open(folder.path()).unwrap();
        assert!(ring(folder.path()).unwrap());
    }

    #[tokio::test]
    async fn more_rings_than_the_pipe_holds_fail_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let bell = Doorbell::open(folder.path()).unwrap();
        // Linux gives a pipe 64 KiB.
        for _ in 0..70_000 {
            assert!(ring(folder.path()).unwrap());
        }
        bell.rung().await.unwrap();
    }

    #[tokio::test]
    async fn a_file_in_the_bells_place_is_neither_opened_nor_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(path(folder.path()), "mine").unwrap();
        assert!(ring(folder.path()).is_err());
        assert!(Doorbell::open(folder.path()).is_err());
        assert_eq!(std::fs::read(path(folder.path())).unwrap(), b"mine");
    }
}
