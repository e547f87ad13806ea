//! Files made by FFmpeg, and what `ffprobe` says of them. Debian's package `ffmpeg` has both.

mod against_ffprobe;
mod hostile;
mod samples;

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Limits, Media, describe};
use samples::{Sample, sample, samples};

fn read(bytes: &[u8]) -> Media {
    describe(Cursor::new(bytes), &Limits::default()).unwrap()
}

/// Also says how many bytes were read.
fn read_counted<R: Read + Seek + Send>(file: R, limits: &Limits) -> (Media, u64) {
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        file,
        read: read.clone(),
    };
    let media = describe(counted, limits).unwrap();
    (media, read.load(Ordering::Relaxed))
}

struct Counted<R> {
    file: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn place_of(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut windows = bytes.windows(wanted.len());
    windows.position(|window| window == wanted).unwrap()
}
