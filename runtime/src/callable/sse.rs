//! The events of a streamed call: no names and no ids, one line of data each.

use bytes::Bytes;
use serde_json::Value;

/// `key` is `message`, `result` or `error`. The SDK for the web wants the space behind the colon and the JSON
/// on one line; it drops what is written otherwise.
pub(crate) fn event(key: &str, value: &Value) -> Bytes {
    Bytes::from(format!("data: {{\"{key}\":{value}}}\n\n"))
}
