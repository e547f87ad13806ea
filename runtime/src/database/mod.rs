//! The database that functions see: one SQL text, two engines.
//!
//! With a URL it is PostgreSQL, without one a SQLite file; [`Database::open`] is the only place that
//! chooses. This module knows nothing of HTTP, of functions, or of their tables.
//!
//! # The portable subset
//!
//! A function that keeps to this list runs on both engines unchanged.
//!
//! - Placeholders are `$1`, `$2` …, in any order. A cast is `CAST($1 AS TEXT)`, never `$1::text`. A
//!   parameter that can be NULL and stands where nothing gives it a type (`$1 IS NULL`) needs one.
//! - `INSERT … ON CONFLICT (…) DO NOTHING | DO UPDATE SET x = excluded.x`, `RETURNING`, common table
//!   expressions, window functions, `CASE`, `COALESCE`, `LIKE` on lower-cased text, `||`.
//! - `now()` is the current time on both. `CURRENT_TIMESTAMP` is not: SQLite's has another format.
//! - Column types: `TEXT`, `INTEGER`, `BIGINT`, `FLOAT`, `BOOLEAN`, `JSONB`, `UUID`, `TIMESTAMPTZ`, and
//!   `BYTEA` (`BLOB` in the SQLite migration). SQLite learns from these names what a value means, for
//!   plain columns and not for expressions over them.
//! - `sum()` and `avg()` of integers are `NUMERIC` in PostgreSQL: write `CAST(sum(n) AS BIGINT)`. Enums
//!   and extension types: `CAST(x AS TEXT)`.
//! - JSON is read and written whole. Paths into it (`->>`) are spelled alike for object keys.
//! - `RETURNING` shows a row before SQLite's `AFTER` triggers: do not return what a trigger writes.
//! - No session state, no `BEGIN`: a transaction is what [`Database::atomically`] is given.
//!
//! # Limits
//!
//! PostgreSQL: at most 10 connections; 2 s to get one that others use, 5 s to open another, 10 s to open
//! the first, 5 s for each statement. A statement that takes longer is cancelled and its connection
//! closed. No statement is sent twice: whoever knows that theirs may be, sends it again.
//! SQLite: 5 s for a place in the queue; a statement runs to its end.

mod cell;
mod embedded;
mod error;
mod migrations;
mod postgres;
mod postgres_pool;
mod postgres_url;
mod postgres_values;
mod row;
pub(crate) mod sqlite;
mod sqlite_values;
mod statement;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

pub use self::error::DatabaseError;
pub use self::migrations::Migrations;
pub use self::row::Rows;
pub use self::statement::Statement;
pub use self::value::{Parameters, ToValue, Value};

use self::embedded::Embedded;
use self::migrations::Migration;
use self::postgres::Postgres;

/// Where the functions' rows are kept.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://…`; SQLite when absent.
    pub url: Option<String>,
    /// The folder of the SQLite file; made when it does not exist.
    pub data_dir: PathBuf,
    pub migrations: Migrations,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url.as_ref().map(|_| "[redacted]"))
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// The functions' database; a clone is the same one.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    migrations: Vec<Migration>,
    migrated: AtomicBool,
}

enum Engine {
    Postgres(Postgres),
    Sqlite(Embedded),
}

impl Database {
    /// Chooses the engine. Nothing is connected yet: a PostgreSQL that is down at start does not stop
    /// the process.
    ///
    /// `connections` is the runtime that PostgreSQL connections live on, so that a function which
    /// never yields cannot hold up everybody's.
    ///
    /// # Errors
    /// [`DatabaseError::Settings`] when the URL cannot be understood or the folder cannot be used.
    pub fn open(settings: Settings, connections: Handle) -> Result<Self, DatabaseError> {
        let (engine, files) = match settings.url {
            Some(url) => (
                Engine::Postgres(Postgres::open(&url, connections)?),
                settings.migrations.postgres,
            ),
            None => (
                Engine::Sqlite(Embedded::open(&settings.data_dir)?),
                settings.migrations.sqlite,
            ),
        };
        let shared = Shared {
            engine,
            migrations: migrations::numbered(files)?,
            migrated: AtomicBool::new(false),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Every row of the answer.
    pub async fn query<T: DeserializeOwned>(
        &self,
        sql: impl Into<Cow<'static, str>>,
        parameters: Parameters<'_>,
    ) -> Result<Vec<T>, DatabaseError> {
        self.run_one(Statement::new(sql, parameters))
            .await?
            .into_vec()
    }

    /// The first row of the answer, if there is one.
    pub async fn query_optional<T: DeserializeOwned>(
        &self,
        sql: impl Into<Cow<'static, str>>,
        parameters: Parameters<'_>,
    ) -> Result<Option<T>, DatabaseError> {
        self.run_one(Statement::new(sql, parameters))
            .await?
            .into_first()
    }

    /// How many rows the statement inserted, updated or deleted.
    pub async fn execute(
        &self,
        sql: impl Into<Cow<'static, str>>,
        parameters: Parameters<'_>,
    ) -> Result<u64, DatabaseError> {
        let rows = self.run_one(Statement::new(sql, parameters)).await?;
        Ok(rows.affected())
    }

    /// Runs the statements in one transaction: all of them take effect, or none does. The answer has
    /// one [`Rows`] for each statement.
    pub async fn atomically(
        &self,
        statements: impl Into<Vec<Statement>>,
    ) -> Result<Vec<Rows>, DatabaseError> {
        let statements = statements.into();
        statements.iter().try_for_each(Statement::check)?;
        self.migrate_once().await?;
        match &self.shared.engine {
            Engine::Postgres(postgres) => postgres.run(&statements).await,
            Engine::Sqlite(embedded) => embedded.run(statements).await,
        }
    }

    /// Whether the database answers and holds the tables this program needs.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.run_one(Statement::new("SELECT 1", &[])).await?;
        Ok(())
    }

    /// Applies the migrations that are missing. The first query does so when nobody has.
    ///
    /// # Errors
    /// [`DatabaseError::Refused`] when the database holds something else: it is left as it was, and
    /// every query is refused until that changes.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        let Shared {
            engine,
            migrations,
            migrated,
        } = self.shared.as_ref();
        match engine {
            Engine::Postgres(postgres) => postgres.migrate(migrations).await?,
            Engine::Sqlite(embedded) => embedded.migrate(migrations).await?,
        }
        migrated.store(true, Ordering::Release);
        Ok(())
    }

    /// Callers that arrive together migrate side by side, each within its own limits; the engine
    /// makes sure that one of them does the work.
    async fn migrate_once(&self) -> Result<(), DatabaseError> {
        if self.shared.migrated.load(Ordering::Acquire) {
            return Ok(());
        }
        self.migrate().await
    }

    async fn run_one(&self, statement: Statement) -> Result<Rows, DatabaseError> {
        statement.check()?;
        self.migrate_once().await?;
        match &self.shared.engine {
            Engine::Postgres(postgres) => postgres.run_one(&statement).await,
            Engine::Sqlite(embedded) => embedded.run_one(statement).await,
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.shared.engine {
            Engine::Postgres(_) => "Database(PostgreSQL)",
            Engine::Sqlite(_) => "Database(SQLite)",
        })
    }
}

#[cfg(test)]
mod tests;
