//! Reading an object: its bytes as they were when it was opened, whatever becomes of its name.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BLOCK, StorageError};

/// An open object. Overwriting or deleting it changes nothing for this reader.
#[derive(Debug, Clone)]
pub struct ObjectReader {
    file: Arc<File>,
    size: u64,
}

impl ObjectReader {
    pub(super) fn new(file: File, size: u64) -> Self {
        Self {
            file: Arc::new(file),
            size,
        }
    }

    /// The bytes of `range`, as far as the object has them, in blocks of 256 KiB. One block is read
    /// ahead; a block that was dropped by then is filled again instead of a new one.
    pub fn read_range(
        &self,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + use<> {
        let reading = Reading {
            file: self.file.clone(),
            at: range.start,
            end: range.end.min(self.size),
            ahead: None,
            spare: None,
        };
        stream::try_unfold(reading, Reading::next)
    }
}

struct Reading {
    file: Arc<File>,
    at: u64,
    end: u64,
    ahead: Option<JoinHandle<io::Result<Bytes>>>,
    /// The block handed out last.
    spare: Option<Bytes>,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StorageError> {
        let Some(block) = self.ahead.take().or_else(|| self.read_block()) else {
            return Ok(None);
        };
        let block = block.await.map_err(io::Error::from)??;
        self.ahead = self.read_block();
        self.spare = Some(block.clone());
        Ok(Some((block, self)))
    }

    /// Starts reading at `at`; `None`: nothing is left.
    fn read_block(&mut self) -> Option<JoinHandle<io::Result<Bytes>>> {
        let left = self.end.checked_sub(self.at).filter(|left| *left > 0)?;
        let size = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        let (file, at, spare) = (self.file.clone(), self.at, self.spare.take());
        self.at += size as u64;
        Some(spawn_blocking(move || {
            let mut block = spare
                .and_then(|spare| spare.try_into_mut().ok())
                .filter(|spare| spare.len() >= size)
                .unwrap_or_else(|| BytesMut::zeroed(size));
            block.truncate(size);
            file.read_exact_at(&mut block, at)?;
            Ok(block.freeze())
        }))
    }
}
