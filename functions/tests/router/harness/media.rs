//! Recordings as browsers make them, by FFmpeg.

use std::process::{Command, Stdio};

const VIDEO: &str = "-f lavfi -i testsrc=duration=2:size=64x48:rate=10";
const AUDIO: &str = "-f lavfi -i sine=duration=2:sample_rate=48000";

/// VP8 and Opus, 2 s, 64 × 48, without a duration in its header.
pub(crate) fn live_webm() -> Vec<u8> {
    let codecs = "-c:v libvpx -c:a libopus -live 1 -f webm";
    made(&format!("{VIDEO} {AUDIO} {codecs}"))
}

/// H.264 and AAC, 2 s, 64 × 48, in fragments.
pub(crate) fn mp4() -> Vec<u8> {
    let codecs = "-c:v libx264 -bf 0 -pix_fmt yuv420p -c:a aac";
    let format = "-movflags frag_keyframe+empty_moov -f mp4";
    made(&format!("{VIDEO} {AUDIO} {codecs} {format}"))
}

/// 16 bits, one channel, 2 s.
pub(crate) fn wav() -> Vec<u8> {
    made(&format!("{AUDIO} -c:a pcm_s16le -f wav"))
}

/// One picture, 64 × 48.
pub(crate) fn png() -> Vec<u8> {
    made(&format!("{VIDEO} -frames:v 1 -c:v png -f image2pipe"))
}

fn made(arguments: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error"])
        .args(arguments.split(' '))
        .arg("pipe:1")
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg");
    assert!(output.status.success(), "{arguments}: {output:?}");
    output.stdout
}
