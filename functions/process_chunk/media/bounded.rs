//! A file that can be read only so much, so often and so long.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::Instant;

use super::Limits;

pub(super) struct Bounded<R> {
    file: R,
    bytes: u64,
    calls: u32,
    until: Option<Instant>,
    spent: Option<&'static str>,
    failure: Option<io::Error>,
}

impl<R> Bounded<R> {
    pub(super) fn new(file: R, limits: &Limits) -> Self {
        Self {
            file,
            bytes: limits.bytes,
            calls: limits.calls,
            until: Instant::now().checked_add(limits.time),
            spent: None,
            failure: None,
        }
    }

    /// Does `work` with `bytes` of what is left, at most.
    pub(super) fn within<T>(&mut self, bytes: u64, work: impl FnOnce(&mut Self) -> T) -> T {
        let aside = self.bytes.saturating_sub(bytes);
        self.bytes -= aside;
        let result = work(self);
        self.bytes += aside;
        result
    }

    /// The limit that was reached, if one was.
    pub(super) fn spent(&self) -> Option<&'static str> {
        self.spent
    }

    /// What went wrong below, where the file is kept.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Once a limit is reached everything fails, so that no reader goes on past it by ignoring one error.
    fn charge(&mut self, bytes: u64) -> io::Result<()> {
        self.spent = self.spent.or_else(|| {
            if self.calls == 0 {
                Some("it takes too many reads")
            } else if bytes > 0 && self.bytes == 0 {
                Some("it takes too many bytes to read")
            } else if self.until.is_some_and(|until| Instant::now() >= until) {
                Some("it takes too long to read")
            } else {
                None
            }
        });
        match self.spent {
            Some(limit) => Err(io::Error::other(limit)),
            None if self.failure.is_some() => Err(io::Error::other("the file is out of reach")),
            None => {
                self.calls -= 1;
                Ok(())
            }
        }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            kind => {
                self.failure.get_or_insert(error);
                io::Error::from(kind)
            }
        })
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len() as u64;
        self.charge(wanted)?;
        let wanted = wanted.min(self.bytes) as usize;
        let result = self.file.read(&mut buffer[..wanted]);
        let read = self.note(result)?;
        self.bytes -= read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.charge(0)?;
        let result = self.file.seek(to);
        match result {
            // A place that cannot be is the file's nonsense, not a failure of what keeps it.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Err(error),
            result => self.note(result),
        }
    }
}
