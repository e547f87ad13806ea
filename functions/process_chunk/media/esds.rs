//! What an MP4 file says about AAC beside its sample entry, whose own numbers are a formality: FFmpeg
//! writes two channels there, whatever there are.
//!
//! Descriptors: ISO/IEC 14496-1 §7.2.6. AudioSpecificConfig: ISO/IEC 14496-3 §1.6.2.1.

const STREAM: u8 = 3;
const DECODER: u8 = 4;
const SPECIFIC: u8 = 5;

const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoder {
    pub(super) is_mp3: bool,
    /// Hertz, after what makes twice as many samples of those that are coded.
    pub(super) sample_rate: Option<u32>,
    pub(super) channels: Option<u32>,
}

impl Decoder {
    /// Looks for the box among those at the end of a sample entry. QuickTime hides it in another one.
    pub(super) fn of_entry(boxes: &[u8]) -> Option<Self> {
        let place = boxes.windows(4).position(|window| window == b"esds")?;
        // The version comes first, then in a stream its id and flags.
        let stream = descriptor(boxes.get(place + 8..)?, STREAM)?;
        let decoder = descriptor(stream.get(3..)?, DECODER)?;
        let object_type = *decoder.first()?;
        let mut found = Self {
            is_mp3: matches!(object_type, 0x69 | 0x6b),
            sample_rate: None,
            channels: None,
        };
        let rest = decoder.get(13..).unwrap_or_default();
        if let Some(specific) = descriptor(rest, SPECIFIC).filter(|_| !found.is_mp3) {
            found.configure(Bits(specific, 0));
        }
        Some(found)
    }

    fn configure(&mut self, mut bits: Bits<'_>) -> Option<()> {
        let object_type = bits.object_type()?;
        self.sample_rate = bits.rate();
        self.channels = match bits.take(4)? {
            0 => None,
            7 => Some(8),
            count => Some(count),
        };
        // Spectral band replication, alone or with parametric stereo, which makes two channels of one.
        if matches!(object_type, 5 | 29) {
            self.sample_rate = bits.rate();
        }
        if object_type == 29 {
            self.channels = Some(2);
        }
        Some(())
    }
}

/// The body of the descriptor that `bytes` begin with. Its length is of seven bits a byte.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (_, mut rest) = bytes.split_first().filter(|(found, _)| **found == tag)?;
    let mut length = 0;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Some(&rest[..length.min(rest.len())])
}

/// Bytes, and how many of their bits are taken.
struct Bits<'b>(&'b [u8], usize);

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |value, _| {
            let bit = self.0.get(self.1 / 8)? >> (7 - self.1 % 8) & 1;
            self.1 += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    fn object_type(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            object_type => Some(object_type),
        }
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24),
            index => RATES.get(index as usize).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object_type: u8, specific: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| bytes.len() as u8;
        let specific = [&[SPECIFIC, length(specific)], specific].concat();
        let decoder = [&[object_type; 1], &[0; 12][..], &specific].concat();
        // Three more bytes than the length needs, as many programs write it.
        let decoder = [&[DECODER, 0x80, 0x80, 0x80, length(&decoder)], &decoder[..]].concat();
        let stream = [&[STREAM, length(&decoder) + 3, 0, 1, 0], &decoder[..]].concat();
        [b"\0\0\0\x40esds\0\0\0\0", &stream[..]].concat()
    }

    #[test]
    fn the_configuration_says_what_is_heard() {
        for (object_type, specific, is_mp3, sample_rate, channels) in [
            // AAC-LC, 44.1 kHz, one channel.
            (0x40, &[0x12, 0x08][..], false, Some(44_100), Some(1)),
            // HE-AAC: 24 kHz coded, 48 kHz heard, two channels.
            (0x40, &[0x2b, 0x11, 0x88], false, Some(48_000), Some(2)),
            // HE-AAC v2: the same with one channel coded.
            (0x40, &[0xeb, 0x09, 0x88], false, Some(48_000), Some(2)),
            // A rate in full.
            (
                0x40,
                &[0x17, 0x80, 0x00, 0x64, 0x10],
                false,
                Some(200),
                Some(2),
            ),
            (0x40, &[0x12], false, None, None),
            (0x6b, &[], true, None, None),
        ] {
            let expected = Decoder {
                is_mp3,
                sample_rate,
                channels,
            };
            assert_eq!(
                Decoder::of_entry(&entry(object_type, specific)),
                Some(expected)
            );
        }
        assert_eq!(Decoder::of_entry(b"\0\0\0\x08esds"), None);
        assert_eq!(Decoder::of_entry(b""), None);
    }
}
