//! Integers of 64 bits in JSON, whose numbers most clients read as doubles.
//!
//! The protocol wraps them: `{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"…"}`, with
//! the digits as text, anywhere in a value. The SDKs of Android and iOS send every long so; all three
//! unwrap what they are sent.

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};

const INT64: &str = "type.googleapis.com/google.protobuf.Int64Value";
const UINT64: &str = "type.googleapis.com/google.protobuf.UInt64Value";

/// Up to here, and down to its negative, a double holds every integer (`Number.MAX_SAFE_INTEGER`).
const MAX_SAFE: u64 = (1 << 53) - 1;

/// A value as a client is sent it. Integers that a double would round are wrapped: Android and iOS read
/// them exactly, and JavaScript reads the nearest number, as it would have anyway.
///
/// # Errors
/// Internal, when `value` cannot be JSON (a map with keys that are not strings).
pub(crate) fn encode(value: &(impl Serialize + ?Sized)) -> Result<Value> {
    let mut value = serde_json::to_value(value).map_err(Error::internal)?;
    wrap(&mut value);
    Ok(value)
}

fn wrap(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(wrap),
        Value::Object(members) => members.values_mut().for_each(wrap),
        Value::Number(number) => {
            let wrapper = match (number.as_i64(), number.as_u64()) {
                (Some(signed), _) if signed.unsigned_abs() > MAX_SAFE => Some(INT64),
                (None, Some(_)) => Some(UINT64),
                _ => None,
            };
            if let Some(wrapper) = wrapper {
                *value = json!({"@type": wrapper, "value": number.to_string()});
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
