//! One value of a row, read into whatever serde asks for.

use std::fmt;

use serde::de::value::{SeqDeserializer, StringDeserializer};
use serde::de::{self, Deserializer, Visitor};

use super::value::Value;

pub(super) struct Cell(pub(super) Value);

impl Cell {
    /// What is asked for has structure. SQLite does not know that an expression over a JSON column is
    /// JSON still, so a text is read as JSON here.
    fn structured<'de, V, F>(self, visitor: V, read: F) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
        F: FnOnce(serde_json::Value, V) -> Result<V::Value, serde_json::Error>,
    {
        match self.0 {
            Value::Json(json) => Ok(read(json, visitor)?),
            Value::Text(text) => Ok(read(serde_json::from_str(&text)?, visitor)?),
            other => Self(other).deserialize_any(visitor),
        }
    }
}

impl<'de> Deserializer<'de> for Cell {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::I64(value) => visitor.visit_i64(value),
            Value::F64(value) => visitor.visit_f64(value),
            Value::Text(value) => visitor.visit_string(value),
            Value::Bytes(value) => visitor.visit_byte_buf(value),
            Value::Json(value) => Ok(value.deserialize_any(visitor)?),
            Value::Uuid(value) => visitor.visit_string(value.to_string()),
            Value::Timestamp(value) => visitor.visit_string(value.to_string()),
        }
    }

    /// SQLite has no booleans: what an expression answers is 0 or 1.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::I64(0) => visitor.visit_bool(false),
            Value::I64(1) => visitor.visit_bool(true),
            other => Self(other).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::Null | Value::Json(serde_json::Value::Null) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            other => Self(other).structured(visitor, Deserializer::deserialize_seq),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            other => Self(other).structured(visitor, |json, visitor| {
                json.deserialize_tuple(length, visitor)
            }),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.structured(visitor, |json, visitor| {
            json.deserialize_tuple_struct(name, length, visitor)
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.structured(visitor, Deserializer::deserialize_map)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.structured(visitor, |json, visitor| {
            json.deserialize_struct(name, fields, visitor)
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::Json(json) => Ok(json.deserialize_enum(name, variants, visitor)?),
            Value::Text(text) => visitor.visit_enum(StringDeserializer::<DecodeError>::new(text)),
            other => Self(other).deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct identifier ignored_any
    }
}

#[derive(Debug)]
pub(super) struct DecodeError(String);

impl DecodeError {
    pub(super) fn in_column(self, column: &str) -> Self {
        Self(format!("column {column}: {}", self.0))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}
