//! The `users` table, read past the router.

use rusqlite::OpenFlags;
use rusqlite::types::Value;

use super::Router;

/// The functions' database, when it is SQLite; in the data folder.
const FILE: &str = "functions.sqlite3";

/// Which database the functions of a router use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// No NEON_DATABASE_URL: the file in the data folder.
    Sqlite,
    Postgres,
}

/// One row; times as the engine spells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) user_id: String,
    pub(crate) email: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

impl Router {
    /// Every row, by user id.
    pub(crate) async fn users(&self) -> Vec<User> {
        match self.database() {
            None => self.sqlite_users(),
            Some(database) => {
                let client = database.connect().await;
                let sql = "SELECT user_id, email, created_at::text, updated_at::text
                           FROM users ORDER BY user_id";
                let rows = client.query(sql, &[]).await.expect(sql);
                rows.iter()
                    .map(|row| User {
                        user_id: row.get(0),
                        email: row.get(1),
                        created_at: row.get(2),
                        updated_at: row.get(3),
                    })
                    .collect()
            }
        }
    }

    /// Runs a statement that the router knows nothing of.
    pub(crate) async fn behind_its_back(&self, sql: &str) {
        match self.database() {
            None => self
                .sqlite(OpenFlags::SQLITE_OPEN_READ_WRITE)
                .execute_batch(sql)
                .expect(sql),
            Some(database) => database.run(sql).await,
        }
    }

    fn sqlite_users(&self) -> Vec<User> {
        let connection = self.sqlite(OpenFlags::SQLITE_OPEN_READ_ONLY);
        let sql = "SELECT user_id, email, created_at, updated_at FROM users ORDER BY user_id";
        let mut statement = connection.prepare(sql).expect(sql);
        let time = |value: Value| format!("{value:?}");
        let rows = statement.query_map([], |row| {
            Ok(User {
                user_id: row.get(0)?,
                email: row.get(1)?,
                created_at: time(row.get(2)?),
                updated_at: time(row.get(3)?),
            })
        });
        rows.expect(sql).map(|row| row.expect("a row")).collect()
    }

    pub(super) fn sqlite(&self, flags: OpenFlags) -> rusqlite::Connection {
        let file = self.disk().join(FILE);
        rusqlite::Connection::open_with_flags(file, flags).expect("the functions' database")
    }
}
