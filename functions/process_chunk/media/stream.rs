//! What Symphonia's demuxers find in every container but MP4, and the durations that they do not.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Mutex;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::{Hint, Probe, ProbeOptions};
use symphonia::core::formats::well_known::{FORMAT_ID_ADTS, FORMAT_ID_FLAC};
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units;
use symphonia::default::formats;

use super::bounded::Bounded;
use super::container::Container;
use super::{Kind, Limits, Media, Track, clusters, codec};

/// Between an ID3 tag and the audio there is padding, sometimes.
const JUNK: u32 = 4 << 10;

pub(super) fn read<R: Read + Seek + Send>(
    source: &mut Bounded<R>,
    container: Container,
    limits: &Limits,
) -> Result<Media, String> {
    let found = source
        .within(limits.header_bytes, |source| demux(source, container))
        .map_err(|error| match error {
            // Its text may come from anywhere; the limits put theirs in its place.
            Error::IoError(_) => "it ends too early".to_owned(),
            error => error.to_string(),
        })?;
    if found.tracks.is_empty() {
        return Err("it describes no audio or video that is known".to_owned());
    }
    let duration = match (found.container, found.duration) {
        (Container::Matroska | Container::WebM, None) => found.first_tick.and_then(|first| {
            let last = clusters::last_timestamp(source).ok()??;
            Some(last.saturating_sub(first).max(0) as f64 * found.seconds_per_tick)
        }),
        // These have no header of their own: what is declared is an estimate, or a tag's word.
        (Container::Aac | Container::Mp3, declared) => {
            counted(source, container, limits).or(declared)
        }
        (Container::Matroska | Container::WebM, declared) => declared,
        (_, declared) => declared.or_else(|| counted(source, container, limits)),
    };
    Ok(Media::of_tracks(found.container, found.tracks, duration))
}

struct Found {
    container: Container,
    tracks: Vec<Track>,
    duration: Option<f64>,
    /// When a Matroska recording begins that does not say when it ends.
    first_tick: Option<i64>,
    seconds_per_tick: f64,
}

fn demux<R: Read + Seek + Send>(
    source: &mut Bounded<R>,
    container: Container,
) -> Result<Found, Error> {
    let size = source.seek(SeekFrom::End(0))?;
    let mut demuxer = open(source, container)?;
    let container = match demuxer.format_info().format {
        FORMAT_ID_ADTS => Container::Aac,
        FORMAT_ID_FLAC => Container::Flac,
        _ => container,
    };
    let mut duration = declared(demuxer.as_ref());
    let mut first_tick = None;
    match container {
        Container::Matroska | Container::WebM if duration.is_none() => {
            // A recording that was cut off before its first packet still has its tracks.
            if let Ok(Some(packet)) = demuxer.next_packet() {
                first_tick = Some(packet.pts.get());
            }
        }
        // The header may have been written before the length was known, or not in good faith.
        Container::Wav => {
            let fitting = uncompressed(demuxer.as_ref(), size);
            duration = fitting.map_or(duration, |fitting| {
                Some(duration.map_or(fitting, |declared| declared.min(fitting)))
            });
        }
        _ => {}
    }
    let time_base = demuxer.media_info().time_base.unwrap_or_default();
    Ok(Found {
        container,
        tracks: demuxer.tracks().iter().filter_map(describe).collect(),
        duration,
        first_tick,
        seconds_per_tick: f64::from(time_base.numer.get()) / f64::from(time_base.denom.get()),
    })
}

fn open<R: Read + Seek + Send>(
    source: &mut Bounded<R>,
    container: Container,
) -> Result<Box<dyn FormatReader + '_>, Error> {
    let size = source.seek(SeekFrom::End(0))?;
    let start = tag_length(source)?.min(size);
    source.seek(SeekFrom::Start(start))?;
    let shared = Shared {
        source: Mutex::new(source),
        start,
        size: size - start,
    };
    let stream = MediaSourceStream::new(Box::new(shared), MediaSourceStreamOptions::default());
    demuxers(container).probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )
}

/// Bytes of the ID3v2 tag that audio may begin with (ID3v2.4 §3.1). It can hold pictures, so it is
/// passed over unread.
fn tag_length<R: Read + Seek>(source: &mut Bounded<R>) -> io::Result<u64> {
    let mut head = Vec::new();
    source.seek(SeekFrom::Start(0))?;
    source.by_ref().take(10).read_to_end(&mut head)?;
    let [b'I', b'D', b'3', _, _, flags, size @ ..] = head.as_slice() else {
        return Ok(0);
    };
    let has_footer = flags & 0x10 != 0;
    let size = size
        .iter()
        .fold(0, |size, &byte| size << 7 | u64::from(byte & 0x7f));
    Ok(size + if has_footer { 20 } else { 10 })
}

/// Only what the first bytes promise is tried: a file is one thing.
fn demuxers(container: Container) -> Probe {
    let mut probe = Probe::new_with_options(&ProbeOptions {
        max_probe_depth: JUNK,
        ..ProbeOptions::default()
    });
    match container {
        Container::Matroska | Container::WebM => {
            probe.register_format::<formats::MkvReader<'_>>();
        }
        Container::Ogg => probe.register_format::<formats::OggReader<'_>>(),
        Container::Wav => probe.register_format::<formats::WavReader<'_>>(),
        _ => {
            probe.register_format::<formats::AdtsReader<'_>>();
            probe.register_format::<formats::FlacReader<'_>>();
            probe.register_format::<formats::MpaReader<'_>>();
        }
    }
    probe
}

fn describe(track: &symphonia::core::formats::Track) -> Option<Track> {
    match track.codec_params.as_ref()? {
        CodecParameters::Audio(audio) => Some(Track {
            kind: Kind::Audio,
            codec: codec::of_audio(audio.codec),
            width: None,
            height: None,
            sample_rate: audio.sample_rate,
            channels: audio
                .channels
                .as_ref()
                .and_then(|channels| u32::try_from(channels.count()).ok()),
        }),
        CodecParameters::Video(video) => Some(Track {
            kind: Kind::Video,
            codec: codec::of_video(video.codec),
            width: video.width.map(u32::from),
            height: video.height.map(u32::from),
            sample_rate: None,
            channels: None,
        }),
        _ => None,
    }
}

/// The duration of the whole, else of its longest track. Zero is how a live recording says that it
/// does not know yet.
fn declared(demuxer: &dyn FormatReader) -> Option<f64> {
    let whole = demuxer.media_info();
    seconds(whole.time_base, whole.duration).or_else(|| {
        let tracks = demuxer.tracks().iter();
        tracks
            .filter_map(|track| seconds(track.time_base, track.duration))
            .max_by(f64::total_cmp)
    })
}

/// How long `size` bytes of samples last.
fn uncompressed(demuxer: &dyn FormatReader, size: u64) -> Option<f64> {
    let track = demuxer.tracks().first()?;
    let audio = track.codec_params.as_ref()?.audio()?;
    if !codec::of_audio(audio.codec).starts_with("pcm_") {
        return None;
    }
    let bits = audio.bits_per_coded_sample.or(audio.bits_per_sample)?;
    let channels = u32::try_from(audio.channels.as_ref()?.count()).ok()?;
    let bits_per_second = u64::from(bits) * u64::from(channels) * u64::from(audio.sample_rate?);
    (bits_per_second > 0).then(|| size as f64 * 8.0 / bits_per_second as f64)
}

/// Goes through all packets. None when a limit ends that before the file does.
fn counted<R: Read + Seek + Send>(
    source: &mut Bounded<R>,
    container: Container,
    limits: &Limits,
) -> Option<f64> {
    let mut demuxer = open(source, container).ok()?;
    let mut end: Option<units::Timestamp> = None;
    for _ in 0..limits.packets {
        match demuxer.next_packet() {
            Ok(Some(packet)) => end = end.max(Some(packet.pts.saturating_add(packet.dur))),
            Err(Error::IoError(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return None;
            }
            // What cannot be read is not heard either.
            Ok(None) | Err(_) => {
                let time_base = demuxer.tracks().first()?.time_base;
                return seconds(
                    time_base,
                    end.and_then(|end| u64::try_from(end.get()).ok())
                        .map(units::Duration::new),
                );
            }
        }
    }
    None
}

fn seconds(base: Option<units::TimeBase>, duration: Option<units::Duration>) -> Option<f64> {
    let duration = duration.filter(|duration| !duration.is_zero())?;
    Some(base?.calc_duration(duration)?.as_secs_f64())
}

/// The file from `start` on. Symphonia wants sources that threads could share, and shares none.
struct Shared<'s, R> {
    source: Mutex<&'s mut Bounded<R>>,
    start: u64,
    size: u64,
}

impl<R> Shared<'_, R> {
    fn get(&mut self) -> io::Result<&mut Bounded<R>> {
        let source = self.source.get_mut().map_err(|_| io::ErrorKind::Other)?;
        Ok(source)
    }
}

impl<R: Read> Read for Shared<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.get()?.read(buffer)
    }
}

impl<R: Seek> Seek for Shared<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let start = self.start;
        let to = match to {
            SeekFrom::Start(place) => SeekFrom::Start(place.saturating_add(start)),
            to => to,
        };
        let place = self.get()?.seek(to)?;
        place
            .checked_sub(start)
            .ok_or(io::ErrorKind::InvalidInput.into())
    }
}

impl<R: Read + Seek + Send> MediaSource for Shared<'_, R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.size)
    }
}
