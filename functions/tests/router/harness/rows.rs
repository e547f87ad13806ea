//! Rows as JSON objects, read past the router.

use rusqlite::OpenFlags;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};

use super::Router;

/// What the uploads did, kept beside them on the disk.
const LEDGER: &str = ".ledger/ledger.sqlite3";

impl Router {
    /// The answer to `sql` from the functions' database.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Value> {
        match self.database() {
            None => select(&self.sqlite(OpenFlags::SQLITE_OPEN_READ_ONLY), sql),
            Some(database) => {
                let sql = format!("SELECT to_json(answer) FROM ({sql}) AS answer");
                let rows = database.connect().await.query(&sql, &[]).await;
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    pub(crate) async fn chunks(&self) -> Vec<Value> {
        self.rows("SELECT * FROM audiovisual_gestural_chunks ORDER BY storage_ref")
            .await
    }

    pub(crate) async fn learning_log(&self) -> Vec<Value> {
        self.rows("SELECT * FROM tria_learning_log ORDER BY log_id")
            .await
    }

    /// The answer to `sql` from the ledger.
    pub(crate) fn ledger(&self, sql: &str) -> Vec<Value> {
        let file = self.disk().join(LEDGER);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let ledger = rusqlite::Connection::open_with_flags(file, flags).expect("the ledger");
        select(&ledger, sql)
    }
}

fn select(connection: &rusqlite::Connection, sql: &str) -> Vec<Value> {
    let mut statement = connection.prepare(sql).expect(sql);
    let columns: Vec<(String, bool)> = statement
        .columns()
        .map(|column| {
            (
                column.name().to_owned(),
                column.decl_type() == Some("JSONB"),
            )
        })
        .collect();
    let rows = statement.query_map([], |row| {
        let mut object = Map::new();
        for (at, (name, is_json)) in columns.iter().enumerate() {
            let value = match row.get_ref(at)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => json!(number),
                ValueRef::Real(number) => json!(number),
                ValueRef::Text(text) if *is_json => serde_json::from_slice(text).expect("JSON"),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                ValueRef::Blob(_) => panic!("{name} is binary"),
            };
            object.insert(name.clone(), value);
        }
        Ok(Value::Object(object))
    });
    rows.expect(sql).map(|row| row.expect("a row")).collect()
}
