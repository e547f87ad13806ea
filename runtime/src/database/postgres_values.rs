//! [`Value`]s in and out of PostgreSQL, which is told the type of every parameter.

use bytes::BytesMut;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use super::error::{Cause, DatabaseError};
use super::value::Value;

/// The declared type of a parameter. NULL has none: PostgreSQL infers it from where it stands.
pub(crate) fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Bool(_) => Type::BOOL,
        Value::I64(_) => Type::INT8,
        Value::F64(_) => Type::FLOAT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
        Value::Json(_) => Type::JSONB,
        Value::Uuid(_) => Type::UUID,
        Value::Timestamp(_) => Type::TIMESTAMPTZ,
    }
}

impl ToSql for Value {
    fn to_sql(&self, declared: &Type, out: &mut BytesMut) -> Result<IsNull, Cause> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Bool(value) => value.to_sql(declared, out),
            Self::I64(value) => value.to_sql(declared, out),
            Self::F64(value) => value.to_sql(declared, out),
            Self::Text(value) => value.to_sql(declared, out),
            Self::Bytes(value) => value.to_sql(declared, out),
            Self::Json(value) => value.to_sql(declared, out),
            Self::Uuid(value) => value.to_sql(declared, out),
            Self::Timestamp(value) => value.to_sql(declared, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The column at `index`, as the value both engines share.
pub(crate) fn read(row: &Row, index: usize) -> Result<Value, DatabaseError> {
    let column = &row.columns()[index];
    match *column.type_() {
        Type::BOOL => get::<bool>(row, index),
        Type::INT2 => get::<i16>(row, index),
        Type::INT4 => get::<i32>(row, index),
        Type::INT8 => get::<i64>(row, index),
        Type::OID => get::<u32>(row, index),
        Type::FLOAT4 => get::<f32>(row, index),
        Type::FLOAT8 => get::<f64>(row, index),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            get::<String>(row, index)
        }
        Type::BYTEA => get::<Vec<u8>>(row, index),
        Type::JSON | Type::JSONB => get::<serde_json::Value>(row, index),
        Type::UUID => get::<Uuid>(row, index),
        Type::TIMESTAMPTZ => get::<Timestamp>(row, index),
        Type::VOID => Ok(Value::Null),
        ref other => Err(DatabaseError::Decode(format!(
            "column {} has the PostgreSQL type {other}, which has no portable value: CAST it in the \
             statement",
            column.name()
        ))),
    }
}

fn get<'a, T: FromSql<'a> + Into<Value>>(
    row: &'a Row,
    index: usize,
) -> Result<Value, DatabaseError> {
    row.try_get::<_, Option<T>>(index)
        .map(Value::from)
        .map_err(DatabaseError::query)
}
