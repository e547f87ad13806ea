//! Reading an object: its bytes as they were when it was opened, whatever becomes of its name.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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
    pub(crate) fn new(file: File, size: u64) -> Self {
        Self {
            file: Arc::new(file),
            size,
        }
    }

    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
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

    /// The bytes for code that blocks, from the first one on. It has a position of its own, and
    /// belongs on a thread of its own.
    pub fn blocking(&self) -> impl Read + Seek + Send + 'static + use<> {
        Blocking {
            file: self.file.clone(),
            size: self.size,
            at: 0,
        }
    }
}

struct Blocking {
    file: Arc<File>,
    size: u64,
    at: u64,
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.at);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            // A place so far behind the end would be an error to the system.
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Blocking {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(offset) => (self.at, offset),
            SeekFrom::End(offset) => (self.size, offset),
        };
        self.at = base
            .checked_add_signed(offset)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(content: &[u8]) -> ObjectReader {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        ObjectReader::new(file, content.len() as u64)
    }

    fn rest(reader: &mut impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn blocking_readers_of_one_object_do_not_move_each_other() {
        let object = reader(b"0123456789");
        let (mut one, mut other) = (object.blocking(), object.blocking());
        assert_eq!(one.seek(SeekFrom::Start(7)).unwrap(), 7);
        assert_eq!(rest(&mut other), b"0123456789");
        assert_eq!(rest(&mut one), b"789");
    }

    #[test]
    fn a_blocking_reader_seeks_as_a_file_does() {
        let mut reader = reader(b"0123456789").blocking();
        for (to, at, read) in [
            (SeekFrom::End(-3), 7, b"789".as_slice()),
            (SeekFrom::Current(-1), 9, b"9"),
            (SeekFrom::End(5), 15, b""),
            (SeekFrom::Start(u64::MAX), u64::MAX, b""),
            (SeekFrom::Start(2), 2, b"23456789"),
        ] {
            assert_eq!(reader.seek(to).unwrap(), at, "{to:?}");
            assert_eq!(rest(&mut reader), read, "{to:?}");
        }
        let before = reader.seek(SeekFrom::End(-11)).unwrap_err();
        assert_eq!(before.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(reader.stream_position().unwrap(), 10);
    }

    #[test]
    fn what_a_file_grew_by_does_not_belong_to_the_object() {
        let object = reader(b"0123");
        object.file.write_all_at(b"456", 4).unwrap();
        assert_eq!(rest(&mut object.blocking()), b"0123");
    }
}
