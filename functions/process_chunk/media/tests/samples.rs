use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// Two seconds each, or one picture. `{out}` is where the file goes; `pipe:1` cannot be seeked, so that
/// nothing of the header can be filled in later.
const RECIPES: [(&str, &str, &str); 29] = [
    (
        "vp8.webm",
        "webm",
        "{video} {audio} -c:v libvpx -c:a libopus {out}",
    ),
    (
        "vp9.webm",
        "webm",
        "{video} {audio} -c:v libvpx-vp9 -c:a libopus {out}",
    ),
    (
        "av1.webm",
        "webm",
        "{video} {audio} -c:v libaom-av1 -cpu-used 8 -c:a libopus {out}",
    ),
    ("opus.webm", "webm", "{audio} -c:a libopus {out}"),
    (
        "live.webm",
        "webm",
        "{video} {audio} -c:v libvpx -c:a libopus -live 1 -cluster_time_limit 500 -f webm pipe:1",
    ),
    (
        "h264.mkv",
        "matroska",
        "{video} {audio} -c:v libx264 -c:a aac {out}",
    ),
    (
        "live.mkv",
        "matroska",
        "{video} {audio} -c:v libx264 -c:a libopus -f matroska pipe:1",
    ),
    (
        "end.mp4",
        "mp4",
        "{video} {audio} -c:v libx264 -c:a aac {out}",
    ),
    (
        "start.mp4",
        "mp4",
        "{video} {audio} -c:v libx264 -c:a aac -movflags faststart {out}",
    ),
    (
        "hevc.mp4",
        "mp4",
        "{video} -c:v libx265 -x265-params log-level=none -tag:v hvc1 {out}",
    ),
    (
        "av1.mp4",
        "mp4",
        "{video} -c:v libaom-av1 -cpu-used 8 {out}",
    ),
    (
        "vp9-opus.mp4",
        "mp4",
        "{video} {audio} -c:v libvpx-vp9 -c:a libopus {out}",
    ),
    (
        "fragments.mp4",
        "mp4",
        "{video} {audio} -c:v libx264 -g 10 -c:a aac -movflags frag_keyframe+empty_moov -f mp4 pipe:1",
    ),
    (
        "fragments-after-samples.mp4",
        "mp4",
        "{video} {audio} -c:v libx264 -g 10 -c:a aac -movflags frag_keyframe {out}",
    ),
    ("mp3.mp4", "mp4", "{audio} -ac 2 -c:a libmp3lame {out}"),
    ("audio.m4a", "mp4", "{audio} -c:a aac {out}"),
    (
        "h264.mov",
        "mov",
        "{video} {audio} -c:v libx264 -c:a pcm_s16le {out}",
    ),
    ("opus.ogg", "ogg", "{audio} -c:a libopus {out}"),
    ("vorbis.ogg", "ogg", "{audio} -c:a libvorbis {out}"),
    ("pcm.wav", "wav", "{audio} {out}"),
    (
        "piped.wav",
        "wav",
        "{audio} -c:a pcm_s24le -ac 2 -f wav pipe:1",
    ),
    ("alaw.wav", "wav", "{audio} -c:a pcm_alaw {out}"),
    (
        "tagged.mp3",
        "mp3",
        "{audio} -metadata title=Tone -c:a libmp3lame -q:a 4 {out}",
    ),
    (
        "bare.mp3",
        "mp3",
        "{audio} -c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0 {out}",
    ),
    ("tone.flac", "flac", "{audio} {out}"),
    ("piped.flac", "flac", "{audio} -f flac pipe:1"),
    ("adts.aac", "aac", "{audio} -c:a aac -f adts {out}"),
    ("picture.jpeg", "jpeg", "{video} -frames:v 1 {out}"),
    ("picture.png", "png", "{video} -frames:v 1 {out}"),
];

const IMAGES_THAT_MOVE: [(&str, &str, &str); 2] = [
    (
        "picture.webp",
        "webp",
        "{video} -frames:v 1 -c:v libwebp {out}",
    ),
    ("moving.gif", "gif", "{video} -t 0.2 {out}"),
];

pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) container: &'static str,
    pub(super) bytes: Vec<u8>,
    /// The answer of `ffprobe`.
    pub(super) answer: Value,
}

pub(super) fn samples() -> &'static [Sample] {
    static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
        let recipes = RECIPES.iter().chain(&IMAGES_THAT_MOVE);
        recipes
            .map(|&(name, container, recipe)| make(name, container, recipe))
            .collect()
    });
    &SAMPLES
}

pub(super) fn sample(name: &str) -> &'static Sample {
    samples().iter().find(|sample| sample.name == name).unwrap()
}

fn make(name: &'static str, container: &'static str, recipe: &str) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let arguments = recipe
        .replace(
            "{video}",
            "-f lavfi -i testsrc=duration=2:size=64x48:rate=25",
        )
        .replace("{audio}", "-f lavfi -i sine=duration=2")
        .replace("{out}", path.to_str().unwrap());
    let piped = run("ffmpeg", &format!("-v error -threads 1 {arguments}"));
    if arguments.ends_with("pipe:1") {
        std::fs::write(&path, piped).unwrap();
    }
    let probe = "-v error -of json -show_format -show_streams -show_packets";
    let answer = run("ffprobe", &format!("{probe} {}", path.display()));
    Sample {
        name,
        container,
        bytes: std::fs::read(&path).unwrap(),
        answer: serde_json::from_slice(&answer).unwrap(),
    }
}

fn run(program: &str, arguments: &str) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .unwrap_or_else(|error| panic!("{program}, of Debian's package ffmpeg: {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments}: {complaints}"
    );
    output.stdout
}
