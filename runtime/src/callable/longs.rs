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

/// A value as the function is given it: wrapped integers are numbers, to the last digit, where
/// firebase-functions would read doubles.
///
/// # Errors
/// Internal, as in firebase-functions, for any other `@type`, and for digits that are no integer of the
/// type.
pub(super) fn decode(mut value: Value) -> Result<Value> {
    unwrap(&mut value)?;
    Ok(value)
}

fn unwrap(value: &mut Value) -> Result<()> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(unwrap),
        Value::Object(members) => match members.get("@type").filter(|kind| is_truthy(kind)) {
            None => members.values_mut().try_for_each(unwrap),
            Some(kind) => {
                *value = number(kind, members.get("value"))?;
                Ok(())
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn number(kind: &Value, digits: Option<&Value>) -> Result<Value> {
    let digits = match digits {
        Some(Value::String(digits)) => digits.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let number = match kind.as_str() {
        Some(INT64) => digits.parse().ok().map(|number: i64| json!(number)),
        Some(UINT64) => digits.parse().ok().map(|number: u64| json!(number)),
        _ => return Err(Error::internal(format!("data of the type {kind}"))),
    };
    number.ok_or_else(|| Error::internal(format!("{digits:?} is not an integer of {kind}")))
}

/// As JavaScript sees it: the protocol's own decoder passes over an `@type` that is not.
fn is_truthy(kind: &Value) -> bool {
    match kind {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{decode, encode};

    fn int64(digits: &str) -> Value {
        json!({"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": digits})
    }

    fn uint64(digits: &str) -> Value {
        json!({"@type": "type.googleapis.com/google.protobuf.UInt64Value", "value": digits})
    }

    #[test]
    fn only_what_a_double_would_round_is_wrapped() {
        for (value, written) in [
            (json!(0), json!(0)),
            (
                json!(9_007_199_254_740_991_i64),
                json!(9_007_199_254_740_991_i64),
            ),
            (
                json!(-9_007_199_254_740_991_i64),
                json!(-9_007_199_254_740_991_i64),
            ),
            (json!(9_007_199_254_740_993_i64), int64("9007199254740993")),
            (json!(i64::MIN), int64("-9223372036854775808")),
            (json!(i64::MAX), int64("9223372036854775807")),
            (json!(u64::MAX), uint64("18446744073709551615")),
            (json!(1e300), json!(1e300)),
            (
                json!([{"deep": i64::MAX}]),
                json!([{"deep": int64("9223372036854775807")}]),
            ),
        ] {
            assert_eq!(encode(&value).unwrap(), written);
        }
    }

    #[test]
    fn wrapped_integers_are_read_anywhere_and_exactly() {
        for (sent, value) in [
            (int64("9007199254740993"), json!(9_007_199_254_740_993_i64)),
            (int64("-1"), json!(-1)),
            (uint64("18446744073709551615"), json!(u64::MAX)),
            (
                json!({"a": [int64("5"), {"b": uint64("6")}]}),
                json!({"a": [5, {"b": 6}]}),
            ),
            (
                json!({"@type": "", "value": "5"}),
                json!({"@type": "", "value": "5"}),
            ),
            (
                json!({"@type": null, "b": int64("6")}),
                json!({"@type": null, "b": 6}),
            ),
        ] {
            assert_eq!(decode(sent).unwrap(), value);
        }
    }

    #[test]
    fn any_other_type_is_an_internal_error() {
        for sent in [
            json!({"@type": "type.googleapis.com/google.protobuf.Duration", "value": "5s"}),
            json!([{"@type": 1}]),
            json!({"@type": {}}),
            int64("five"),
            int64("9223372036854775808"),
            uint64("-1"),
            json!({"@type": "type.googleapis.com/google.protobuf.Int64Value"}),
        ] {
            let error = decode(sent.clone()).expect_err(&sent.to_string());
            assert_eq!(error.message(), "INTERNAL");
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back_as_it_went(signed: i64, unsigned: u64, double: f64) {
            let value = json!({"signed": signed, "unsigned": [unsigned], "double": double});
            let sent = encode(&value).unwrap().to_string();
            prop_assert_eq!(decode(serde_json::from_str(&sent).unwrap()).unwrap(), value);
        }
    }
}
