//! Rows, and reading them into serde types.
//!
//! A row is a map from column to value. A type that is not a map (a number, a text, a tuple) reads
//! the columns in order, so `query_optional::<String>("SELECT email …")` says what it means.

use std::sync::Arc;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};

use super::cell::{Cell, DecodeError};
use super::error::DatabaseError;
use super::value::Value;

/// What one statement of [`atomically`](super::Database::atomically) answered.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub(crate) columns: Arc<[String]>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) affected: u64,
}

impl Rows {
    /// How many rows the statement inserted, updated or deleted; for one that returns rows, how many
    /// it returned.
    pub fn affected(&self) -> u64 {
        self.affected
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every row as a `T`.
    pub fn into_vec<T: DeserializeOwned>(self) -> Result<Vec<T>, DatabaseError> {
        let columns = self.columns;
        self.rows
            .into_iter()
            .map(|values| decode(&columns, values))
            .collect()
    }

    /// The first row as a `T`, if there is one.
    pub fn into_first<T: DeserializeOwned>(self) -> Result<Option<T>, DatabaseError> {
        let columns = self.columns;
        self.rows
            .into_iter()
            .next()
            .map(|values| decode(&columns, values))
            .transpose()
    }
}

fn decode<T: DeserializeOwned>(columns: &[String], values: Vec<Value>) -> Result<T, DatabaseError> {
    T::deserialize(Row { columns, values })
        .map_err(|error| DatabaseError::Decode(error.to_string()))
}

struct Row<'a> {
    columns: &'a [String],
    values: Vec<Value>,
}

impl<'a> Row<'a> {
    fn cells(self) -> Cells<'a> {
        Cells {
            columns: self.columns.iter(),
            values: self.values.into_iter(),
            current: "",
        }
    }

    fn only_cell(self) -> Result<Cell, DecodeError> {
        let count = self.values.len();
        match <[Value; 1]>::try_from(self.values) {
            Ok([value]) => Ok(Cell(value)),
            Err(_) => Err(DecodeError::custom(format!(
                "a single value was asked for, the row has {count} columns"
            ))),
        }
    }
}

macro_rules! through_the_only_cell {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.only_cell()?.$method(visitor)
        })+
    };
}

impl<'de> Deserializer<'de> for Row<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(self.cells())
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(self.cells())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(self.cells())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.only_cell()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    through_the_only_cell! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option deserialize_identifier
    }
}

struct Cells<'a> {
    columns: std::slice::Iter<'a, String>,
    values: std::vec::IntoIter<Value>,
    current: &'a str,
}

impl<'de> MapAccess<'de> for Cells<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some(column) = self.columns.next() else {
            return Ok(None);
        };
        self.current = column;
        seed.deserialize(column.as_str().into_deserializer())
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let value = self.values.next().unwrap_or(Value::Null);
        seed.deserialize(Cell(value))
            .map_err(|error| error.in_column(self.current))
    }
}

impl<'de> SeqAccess<'de> for Cells<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let (Some(column), Some(value)) = (self.columns.next(), self.values.next()) else {
            return Ok(None);
        };
        seed.deserialize(Cell(value))
            .map(Some)
            .map_err(|error| error.in_column(column))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde::Deserialize;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn rows(cells: &[(&str, Value)]) -> Rows {
        Rows {
            columns: cells.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: vec![cells.iter().map(|(_, value)| value.clone()).collect()],
            affected: 1,
        }
    }

    fn cell(value: Value) -> Rows {
        rows(&[("c", value)])
    }

    #[test]
    fn a_row_becomes_a_struct_with_nested_json() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Video,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Size {
            width: u32,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Chunk {
            id: Uuid,
            kind: Kind,
            size: Size,
            sizes: Vec<Size>,
            bytes: Vec<u8>,
            note: Option<String>,
            at: Timestamp,
            anything: serde_json::Value,
        }
        let id = Uuid::from_u128(7);
        let at = Timestamp::from_microsecond(1_700_000_000_000_001).unwrap();
        let row = rows(&[
            ("id", Value::Uuid(id)),
            ("kind", Value::Text("video".into())),
            ("size", Value::Json(json!({"width": 3}))),
            ("sizes", Value::Text(r#"[{"width": 4}]"#.into())),
            ("bytes", Value::Bytes(vec![0, 255])),
            ("note", Value::Null),
            ("at", Value::Timestamp(at)),
            ("anything", Value::Json(json!([1, null]))),
            ("not_asked_for", Value::I64(1)),
        ]);
        let expected = Chunk {
            id,
            kind: Kind::Video,
            size: Size { width: 3 },
            sizes: vec![Size { width: 4 }],
            bytes: vec![0, 255],
            note: None,
            at,
            anything: json!([1, null]),
        };
        assert_eq!(row.into_first::<Chunk>().unwrap(), Some(expected));
    }

    #[test]
    fn a_single_column_is_read_without_a_struct() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Uid(String);
        let text = || cell(Value::Text("u1".into()));
        assert_eq!(text().into_first::<String>().unwrap().unwrap(), "u1");
        assert_eq!(
            text().into_first::<Uid>().unwrap(),
            Some(Uid("u1".to_owned()))
        );
        assert_eq!(
            cell(Value::Null).into_first::<Option<i64>>().unwrap(),
            Some(None)
        );
        assert!(cell(Value::I64(1)).into_first::<bool>().unwrap().unwrap());
        let pair = rows(&[("a", Value::I64(1)), ("b", Value::Text("x".into()))]);
        assert_eq!(
            pair.into_first::<(i32, String)>().unwrap(),
            Some((1, "x".to_owned()))
        );
    }

    #[test]
    fn what_does_not_fit_names_the_column() {
        let reason = |rows: Rows| match rows.into_vec::<(i32, bool)>() {
            Err(DatabaseError::Decode(reason)) => reason,
            other => panic!("{other:?}"),
        };
        let text = reason(rows(&[
            ("n", Value::Text("x".into())),
            ("b", Value::I64(1)),
        ]));
        assert!(text.starts_with("column n: "), "{text}");
        let two = reason(rows(&[("n", Value::I64(1)), ("b", Value::I64(2))]));
        assert!(two.starts_with("column b: "), "{two}");
        let large = reason(rows(&[("n", Value::I64(1 << 40)), ("b", Value::I64(0))]));
        assert!(large.starts_with("column n: "), "{large}");
    }
}
