//! The names of codecs, as FFmpeg spells them.

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known as audio;
use symphonia::core::codecs::video::VideoCodecId;
use symphonia::core::codecs::video::well_known as video;

pub(super) const UNKNOWN: &str = "unknown";

pub(super) fn of_audio(codec: AudioCodecId) -> &'static str {
    match codec {
        audio::CODEC_ID_AAC => "aac",
        audio::CODEC_ID_AC3 => "ac3",
        audio::CODEC_ID_ALAC => "alac",
        audio::CODEC_ID_EAC3 => "eac3",
        audio::CODEC_ID_FLAC => "flac",
        audio::CODEC_ID_MP2 => "mp2",
        audio::CODEC_ID_MP3 => "mp3",
        audio::CODEC_ID_OPUS => "opus",
        audio::CODEC_ID_SPEEX => "speex",
        audio::CODEC_ID_VORBIS => "vorbis",
        audio::CODEC_ID_PCM_ALAW => "pcm_alaw",
        audio::CODEC_ID_PCM_F32BE => "pcm_f32be",
        audio::CODEC_ID_PCM_F32LE => "pcm_f32le",
        audio::CODEC_ID_PCM_F64BE => "pcm_f64be",
        audio::CODEC_ID_PCM_F64LE => "pcm_f64le",
        audio::CODEC_ID_PCM_MULAW => "pcm_mulaw",
        audio::CODEC_ID_PCM_S16BE => "pcm_s16be",
        audio::CODEC_ID_PCM_S16LE => "pcm_s16le",
        audio::CODEC_ID_PCM_S24BE => "pcm_s24be",
        audio::CODEC_ID_PCM_S24LE => "pcm_s24le",
        audio::CODEC_ID_PCM_S32BE => "pcm_s32be",
        audio::CODEC_ID_PCM_S32LE => "pcm_s32le",
        audio::CODEC_ID_PCM_S8 => "pcm_s8",
        audio::CODEC_ID_PCM_U8 => "pcm_u8",
        _ => UNKNOWN,
    }
}

pub(super) fn of_video(codec: VideoCodecId) -> &'static str {
    match codec {
        video::CODEC_ID_AV1 => "av1",
        video::CODEC_ID_H263 => "h263",
        video::CODEC_ID_H264 => "h264",
        video::CODEC_ID_HEVC => "hevc",
        video::CODEC_ID_MJPEG => "mjpeg",
        video::CODEC_ID_MPEG4 => "mpeg4",
        video::CODEC_ID_THEORA => "theora",
        video::CODEC_ID_VP8 => "vp8",
        video::CODEC_ID_VP9 => "vp9",
        video::CODEC_ID_VVC => "vvc",
        _ => UNKNOWN,
    }
}

/// By the kind of sample entry, as the MP4 Registration Authority and QuickTime have them.
pub(super) fn of_video_entry(coding: &[u8; 4]) -> &'static str {
    match coding {
        b"av01" => "av1",
        b"avc1" | b"avc3" => "h264",
        b"dvh1" | b"dvhe" | b"hev1" | b"hvc1" => "hevc",
        b"h263" | b"s263" => "h263",
        b"jpeg" | b"mjpa" | b"mjpg" => "mjpeg",
        b"mp4v" => "mpeg4",
        b"ap4h" | b"ap4x" | b"apch" | b"apcn" | b"apco" | b"apcs" => "prores",
        b"vp08" => "vp8",
        b"vp09" => "vp9",
        b"vvc1" | b"vvi1" => "vvc",
        _ => UNKNOWN,
    }
}

/// `pcm` where it takes more than the kind to tell the format of a sample.
pub(super) fn of_audio_entry(coding: &[u8; 4]) -> &'static str {
    match coding {
        b".mp3" => "mp3",
        b"Opus" => "opus",
        b"ac-3" => "ac3",
        b"alac" => "alac",
        b"alaw" => "pcm_alaw",
        b"ec-3" => "eac3",
        b"fLaC" => "flac",
        b"mp4a" => "aac",
        b"samr" => "amr_nb",
        b"sowt" => "pcm_s16le",
        b"twos" => "pcm_s16be",
        b"ulaw" => "pcm_mulaw",
        b"fl32" | b"fl64" | b"fpcm" | b"in24" | b"in32" | b"ipcm" | b"lpcm" | b"raw " => "pcm",
        _ => UNKNOWN,
    }
}
