//! The values that mean the same on both engines.

use jiff::Timestamp;
use uuid::Uuid;

/// One parameter or one column, whichever engine it goes to or comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    I64(i64),
    F64(f64),
    /// Without NUL characters: PostgreSQL cannot store them.
    Text(String),
    Bytes(Vec<u8>),
    Json(serde_json::Value),
    Uuid(Uuid),
    /// Precise to the microsecond, as both engines store it.
    Timestamp(Timestamp),
}

/// Whatever can be bound to a `$n` placeholder: everything with a [`Value`] of its own, and an
/// `Option` of it.
pub trait ToValue {
    fn to_value(&self) -> Value;
}

impl<T: Clone + Into<Value>> ToValue for T {
    fn to_value(&self) -> Value {
        self.clone().into()
    }
}

/// The parameters of one statement, in the order of their placeholders: `&[&uid, &email]`.
pub type Parameters<'a> = &'a [&'a (dyn ToValue + Sync)];

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Timestamp> for Value {
    /// Drops what is finer than a microsecond.
    fn from(value: Timestamp) -> Self {
        Self::Timestamp(Timestamp::from_microsecond(value.as_microsecond()).unwrap_or(value))
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}

from! {
    bool => Bool,
    i16 => I64,
    i32 => I64,
    i64 => I64,
    u8 => I64,
    u16 => I64,
    u32 => I64,
    f32 => F64,
    f64 => F64,
    &str => Text,
    String => Text,
    &String => Text,
    &[u8] => Bytes,
    Vec<u8> => Bytes,
    serde_json::Value => Json,
    Uuid => Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_value_is_null_and_a_present_one_is_itself() {
        assert_eq!(None::<&str>.to_value(), Value::Null);
        assert_eq!(Some("a").to_value(), Value::Text("a".into()));
        assert_eq!(Some(Some(7)).to_value(), Value::I64(7));
    }

    #[test]
    fn a_timestamp_keeps_no_more_than_both_engines_store() {
        let precise = Timestamp::new(1_700_000_000, 123_456_789).unwrap();
        let stored = Timestamp::new(1_700_000_000, 123_456_000).unwrap();
        assert_eq!(precise.to_value(), Value::Timestamp(stored));
    }
}
