use serde_json::{Value, json};

use super::super::{Kind, Track};
use super::{Sample, place_of, read, sample, samples};

const SECONDS_APART: f64 = 0.1;

fn number(value: &Value) -> Option<f64> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .or(value.as_f64())
}

/// The header's duration, or the end of the last packet.
fn duration(sample: &Sample) -> f64 {
    let packets = sample.answer["packets"].as_array().unwrap();
    let end = |packet: &Value| {
        number(&packet["pts_time"]).unwrap_or_default()
            + number(&packet["duration_time"]).unwrap_or_default()
    };
    number(&sample.answer["format"]["duration"])
        .unwrap_or_else(|| packets.iter().map(end).max_by(f64::total_cmp).unwrap())
}

fn tracks(sample: &Sample) -> Vec<Track> {
    let is_image = ["gif", "jpeg", "png", "webp"].contains(&sample.container);
    let whole = |value: &Value| number(value).map(|number| number as u32);
    let of = |stream: &Value| {
        let is_video = stream["codec_type"] == "video";
        let codec = stream["codec_name"].as_str().unwrap();
        Track {
            kind: match is_video {
                _ if is_image => Kind::Image,
                true => Kind::Video,
                false => Kind::Audio,
            },
            codec: match codec {
                "mjpeg" => "jpeg",
                codec => codec.to_owned().leak(),
            },
            width: whole(&stream["width"]),
            height: whole(&stream["height"]),
            sample_rate: whole(&stream["sample_rate"]),
            channels: whole(&stream["channels"]),
        }
    };
    sample.answer["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(of)
        .collect()
}

#[test]
fn what_is_read_is_what_ffprobe_reads() {
    for sample in samples() {
        let name = sample.name;
        let media = read(&sample.bytes);
        assert_eq!(media.unreadable, None, "{name}");
        assert_eq!(media.container, Some(sample.container), "{name}");
        assert_eq!(media.tracks, tracks(sample), "{name}");
        let video = media.tracks.iter().find(|track| track.kind != Kind::Audio);
        assert_eq!(media.width, video.and_then(|track| track.width), "{name}");
        assert_eq!(media.height, video.and_then(|track| track.height), "{name}");
        if media.tracks[0].kind == Kind::Image {
            assert_eq!(media.duration_seconds, None, "{name}");
            continue;
        }
        let found = media
            .duration_seconds
            .unwrap_or_else(|| panic!("{name} has no duration"));
        let expected = duration(sample);
        let apart = (found - expected).abs();
        assert!(
            apart <= SECONDS_APART,
            "{name}: {found} instead of {expected}"
        );
    }
}

#[test]
fn a_recording_with_clusters_of_unknown_size_has_the_same_duration() {
    let sample = sample("live.webm");
    let mut bytes = sample.bytes.clone();
    let clusters = unknown_sizes(&mut bytes);
    assert!(clusters > 1);
    let media = read(&bytes);
    assert_eq!(media.tracks, tracks(sample));
    let apart = (media.duration_seconds.unwrap() - duration(sample)).abs();
    assert!(apart <= SECONDS_APART, "{apart}");
}

/// Chrome streams clusters: it does not know how long one gets while writing it.
fn unknown_sizes(bytes: &mut [u8]) -> usize {
    let id = [0x1f, 0x43, 0xb6, 0x75];
    let starts = |window: &[u8]| window == id;
    let places: Vec<_> = (0..bytes.len() - 4)
        .filter(|&at| starts(&bytes[at..at + 4]))
        .collect();
    for &place in &places {
        let size = &mut bytes[place + 4..];
        let width = size[0].leading_zeros() as usize + 1;
        size[0] = 0xff >> (width - 1);
        size[1..width].fill(0xff);
    }
    places.len()
}

#[test]
fn a_recording_that_was_cut_off_lasts_as_long_as_its_rest() {
    for name in ["live.webm", "fragments.mp4"] {
        let bytes = &sample(name).bytes;
        let whole = read(bytes).duration_seconds.unwrap();
        let half = read(&bytes[..bytes.len() / 2]).duration_seconds.unwrap();
        assert!(
            0.3 < half && half < whole - 0.3,
            "{name}: {half} of {whole}"
        );
    }
}

#[test]
fn a_header_that_claims_a_hundred_times_as_much_is_not_believed() {
    let mut wav = sample("pcm.wav").bytes.clone();
    let place = place_of(&wav, b"data") + 4;
    let size = u32::from_le_bytes(wav[place..place + 4].try_into().unwrap());
    wav[place..place + 4].copy_from_slice(&(size * 100).to_le_bytes());
    wav[4..8].copy_from_slice(&(size * 100 + 1000).to_le_bytes());

    let mut mp3 = sample("tagged.mp3").bytes.clone();
    let place = ["Xing", "Info"]
        .iter()
        .find_map(|tag| mp3.windows(4).position(|window| window == tag.as_bytes()));
    let place = place.unwrap() + 8;
    let frames = u32::from_be_bytes(mp3[place..place + 4].try_into().unwrap());
    mp3[place..place + 4].copy_from_slice(&(frames * 100).to_be_bytes());

    for bytes in [wav, mp3] {
        let seconds = read(&bytes).duration_seconds.unwrap();
        assert!((seconds - 2.0).abs() <= SECONDS_APART, "{seconds}");
    }
}

#[test]
fn it_serializes_into_what_the_record_keeps() {
    let media = read(&sample("opus.webm").bytes);
    let seconds = media.duration_seconds;
    assert_eq!(
        serde_json::to_value(&media).unwrap(),
        json!({
            "container": "webm",
            "tracks": [{"kind": "audio", "codec": "opus", "sample_rate": 48000, "channels": 1}],
            "duration_seconds": seconds,
            "unreadable": null,
        })
    );
}
