//! [`Value`]s in and out of SQLite, which knows integers, floats, texts and blobs.
//!
//! What a column means beyond that is read from its declared type: `BOOLEAN`, `JSON`, `JSONB`,
//! `UUID`, `TIMESTAMPTZ`. Timestamps are stored as UTC texts of one width, so they sort.

use jiff::Timestamp;
use rusqlite::types::{Null, ToSqlOutput, Type, ValueRef};
use rusqlite::{CachedStatement, Connection, ToSql};
use uuid::Uuid;

use super::error::Cause;
use super::row::Rows;
use super::statement::Statement;
use super::value::Value;

/// Runs one statement to its end.
pub(crate) fn run(connection: &Connection, statement: &Statement) -> rusqlite::Result<Rows> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    bind(&mut prepared, &statement.parameters)?;
    let kinds: Vec<Kind> = prepared
        .columns()
        .map(|column| Kind::declared(column.decl_type()))
        .collect();
    let columns = prepared.column_names().map(str::to_owned);
    let columns = columns.collect();

    let changes_before = connection.total_changes();
    let mut rows = Vec::new();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next()? {
        let value = |(index, kind): (usize, &Kind)| kind.read(index, row.get_ref(index)?);
        rows.push(
            kinds
                .iter()
                .enumerate()
                .map(value)
                .collect::<Result<_, _>>()?,
        );
    }
    // changes() keeps the count of the statement before when this one changed nothing.
    let affected = if !kinds.is_empty() {
        rows.len() as u64
    } else if connection.total_changes() == changes_before {
        0
    } else {
        connection.changes()
    };
    Ok(Rows {
        columns,
        rows,
        affected,
    })
}

/// To SQLite `$2` is a name like any other: it is looked up here, so that a statement may use its
/// parameters in any order and more than once.
fn bind(prepared: &mut CachedStatement<'_>, parameters: &[Value]) -> rusqlite::Result<()> {
    for index in 1..=prepared.parameter_count() {
        let name = prepared.parameter_name(index).unwrap_or("?").to_owned();
        let parameter = name
            .strip_prefix('$')
            .and_then(|number| number.parse::<usize>().ok())
            .and_then(|number| parameters.get(number.checked_sub(1)?))
            .ok_or(rusqlite::Error::InvalidParameterName(name))?;
        prepared.raw_bind_parameter(index, parameter)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => Null.into(),
            Self::Bool(value) => (*value).into(),
            Self::I64(value) => (*value).into(),
            Self::F64(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::Bytes(value) => value.as_slice().into(),
            Self::Json(value) => value.to_string().into(),
            Self::Uuid(value) => value.to_string().into(),
            Self::Timestamp(value) => timestamp_text(*value).into(),
        })
    }
}

/// `2026-01-31T09:00:00.000000Z`.
pub(crate) fn timestamp_text(timestamp: Timestamp) -> String {
    format!("{timestamp:.6}")
}

/// What the declared type of a column adds to SQLite's own.
enum Kind {
    Bool,
    Json,
    Uuid,
    Timestamp,
    AsStored,
}

impl Kind {
    fn declared(name: Option<&str>) -> Self {
        match name.unwrap_or_default().to_ascii_uppercase().as_str() {
            "BOOLEAN" | "BOOL" => Self::Bool,
            "JSON" | "JSONB" => Self::Json,
            "UUID" => Self::Uuid,
            "TIMESTAMPTZ" => Self::Timestamp,
            _ => Self::AsStored,
        }
    }

    fn read(&self, index: usize, stored: ValueRef<'_>) -> rusqlite::Result<Value> {
        let wrong = |cause: Cause| {
            rusqlite::Error::FromSqlConversionFailure(index, stored.data_type(), cause)
        };
        Ok(match (self, stored) {
            (_, ValueRef::Null) => Value::Null,
            (Self::Bool, ValueRef::Integer(value)) => Value::Bool(value != 0),
            (Self::Json, ValueRef::Text(text)) => {
                Value::Json(serde_json::from_slice(text).map_err(|error| wrong(error.into()))?)
            }
            // A JSON column has numeric affinity: a bare number is stored as one.
            (Self::Json, ValueRef::Integer(value)) => Value::Json(value.into()),
            (Self::Json, ValueRef::Real(value)) => Value::Json(value.into()),
            (Self::Uuid, ValueRef::Text(text)) => {
                Value::Uuid(Uuid::try_parse_ascii(text).map_err(|error| wrong(error.into()))?)
            }
            (Self::Timestamp, ValueRef::Text(_)) => {
                let text = stored.as_str().map_err(|error| wrong(error.into()))?;
                let parsed: Result<Timestamp, _> = text.parse();
                Value::Timestamp(parsed.map_err(|error| wrong(error.into()))?)
            }
            (_, ValueRef::Integer(value)) => Value::I64(value),
            (_, ValueRef::Real(value)) => Value::F64(value),
            (_, ValueRef::Blob(value)) => Value::Bytes(value.to_owned()),
            (_, ValueRef::Text(text)) => {
                Value::Text(String::from_utf8(text.to_owned()).map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error.into())
                })?)
            }
        })
    }
}
