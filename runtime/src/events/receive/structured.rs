//! CloudEvents in structured mode: the JSON event format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::attributes::Attributes;
use super::{Malformed, object, payload};
use crate::events::CloudEvent;

pub(super) fn read(body: &[u8]) -> Result<CloudEvent<Value>, Malformed> {
    let mut members = object(body)?;
    let data = members.remove("data");
    let base64 = members.remove("data_base64");
    let mut attributes = Attributes::default();
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) if number.is_i64() => number.to_string(),
            _ => return Err(Malformed::Attribute),
        };
        attributes.add(&name, text)?;
    }
    let data = match (data, base64) {
        (data, None | Some(Value::Null)) => data.unwrap_or_default(),
        (None, Some(Value::String(text))) => {
            let bytes = STANDARD.decode(text).map_err(|_| Malformed::Base64)?;
            let media = attributes.content_type().unwrap_or(payload::BYTES);
            payload::read(media, &bytes)?
        }
        _ => return Err(Malformed::Base64),
    };
    attributes.into_event(data)
}
