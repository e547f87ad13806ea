//! What a media file is, read from the file itself: container, tracks, codecs, size, duration.
//!
//! Files come from strangers. What they are called, and what their sender says they are, is not known
//! here; what they say of themselves is believed only as far as reading them can bear it out cheaply.
//! Every byte passes through [`Bounded`], and nothing is decoded. Must not know storage or tables.

mod bounded;
mod boxes;
mod clusters;
mod codec;
mod container;
mod esds;
mod image;
mod mp4;
mod stream;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde::Serialize;

use bounded::Bounded;
use container::Container;

/// What reading one file may cost.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Bytes read, counting those read twice.
    pub(crate) bytes: u64,
    /// Bytes read, of those, while a demuxer keeps what it reads: headers, indices, tags. The worst
    /// that tags can be take thirty times their size in memory.
    pub(crate) header_bytes: u64,
    /// Reads and seeks of the file: a box of no content costs no bytes to speak of.
    pub(crate) calls: u32,
    /// Packets of a stream that has to be counted to its end.
    pub(crate) packets: u32,
    pub(crate) time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Half an hour of MP3. Longer audio is not counted but believed or estimated.
            bytes: 32 << 20,
            header_bytes: 2 << 20,
            calls: 200_000,
            packets: 200_000,
            time: Duration::from_secs(20),
        }
    }
}

/// What is known of a file. It serializes into what the chunk's record keeps beside its columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Media {
    pub(crate) container: Option<&'static str>,
    /// In the file's order, without subtitles.
    pub(crate) tracks: Vec<Track>,
    /// None for images, animated or not.
    pub(crate) duration_seconds: Option<f64>,
    /// Why there is nothing more. The words are this program's, never the file's.
    pub(crate) unreadable: Option<String>,
    /// Pixels of the image or of the first video track, as coded: neither cropped nor rotated.
    #[serde(skip)]
    pub(crate) width: Option<u32>,
    #[serde(skip)]
    pub(crate) height: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Audio,
    Video,
    Image,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Track {
    pub(crate) kind: Kind,
    /// As FFmpeg spells it, but `jpeg`; `pcm` for the rarer kinds of that in MP4; else `unknown`.
    pub(crate) codec: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u32>,
    /// Hertz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<u32>,
}

impl Media {
    fn of_tracks(container: Container, tracks: Vec<Track>, duration_seconds: Option<f64>) -> Self {
        let seen = tracks.iter().find(|track| track.kind != Kind::Audio);
        Self {
            container: Some(container.name()),
            duration_seconds,
            unreadable: None,
            width: seen.and_then(|track| track.width),
            height: seen.and_then(|track| track.height),
            tracks,
        }
    }
}

/// Reads the file from `reader`, from its beginning to its end as far as `limits` reach. Blocks.
///
/// A file that cannot be understood, or not within `limits`, is a result like any other: reading it
/// again would end the same way.
///
/// # Errors
/// Those of `reader` alone, which say nothing about the file: try again.
pub(crate) fn describe<R: Read + Seek + Send>(reader: R, limits: &Limits) -> io::Result<Media> {
    let mut source = Bounded::new(reader, limits);
    let mut container = None;
    // Symphonia is fuzzed, yet shifts and adds in it still panic where a build checks for overflow, and
    // a panic out of here would come again with every retry. All that it could leave half-done is
    // `source`, which ends with this call.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let found = recognize(&mut source)?;
        container = Some(found);
        match found {
            Container::Gif | Container::Jpeg | Container::Png | Container::WebP => {
                image::read(&mut source, found)
            }
            Container::Mp4 | Container::QuickTime => mp4::read(&mut source, found),
            _ => stream::read(&mut source, found, limits),
        }
    }));
    if let Some(failure) = source.take_failure() {
        return Err(failure);
    }
    let reason = match outcome {
        Ok(Ok(media)) => return Ok(media),
        Ok(Err(reason)) => source.spent().map_or(reason, str::to_owned),
        Err(_) => "it broke its reader".to_owned(),
    };
    Ok(Media {
        container: container.map(Container::name),
        unreadable: Some(reason),
        ..Media::default()
    })
}

/// Goes by the first bytes alone.
fn recognize<R: Read + Seek>(source: &mut Bounded<R>) -> Result<Container, String> {
    let mut head = Vec::with_capacity(container::HEAD);
    source
        .by_ref()
        .take(container::HEAD as u64)
        .read_to_end(&mut head)
        .and_then(|_| source.seek(SeekFrom::Start(0)))
        .map_err(|error| error.to_string())?;
    if head.is_empty() {
        return Err("it is empty".to_owned());
    }
    Container::of(&head).ok_or_else(|| "it is no media that browsers record".to_owned())
}
