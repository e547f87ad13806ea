//! What a media file is read with.

use std::io::{self, Read, Seek};

use super::media::{self, Limits};

/// Bytes that are read of one file.
pub const MOST_BYTES: u64 = 32 << 20;

/// What is known of a file, as far as it can be wrong.
#[derive(Debug, PartialEq)]
pub struct Described {
    pub tracks: usize,
    pub duration_seconds: Option<f64>,
    pub unreadable: Option<String>,
    /// What its record keeps.
    pub json: String,
}

/// # Errors
/// Those of `file`.
pub fn describe<R: Read + Seek + Send>(file: R) -> io::Result<Described> {
    let limits = Limits {
        bytes: MOST_BYTES,
        ..Limits::default()
    };
    let media = media::describe(file, &limits)?;
    Ok(Described {
        json: serde_json::to_string(&media)?,
        tracks: media.tracks.len(),
        duration_seconds: media.duration_seconds,
        unreadable: media.unreadable,
    })
}
