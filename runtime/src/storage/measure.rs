//! What is known of bytes without keeping them: their number and their hashes, as they come.

use std::fs::File;
use std::io::{self, Read};

use aws_lc_rs::digest::{self, SHA256};
use md5::{Digest, Md5};

use super::BLOCK;
use crate::ledger::Content;

/// The measures of all bytes so far.
#[derive(Clone, Default)]
pub(super) struct Measures {
    pub(super) tally: Tally,
    pub(super) md5: Md5,
}

/// All of them but the MD5, which is the slowest and has a thread of its own.
#[derive(Clone)]
pub(super) struct Tally {
    size: u64,
    crc32c: u32,
    sha256: digest::Context,
}

impl Measures {
    /// Of the rest of the file.
    pub(super) fn read(mut file: &File) -> io::Result<Self> {
        let mut measures = Self::default();
        let mut block = vec![0; BLOCK];
        loop {
            let read = file.read(&mut block)?;
            if read == 0 {
                return Ok(measures);
            }
            measures.tally.update(&block[..read]);
            measures.md5.update(&block[..read]);
        }
    }

    pub(super) fn content(self) -> Content {
        let sha256 = self.tally.sha256.finish();
        Content {
            size: self.tally.size,
            md5: self.md5.finalize().into(),
            crc32c: self.tally.crc32c,
            sha256: sha256.as_ref().try_into().expect("SHA-256 has 32 bytes"),
        }
    }
}

impl Tally {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        self.sha256.update(bytes);
    }

    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            size: 0,
            crc32c: 0,
            sha256: digest::Context::new(&SHA256),
        }
    }
}
