//! When a Matroska recording ends that does not say so: what `MediaRecorder` makes has no duration.
//!
//! The last block of the last cluster knows (RFC 9559 §5.1.3). Clusters are looked for from the end
//! backwards, so that an hour of video costs no more than its last seconds.

use std::io::{self, Read, Seek, SeekFrom};

use super::bounded::Bounded;

const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const BLOCK_DURATION: u32 = 0x9b;

/// Bytes of the first look; the next ones are four times as long.
const FIRST_LOOK: u64 = 256 << 10;
const LONGEST_LOOK: u64 = 16 << 20;

/// Elements of a cluster that may stand before its time: a checksum, padding. With this few, and the
/// search over once there is a time, a file full of false clusters costs one pass.
const BEFORE_TIMESTAMP: u32 = 4;

/// When the last block starts, or ends if it says how long it lasts, in ticks of the segment.
pub(super) fn last_timestamp<R: Read + Seek>(source: &mut Bounded<R>) -> io::Result<Option<i64>> {
    let size = source.seek(SeekFrom::End(0))?;
    let mut look = FIRST_LOOK;
    loop {
        source.seek(SeekFrom::Start(size.saturating_sub(look)))?;
        let mut tail = Vec::new();
        source.by_ref().take(look).read_to_end(&mut tail)?;
        let last = last_in(&tail);
        if last.is_some() || look >= size || look >= LONGEST_LOOK {
            return Ok(last);
        }
        look *= 4;
    }
}

fn last_in(tail: &[u8]) -> Option<i64> {
    let id = CLUSTER.to_be_bytes();
    let places = (0..tail.len().saturating_sub(id.len())).rev();
    places
        .filter(|&place| tail[place..].starts_with(&id))
        .find_map(|place| last_of_cluster(&tail[place..]))
}

/// None where the four bytes of the id were part of a picture: what follows those is no cluster.
fn last_of_cluster(bytes: &[u8]) -> Option<i64> {
    let (cluster, rest) = Element::split(bytes)?;
    let mut rest = cluster.within(rest);
    let mut start = None;
    let mut last = None;
    let mut skipped = 0;
    while let Some((element, body)) = Element::split(rest) {
        let inside = element.within(body);
        let time = match (element.id, start) {
            (CLUSTER, _) => break,
            (TIMESTAMP, None) => {
                start = Some(number(inside)?);
                start
            }
            // A block that was cut off has no time; those before it have.
            (SIMPLE_BLOCK, Some(start)) => relative(inside).and_then(|at| start.checked_add(at)),
            (BLOCK_GROUP, Some(start)) => end_of_group(inside).and_then(|at| start.checked_add(at)),
            (_, Some(_)) => None,
            (_, None) => {
                skipped += 1;
                if skipped > BEFORE_TIMESTAMP {
                    return None;
                }
                None
            }
        };
        last = last.max(time);
        // A size that is unknown or reaches beyond the end belongs to the last element there is.
        rest = element.after(body).unwrap_or_default();
    }
    last
}

fn end_of_group(mut rest: &[u8]) -> Option<i64> {
    let mut start = None;
    let mut duration = 0;
    while let Some((element, body)) = Element::split(rest) {
        let inside = element.within(body);
        match element.id {
            BLOCK => start = Some(relative(inside)?),
            BLOCK_DURATION => duration = number(inside)?,
            _ => {}
        }
        rest = element.after(body).unwrap_or_default();
    }
    start?.checked_add(duration)
}

/// A block's time, relative to its cluster's: it follows the number of its track.
fn relative(block: &[u8]) -> Option<i64> {
    let (_, rest) = variable(block, false)?;
    let &[high, low, ..] = rest else { return None };
    Some(i64::from(i16::from_be_bytes([high, low])))
}

struct Element {
    id: u32,
    /// None when it is unknown, or too large for this machine.
    size: Option<usize>,
}

impl Element {
    /// What `body`, which begins after the header, has of this element.
    fn within<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        self.size.and_then(|size| body.get(..size)).unwrap_or(body)
    }

    fn after<'b>(&self, body: &'b [u8]) -> Option<&'b [u8]> {
        body.get(self.size?..)
    }

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (id, rest) = variable(bytes, true)?;
        let id = u32::try_from(id).ok()?;
        let width = rest.first()?.leading_zeros() + 1;
        let (size, rest) = variable(rest, false)?;
        let unknown = (1_u64 << (7 * width)) - 1;
        let size = (size != unknown)
            .then(|| usize::try_from(size).ok())
            .flatten();
        Some((Self { id, size }, rest))
    }
}

/// A number of variable length (RFC 8794 §4): the zeros before its first one count the bytes to come.
/// Ids keep that one, numbers lose it.
fn variable(bytes: &[u8], keep_marker: bool) -> Option<(u64, &[u8])> {
    let zeros = bytes.first()?.leading_zeros();
    let length = zeros as usize + 1;
    if length > 8 {
        return None;
    }
    let (value, rest) = bytes.split_at_checked(length)?;
    let mask = match keep_marker {
        true => u64::MAX,
        false => (1 << (7 * length)) - 1,
    };
    Some((unsigned(value) & mask, rest))
}

fn number(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    i64::try_from(unsigned(bytes)).ok()
}

fn unsigned(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter();
    bytes.fold(0, |value, &byte| value << 8 | u64::from(byte))
}
