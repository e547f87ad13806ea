use std::fmt;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Limits, Media, describe};
use super::{place_of, read, read_counted, sample, samples};

const CUTS: usize = 100;

fn is_whole_or_says_why(media: &Media) -> bool {
    media.unreadable.is_some() == media.tracks.is_empty()
        && media
            .duration_seconds
            .is_none_or(|seconds| seconds.is_finite() && seconds >= 0.0)
}

#[test]
fn a_file_cut_anywhere_is_read_or_says_why_not() {
    for sample in samples() {
        for cut in 0..CUTS {
            let bytes = &sample.bytes[..sample.bytes.len() * cut / CUTS];
            let media = read(bytes);
            assert!(
                is_whole_or_says_why(&media),
                "{} cut to {}: {media:?}",
                sample.name,
                bytes.len()
            );
        }
    }
}

#[test]
fn what_is_no_media_is_unreadable() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "it is empty"),
        (b"\0", "it is no media that browsers record"),
        (
            b"<html><body>RIFF WAVE OggS ftyp</body></html>",
            "it is no media that browsers record",
        ),
        (
            b"%PDF-1.7 \xff\xfb\x90\x64",
            "it is no media that browsers record",
        ),
        (
            b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff",
            "it is no media that browsers record",
        ),
        (
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            "it is no media that browsers record",
        ),
    ];
    for (bytes, reason) in cases {
        let media = read(bytes);
        assert_eq!(media.unreadable.as_deref(), Some(reason));
        assert_eq!(media.container, None);
    }
}

#[test]
fn a_file_that_only_begins_like_media_says_what_it_began_like() {
    for (head, container) in [
        (b"\x89PNG\r\n\x1a\n".as_slice(), "png"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81", "matroska"),
        (b"\0\0\0\x18ftypisom", "mp4"),
        (b"OggS\0\x02", "ogg"),
        (b"RIFF\xff\0\0\0WAVEfmt ", "wav"),
        (b"ID3\x04\0\0\0\0\x0f\x7f", "mp3"),
        (b"fLaC\0\0\0\x22", "flac"),
    ] {
        let media = read(&[head, &[0; 200]].concat());
        assert_eq!(media.container, Some(container));
        assert!(media.unreadable.is_some(), "{media:?}");
    }
}

#[test]
fn nesting_costs_no_stack() {
    const DEPTH: usize = 100_000;
    let mut mp4 = b"\0\0\0\x10ftypisom\0\0\0\0".to_vec();
    for depth in 0..DEPTH {
        let kind: &[u8; 4] = if depth % 2 == 0 { b"moov" } else { b"meta" };
        mp4.extend_from_slice(&((DEPTH - depth) as u32 * 8).to_be_bytes());
        mp4.extend_from_slice(kind);
    }
    let mut moof = sample("fragments.mp4").bytes.clone();
    moof.extend((0..DEPTH).flat_map(|_| *b"\0\0\0\0moof"));

    // A tag within a tag within a tag, each of unknown size.
    let live = &sample("live.webm").bytes;
    let mut webm = live[..place_of(live, b"\x1f\x43\xb6\x75")].to_vec();
    webm.extend_from_slice(b"\x12\x54\xc3\x67\x01\xff\xff\xff\xff\xff\xff\xff");
    webm.extend_from_slice(b"\x73\x73\x01\xff\xff\xff\xff\xff\xff\xff");
    webm.extend((0..DEPTH).flat_map(|_| *b"\x67\xc8\x01\xff\xff\xff\xff\xff\xff\xff"));

    for bytes in [mp4, moof, webm] {
        assert!(is_whole_or_says_why(&read(&bytes)));
    }
}

/// The beginning of a file, a hole of zeros, and its end.
struct Holed<'b> {
    head: &'b [u8],
    hole: u64,
    tail: &'b [u8],
    place: u64,
}

impl Holed<'_> {
    fn size(&self) -> u64 {
        self.head.len() as u64 + self.hole + self.tail.len() as u64
    }
}

impl Read for Holed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size().saturating_sub(self.place);
        let count = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        for byte in &mut buffer[..count] {
            let place = self.place as usize;
            let after = place.checked_sub(self.head.len() + self.hole as usize);
            *byte = match after {
                Some(after) => self.tail[after],
                None => self.head.get(place).copied().unwrap_or_default(),
            };
            self.place += 1;
        }
        Ok(count)
    }
}

impl Seek for Holed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
            SeekFrom::End(by) => self.size().checked_add_signed(by),
        };
        self.place = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.place)
    }
}

#[test]
fn two_gibibytes_of_picture_are_passed_over() {
    const HOLE: u32 = 2 << 30;
    const ENOUGH: u64 = 1 << 20;
    let mut mp4 = sample("end.mp4").bytes.clone();
    let place = place_of(&mp4, b"mdat");
    let size = u32::from_be_bytes(mp4[place - 4..place].try_into().unwrap());
    mp4[place - 4..place].copy_from_slice(&(size + HOLE).to_be_bytes());

    // Padding of that size, before the second cluster.
    let mut webm = sample("live.webm").bytes.clone();
    let id = b"\x1f\x43\xb6\x75";
    let second = place_of(&webm, id) + 4;
    let second = second + place_of(&webm[second..], id);
    webm.splice(second..second, *b"\xec\x08\x80\0\0\0");

    for (bytes, split) in [(mp4, place + 100), (webm, second + 6)] {
        let (head, tail) = bytes.split_at(split);
        let file = Holed {
            head,
            hole: HOLE.into(),
            tail,
            place: 0,
        };
        let (media, read) = read_counted(file, &Limits::default());
        let seconds = media.duration_seconds.unwrap();
        assert!((seconds - 2.0).abs() <= 0.1, "{seconds}");
        assert!(read <= ENOUGH, "{read}");
    }
}

#[test]
fn a_tag_full_of_pictures_is_passed_over() {
    const PICTURES: usize = 100 << 20;
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend([21, 14, 7, 0].map(|shift| (PICTURES >> shift) as u8 & 0x7f));
    let tail = &sample("bare.mp3").bytes;
    let file = Holed {
        head: &tag,
        hole: PICTURES as u64,
        tail,
        place: 0,
    };
    let (media, read) = read_counted(file, &Limits::default());
    assert!(
        (media.duration_seconds.unwrap() - 2.0).abs() <= 0.1,
        "{media:?}"
    );
    assert!(read <= 1 << 20, "{read}");
}

#[test]
fn headers_are_not_read_beyond_what_memory_can_take() {
    let live = &sample("live.webm").bytes;
    let simple_tag = b"\x67\xc8\x84\x45\xa3\x81a";
    let tags = simple_tag.repeat((16 << 20) / simple_tag.len());
    let element = |id: &[u8], body: &[u8]| {
        let size = (body.len() as u64 | 1 << 56).to_be_bytes();
        [id, &size, body].concat()
    };
    let tags = element(b"\x12\x54\xc3\x67", &element(b"\x73\x73", &tags));
    let file = [&live[..place_of(live, b"\x1f\x43\xb6\x75")], &tags].concat();
    let limits = Limits::default();
    let (media, read) = read_counted(Cursor::new(file), &limits);
    assert_eq!(
        media.unreadable.as_deref(),
        Some("it takes too many bytes to read")
    );
    // Beside the look at the first bytes.
    assert!(read <= limits.header_bytes + 64, "{read}");
}

#[test]
fn ten_thousand_fragments_are_all_counted() {
    const COPIES: usize = 10_000;
    let bytes = &sample("fragments.mp4").bytes;
    let box_at = |kind: &[u8; 4]| place_of(bytes, kind) - 4;
    let head = &bytes[..box_at(b"moof")];
    let fragment = &bytes[box_at(b"moof")..];
    let end = place_of(&fragment[8..], b"moof") + 4;
    let mut long = head.to_vec();
    for _ in 0..COPIES {
        // Without `tfdt`, a fragment follows the one before it.
        long.extend_from_slice(&fragment[..end]);
    }
    let places: Vec<_> = (0..long.len() - 4)
        .filter(|&at| &long[at..at + 4] == b"tfdt")
        .collect();
    for place in places {
        long[place..place + 4].copy_from_slice(b"free");
    }
    let one = read(&long[..head.len() + end]).duration_seconds.unwrap();
    let all = read(&long).duration_seconds.unwrap();
    assert!(
        (all - one * COPIES as f64).abs() < 0.1,
        "{all} instead of {COPIES} times {one}"
    );
}

#[test]
fn a_reached_limit_is_named_and_kept() {
    let bytes = &sample("end.mp4").bytes;
    let generous = Limits::default();
    for (limits, reason) in [
        (
            Limits {
                bytes: 700,
                ..generous.clone()
            },
            "it takes too many bytes to read",
        ),
        (
            Limits {
                calls: 7,
                ..generous.clone()
            },
            "it takes too many reads",
        ),
        (
            Limits {
                time: Duration::ZERO,
                ..generous
            },
            "it takes too long to read",
        ),
    ] {
        let (media, read) = read_counted(Cursor::new(bytes), &limits);
        assert_eq!(media.unreadable.as_deref(), Some(reason));
        assert!(read <= limits.bytes, "{read}");
    }
}

#[test]
fn audio_that_cannot_be_counted_to_its_end_is_estimated() {
    let bytes = &sample("bare.mp3").bytes;
    let limits = Limits {
        packets: 3,
        ..Limits::default()
    };
    let seconds = describe(Cursor::new(bytes), &limits)
        .unwrap()
        .duration_seconds
        .unwrap();
    assert!((seconds - 2.0).abs() <= 0.2, "{seconds}");
}

#[test]
fn a_failing_disk_is_no_property_of_the_file() {
    struct Failing(Cursor<&'static [u8]>, u32);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = self
                .1
                .checked_sub(1)
                .ok_or(io::ErrorKind::ConnectionReset)?;
            self.0.read(buffer)
        }
    }
    impl Seek for Failing {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    for sample in samples() {
        for reads in 0..2 {
            let file = Failing(Cursor::new(&sample.bytes), reads);
            let error = describe(file, &Limits::default()).unwrap_err();
            assert_eq!(
                error.kind(),
                io::ErrorKind::ConnectionReset,
                "{}",
                sample.name
            );
        }
    }
}

/// Fails by its length and first bytes, not by all of them.
struct File(Vec<u8>);

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.0[..self.0.len().min(64)];
        write!(f, "{} bytes, {}", self.0.len(), head.escape_ascii())
    }
}

fn mutated() -> impl Strategy<Value = File> {
    let change = (
        any::<prop::sample::Index>(),
        prop_oneof![any::<u8>(), Just(0), Just(0xff)],
    );
    // Most of what a demuxer decides on stands at either end.
    let near = (0..600_usize, any::<bool>(), any::<u8>());
    let changes = (
        prop::collection::vec(change, 0..8),
        prop::collection::vec(near, 1..12),
    );
    (any::<prop::sample::Index>(), changes).prop_map(|(chosen, (anywhere, near))| {
        let mut bytes = chosen.get(samples()).bytes.clone();
        let size = bytes.len();
        for (place, byte) in anywhere {
            *place.get_mut(&mut bytes) = byte;
        }
        for (place, from_end, byte) in near {
            let place = place.min(size - 1);
            bytes[if from_end { size - 1 - place } else { place }] = byte;
        }
        File(bytes)
    })
}

/// Nothing in it but what some demuxer takes for its own.
fn arbitrary() -> impl Strategy<Value = File> {
    let heads: [&[u8]; 9] = [
        b"",
        b"\x1a\x45\xdf\xa3",
        b"\0\0\0\x10ftypisom\0\0\0\0",
        b"OggS\0\x02",
        b"RIFF\xff\xff\xff\xffWAVE",
        b"fLaC\0\0\0\x22",
        b"ID3\x04\0\0\0\0\0\0",
        b"\xff\xfb\x90\x64",
        b"\xff\xf1\x50\x80",
    ];
    (
        prop::sample::select(heads.to_vec()),
        prop::collection::vec(any::<u8>(), 0..4096),
    )
        .prop_map(|(head, rest)| File([head, &rest].concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn no_bytes_panic_or_cost_more_than_their_limit(file in prop_oneof![arbitrary(), mutated()]) {
        let limits = Limits { bytes: 200 << 10, ..Limits::default() };
        let (media, read) = read_counted(Cursor::new(&file.0), &limits);
        prop_assert!(is_whole_or_says_why(&media), "{media:?}");
        prop_assert!(read <= limits.bytes);
        // In the others it is Symphonia that reads.
        if matches!(media.container, None | Some("gif" | "jpeg" | "mov" | "mp4" | "png" | "webp")) {
            prop_assert_ne!(media.unreadable.as_deref(), Some("it broke its reader"));
        }
    }
}
