//! MP4 and QuickTime, whole or in fragments (ISO/IEC 14496-12 §8).
//!
//! The first level is walked to its end, as a browser that records writes the movie box before there
//! is anything to measure, and fragments after it. The media itself and the tables of its samples are
//! passed over, so that an hour of video costs no more than its headers.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::bounded::Bounded;
use super::boxes::{Fields, each, fields, load};
use super::container::Container;
use super::esds::Decoder;
use super::{Kind, Media, Track, codec};

/// More than any camera writes; each fragment looks through all of them.
const MOST_TRACKS: usize = 64;

pub(super) fn read<R: Read + Seek>(
    source: &mut Bounded<R>,
    container: Container,
) -> Result<Media, String> {
    let mut movie = Movie::default();
    let size = source
        .seek(SeekFrom::End(0))
        .map_err(|_| "it cannot be seeked")?;
    // A recording that was cut off lasts as long as what is left of it.
    let _ended = each(source, 0..size, |source, kind, body| match kind {
        b"moov" => movie.header(source, body),
        b"moof" => {
            movie.fragmented = true;
            // An hour has thousands of them, each with a dozen boxes: they are walked in memory.
            let mut fragment = load(source, body)?;
            let size = fragment.get_ref().len() as u64;
            each(&mut fragment, 0..size, |source, kind, body| match kind {
                b"traf" => movie.fragment(source, body),
                _ => Ok(()),
            })
        }
        _ => Ok(()),
    });
    let duration_seconds = match source.spent() {
        Some(_) if movie.fragmented => None,
        _ => movie.seconds(),
    };
    let tracks: Vec<_> = movie
        .tracks
        .into_iter()
        .filter_map(|track| track.media)
        .collect();
    if tracks.is_empty() {
        let reason = "it describes no audio or video";
        return Err(source.spent().unwrap_or(reason).to_owned());
    }
    Ok(Media::of_tracks(container, tracks, duration_seconds))
}

#[derive(Default)]
struct Movie {
    seconds: Option<f64>,
    tracks: Vec<MovieTrack>,
    /// By track: how long a sample lasts where its fragment does not say.
    defaults: Vec<(u32, u32)>,
    fragmented: bool,
}

struct MovieTrack {
    id: u32,
    /// None for subtitles and the like.
    media: Option<Track>,
    /// Ticks of a second; not zero.
    timescale: u32,
    /// Ticks; None until there is a sample.
    span: Option<Range<u64>>,
}

impl Movie {
    fn header<R: Read + Seek>(&mut self, source: &mut R, body: Range<u64>) -> io::Result<()> {
        each(source, body, |source, kind, body| match kind {
            b"mvhd" => {
                if let Ok((timescale, Some(ticks))) = timing(Fields::read(source, body)?) {
                    self.seconds = Some(ticks as f64 / f64::from(timescale));
                }
                Ok(())
            }
            b"trak" if self.tracks.len() < MOST_TRACKS => {
                // What is wrong with one track is no reason to forget the others.
                if let Ok(track) = MovieTrack::read(source, body) {
                    self.tracks.push(track);
                }
                Ok(())
            }
            b"mvex" => each(source, body, |source, kind, body| {
                if kind == b"trex" && self.defaults.len() < MOST_TRACKS {
                    let mut fields = Fields::read(source, body)?;
                    fields.skip(4)?;
                    let track = fields.u32()?;
                    fields.skip(4)?;
                    self.defaults.push((track, fields.u32()?));
                }
                Ok(())
            }),
            _ => Ok(()),
        })
    }

    fn fragment<R: Read + Seek>(&mut self, source: &mut R, body: Range<u64>) -> io::Result<()> {
        let mut header = fields(source, body.clone(), &[b"tfhd"])?;
        let flags = header.version_and_flags()?.1;
        let id = header.u32()?;
        header.skip(if flags & 0x1 == 0 { 0 } else { 8 })?;
        header.skip(if flags & 0x2 == 0 { 0 } else { 4 })?;
        let usual = match flags & 0x8 {
            0 => self
                .defaults
                .iter()
                .find(|&&(track, _)| track == id)
                .map_or(0, |default| default.1),
            _ => header.u32()?,
        };
        let Some(track) = self.tracks.iter_mut().find(|track| track.id == id) else {
            return Ok(());
        };
        let mut length = 0_u64;
        let mut start = track.span.as_ref().map_or(0, |span| span.end);
        each(source, body, |source, kind, body| {
            match kind {
                b"tfdt" => {
                    let mut fields = Fields::read(source, body)?;
                    let long = fields.version_and_flags()?.0 == 1;
                    start = fields.either(long)?;
                }
                b"trun" => {
                    length = length.saturating_add(run(Fields::read(source, body)?, usual)?);
                }
                _ => {}
            }
            Ok(())
        })?;
        let end = start.saturating_add(length);
        track.span = Some(match track.span.take() {
            None => start..end,
            Some(span) => span.start.min(start)..span.end.max(end),
        });
        Ok(())
    }

    /// The header's word, unless there are fragments that it was written before.
    fn seconds(&self) -> Option<f64> {
        if !self.fragmented && self.seconds.is_some() {
            return self.seconds;
        }
        let spans = || {
            let seconds = |track: &MovieTrack| {
                let span = track.span.as_ref()?;
                let second = f64::from(track.timescale);
                Some((span.start as f64 / second, span.end as f64 / second))
            };
            self.tracks.iter().filter_map(seconds)
        };
        let end = spans().map(|span| span.1).max_by(f64::total_cmp)?;
        let start = spans().map(|span| span.0).min_by(f64::total_cmp)?;
        Some(end - start)
    }
}

impl MovieTrack {
    fn read<R: Read + Seek>(source: &mut R, body: Range<u64>) -> io::Result<Self> {
        let mut header = fields(source, body.clone(), &[b"tkhd"])?;
        let long = header.version_and_flags()?.0 == 1;
        header.skip(if long { 16 } else { 8 })?;
        let id = header.u32()?;
        let (timescale, duration) = timing(fields(source, body.clone(), &[b"mdia", b"mdhd"])?)?;
        let mut handler = fields(source, body.clone(), &[b"mdia", b"hdlr"])?;
        handler.skip(8)?;
        let kind = match &handler.array()? {
            b"soun" => Some(Kind::Audio),
            b"vide" => Some(Kind::Video),
            _ => None,
        };
        let description = [b"mdia", b"minf", b"stbl", b"stsd"];
        let media = match kind {
            Some(kind) => Some(describe(kind, fields(source, body, &description)?)?),
            None => None,
        };
        Ok(Self {
            id,
            media,
            timescale,
            // What the movie box itself lists comes before the fragments.
            span: duration.map(|end| 0..end),
        })
    }
}

/// Of `mvhd` and `mdhd`: ticks of a second, and how many of them it lasts if that is known.
fn timing(mut fields: Fields) -> io::Result<(u32, Option<u64>)> {
    let long = fields.version_and_flags()?.0 == 1;
    fields.skip(if long { 16 } else { 8 })?;
    let timescale = fields.u32()?;
    let duration = fields.either(long)?;
    match timescale {
        0 => Err(io::ErrorKind::InvalidData.into()),
        _ => Ok((
            timescale,
            Some(duration).filter(|&ticks| ticks > 0 && ticks < u64::MAX),
        )),
    }
}

/// The duration of a run of samples, each its own or all the usual one.
fn run(mut fields: Fields, usual: u32) -> io::Result<u64> {
    let flags = fields.version_and_flags()?.1;
    let samples = fields.u32()?;
    if flags & 0x100 == 0 {
        return Ok(u64::from(samples) * u64::from(usual));
    }
    fields.skip(if flags & 0x1 == 0 { 0 } else { 4 })?;
    fields.skip(if flags & 0x4 == 0 { 0 } else { 4 })?;
    let others = (flags & 0xe00).count_ones() * 4;
    let mut length = 0;
    for _ in 0..samples {
        length += u64::from(fields.u32()?);
        fields.skip(others)?;
    }
    Ok(length)
}

/// The first sample entry. QuickTime's sound (File Format, "Sound Sample Descriptions") agrees with
/// MP4's in its versions 0 and 1; version 2 moved rate and channels.
fn describe(kind: Kind, mut fields: Fields) -> io::Result<Track> {
    fields.skip(12)?;
    let coding = fields.array()?;
    fields.skip(8)?;
    let mut track = Track {
        kind,
        codec: codec::UNKNOWN,
        width: None,
        height: None,
        sample_rate: None,
        channels: None,
    };
    if kind == Kind::Video {
        fields.skip(16)?;
        track.codec = codec::of_video_entry(&coding);
        track.width = Some(fields.u16()?.into());
        track.height = Some(fields.u16()?.into());
        return Ok(track);
    }
    let version = fields.u16()?;
    fields.skip(6)?;
    let mut channels = fields.u16()?.into();
    fields.skip(6)?;
    // The upper half: the lower one is a fraction.
    let mut rate = fields.u32()? >> 16;
    if version == 2 {
        fields.skip(4)?;
        rate = f64::from_bits(fields.u64()?) as u32;
        channels = fields.u32()?;
    }
    track.codec = codec::of_audio_entry(&coding);
    track.sample_rate = Some(rate).filter(|&rate| rate > 0);
    track.channels = Some(channels).filter(|&channels| channels > 0);
    if coding == *b"mp4a"
        && let Some(decoder) = Decoder::of_entry(fields.rest())
    {
        if decoder.is_mp3 {
            track.codec = "mp3";
        }
        track.sample_rate = decoder.sample_rate.or(track.sample_rate);
        track.channels = decoder.channels.or(track.channels);
    }
    Ok(track)
}
