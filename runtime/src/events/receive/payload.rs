//! The data of an event as one JSON value: JSON as what it is, text as a string, anything else as a
//! string of base64. Which of them, the media type alone decides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Malformed;

pub(super) const JSON: &str = "application/json";
pub(super) const BYTES: &str = "application/octet-stream";

pub(super) fn read(media: &str, bytes: &[u8]) -> Result<Value, Malformed> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let kind = essence(media);
    if is_json(&kind) {
        serde_json::from_slice(bytes).map_err(|_| Malformed::Json)
    } else if is_text(&kind) && is_utf8(media) {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Text)?;
        Ok(text.into())
    } else {
        Ok(STANDARD.encode(bytes).into())
    }
}

/// The media type without its parameters, in lower case.
pub(super) fn essence(media: &str) -> String {
    let essence = media.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn is_json(essence: &str) -> bool {
    matches!(essence, "" | JSON | "text/json") || essence.ends_with("+json")
}

fn is_text(essence: &str) -> bool {
    essence.starts_with("text/") || essence == "application/xml" || essence.ends_with("+xml")
}

/// Whether a parameter says so, or nothing says otherwise.
fn is_utf8(media: &str) -> bool {
    media
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            let charset = charset.trim().trim_matches('"');
            ["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|known| charset.eq_ignore_ascii_case(known))
        })
}
