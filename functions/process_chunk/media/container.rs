//! Containers, and the first bytes by which they are told apart.

use imagesize::ImageType;

/// How many of the first bytes are looked at: an EBML header with its document type fits in.
pub(super) const HEAD: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Aac,
    Flac,
    Gif,
    Jpeg,
    Matroska,
    Mp3,
    Mp4,
    Ogg,
    Png,
    QuickTime,
    Wav,
    WebM,
    WebP,
}

impl Container {
    /// Some audio begins with an ID3 tag that says nothing of what follows: then it is MP3 until a
    /// demuxer knows better.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x1a, 0x45, 0xdf, 0xa3, ..] if has(head, b"webm") => Self::WebM,
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Self::Matroska,
            [
                _,
                _,
                _,
                _,
                b'f',
                b't',
                b'y',
                b'p',
                b'q',
                b't',
                b' ',
                b' ',
                ..,
            ] => Self::QuickTime,
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Mp4,
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'A',
                b'V',
                b'E',
                ..,
            ] => Self::Wav,
            [b'O', b'g', b'g', b'S', ..] => Self::Ogg,
            [b'f', b'L', b'a', b'C', ..] => Self::Flac,
            [b'I', b'D', b'3', ..] => Self::Mp3,
            // Twelve bits of sync word, then one of version, then two of layer: none in ADTS.
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Self::Aac,
            [0xff, second, ..] if second & 0xe0 == 0xe0 => Self::Mp3,
            _ => match imagesize::image_type(head).ok()? {
                ImageType::Gif => Self::Gif,
                ImageType::Jpeg => Self::Jpeg,
                ImageType::Png => Self::Png,
                ImageType::Webp => Self::WebP,
                _ => return None,
            },
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Aac => "aac",
            Self::Flac => "flac",
            Self::Gif => "gif",
            Self::Jpeg => "jpeg",
            Self::Matroska => "matroska",
            Self::Mp3 => "mp3",
            Self::Mp4 => "mp4",
            Self::Ogg => "ogg",
            Self::Png => "png",
            Self::QuickTime => "mov",
            Self::Wav => "wav",
            Self::WebM => "webm",
            Self::WebP => "webp",
        }
    }
}

fn has(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
