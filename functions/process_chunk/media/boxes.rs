//! The boxes of ISO/IEC 14496-12 §4.2: walking them, and reading the fields of one.
//!
//! Nothing here calls itself: depth is that of the paths asked for, whatever the file nests.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

pub(super) type Kind = [u8; 4];

/// A fragment of 60,000 samples; most have some dozens.
const MOST_LOADED: u64 = 1 << 20;

/// Shows every box in `range`, as far as there are whole headers: its kind, and where its body is.
pub(super) fn each<R: Read + Seek>(
    source: &mut R,
    range: Range<u64>,
    mut visit: impl FnMut(&mut R, &Kind, Range<u64>) -> io::Result<()>,
) -> io::Result<()> {
    let mut place = range.start;
    while place.saturating_add(8) <= range.end {
        source.seek(SeekFrom::Start(place))?;
        let mut header = [0; 8];
        source.read_exact(&mut header)?;
        let [a, b, c, d, kind @ ..] = header;
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, range.end - place),
            1 => {
                let mut size = [0; 8];
                source.read_exact(&mut size)?;
                (16, u64::from_be_bytes(size))
            }
            size => (8, size.into()),
        };
        if size < header {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let end = place.saturating_add(size).min(range.end);
        visit(source, &kind, (place + header).min(end)..end)?;
        place = end;
    }
    Ok(())
}

/// The fields of the first box at the end of `path`.
pub(super) fn fields<R: Read + Seek>(
    source: &mut R,
    mut range: Range<u64>,
    path: &[&Kind],
) -> io::Result<Fields> {
    for &step in path {
        let mut found = None;
        each(source, range, |_, kind, body| {
            if kind == step {
                found.get_or_insert(body);
            }
            Ok(())
        })?;
        range = found.ok_or(io::ErrorKind::NotFound)?;
    }
    Fields::read(source, range)
}

/// The beginning of a body, to be read at leisure.
pub(super) fn load<R: Read + Seek>(
    source: &mut R,
    body: Range<u64>,
) -> io::Result<Cursor<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.seek(SeekFrom::Start(body.start))?;
    let length = (body.end - body.start).min(MOST_LOADED);
    source.take(length).read_to_end(&mut bytes)?;
    Ok(Cursor::new(bytes))
}

/// The fields of one box, in order.
pub(super) struct Fields {
    bytes: Cursor<Vec<u8>>,
}

impl Fields {
    pub(super) fn read<R: Read + Seek>(source: &mut R, body: Range<u64>) -> io::Result<Self> {
        load(source, body).map(|bytes| Self { bytes })
    }

    pub(super) fn version_and_flags(&mut self) -> io::Result<(u8, u32)> {
        let [version, a, b, c] = self.array()?;
        Ok((version, u32::from_be_bytes([0, a, b, c])))
    }

    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.bytes.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u16(&mut self) -> io::Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Of eight bytes where the box says so, else of four, where all ones mean what they do in eight.
    pub(super) fn either(&mut self, long: bool) -> io::Result<u64> {
        match long {
            true => self.u64(),
            false => self.u32().map(|short| match short {
                u32::MAX => u64::MAX,
                short => short.into(),
            }),
        }
    }

    pub(super) fn skip(&mut self, count: u32) -> io::Result<()> {
        self.bytes.seek(SeekFrom::Current(count.into())).map(drop)
    }

    /// What is left.
    pub(super) fn rest(&self) -> &[u8] {
        let start = usize::try_from(self.bytes.position()).unwrap_or(usize::MAX);
        self.bytes.get_ref().get(start..).unwrap_or_default()
    }
}
