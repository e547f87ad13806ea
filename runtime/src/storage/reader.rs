//! Reading an object: its bytes as they were when it was opened, whatever becomes of its name.

use std::fs::File;
use std::io::{self, IoSliceMut, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::coop::consume_budget;
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

    /// The bytes of `range`, as far as the object has them, in blocks of 256 KiB. From the first one on that
    /// the system has not in memory, one block is read ahead. A block that was dropped by then is filled
    /// again instead of a new one.
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

/// A part of the file on its way into memory.
struct Block {
    bytes: BytesMut,
    /// In the file.
    at: u64,
    filled: usize,
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
        let from_disk = match self.ahead.take() {
            Some(ahead) => ahead,
            None => {
                let Some(mut block) = self.block() else {
                    return Ok(None);
                };
                // A caller that never waits for anything else would hold its thread to the end of the object.
                consume_budget().await;
                // To copy it takes less than to have another thread do so.
                block.filled = read_cached(&self.file, &mut block.bytes, block.at);
                if block.filled == block.bytes.len() {
                    let block = block.bytes.freeze();
                    self.spare = Some(block.clone());
                    return Ok(Some((block, self)));
                }
                self.read(block)
            }
        };
        let block = from_disk.await.map_err(io::Error::from)??;
        self.ahead = self.block().map(|block| self.read(block));
        self.spare = Some(block.clone());
        Ok(Some((block, self)))
    }

    /// The next block, to be filled; `None`: nothing is left.
    fn block(&mut self) -> Option<Block> {
        let left = self.end.checked_sub(self.at).filter(|left| *left > 0)?;
        let size = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        let at = self.at;
        self.at += size as u64;
        let spare = self.spare.take();
        let mut bytes = spare
            .and_then(|spare| spare.try_into_mut().ok())
            .filter(|spare| spare.len() >= size)
            .unwrap_or_else(|| BytesMut::zeroed(size));
        bytes.truncate(size);
        let filled = 0;
        Some(Block { bytes, at, filled })
    }

    fn read(&self, mut block: Block) -> JoinHandle<io::Result<Bytes>> {
        let file = self.file.clone();
        spawn_blocking(move || {
            let rest = &mut block.bytes[block.filled..];
            file.read_exact_at(rest, block.at + block.filled as u64)?;
            Ok(block.bytes.freeze())
        })
    }
}

/// Reads what the system has in memory of the bytes from `at` on, and returns their number. What this cannot
/// do, because the file system does not know how or for any other reason, the read that waits does or explains.
fn read_cached(file: &File, bytes: &mut [u8], at: u64) -> usize {
    preadv2(
        file,
        &mut [IoSliceMut::new(bytes)],
        at,
        ReadWriteFlags::NOWAIT,
    )
    .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::TryStreamExt;
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

    use super::*;

    fn reader(content: &[u8]) -> ObjectReader {
        // Where files are on a disk: memory would not forget them.
        let file = tempfile::tempfile_in("/var/tmp").unwrap();
        file.write_all_at(content, 0).unwrap();
        ObjectReader::new(file, content.len() as u64)
    }

    fn rest(reader: &mut impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[tokio::test]
    async fn bytes_come_from_memory_and_from_the_disk_alike() {
        let content: Vec<u8> = (0..=250).cycle().take(9 * BLOCK + 77).collect();
        let object = reader(&content);
        object.file.sync_all().unwrap();
        let blocks = BLOCK as i64;
        for forgotten in [
            0..0,
            0..10 * blocks,
            blocks..2 * blocks,
            3 * blocks / 2..2 * blocks,
        ] {
            let (from, length) = (forgotten.start, forgotten.end - forgotten.start);
            if length > 0 {
                let forget = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
                posix_fadvise(&*object.file, from, length, forget).unwrap();
            }
            let mut blocks = std::pin::pin!(object.read_range(0..u64::MAX));
            let (mut read, mut buffers) = (Vec::new(), HashSet::new());
            while let Some(block) = blocks.try_next().await.unwrap() {
                buffers.insert(block.as_ptr());
                read.extend_from_slice(&block);
            }
            assert!(read == content, "{forgotten:?}");
            assert!(buffers.len() <= 3, "{forgotten:?}: {}", buffers.len());
        }
    }

    #[tokio::test]
    async fn an_object_whose_file_was_cut_off_is_an_error() {
        let object = reader(&[7; 2 * BLOCK]);
        object.file.set_len(BLOCK as u64 + 5).unwrap();
        let mut blocks = std::pin::pin!(object.read_range(0..u64::MAX));
        assert_eq!(blocks.try_next().await.unwrap().unwrap().len(), BLOCK);
        assert!(blocks.try_next().await.is_err());
    }

    #[tokio::test]
    async fn whoever_reads_from_memory_lets_others_run() {
        let object = reader(b"in memory");
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = turns.clone();
        let others = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..1000 {
            let blocks: Vec<Bytes> = object.read_range(0..9).try_collect().await.unwrap();
            assert_eq!(blocks.concat(), b"in memory");
        }
        assert!(turns.load(Ordering::Relaxed) > 0);
        others.abort();
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
