//! The functions' database in a SQLite file: the default, and a whole production on one disk.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode, OptionalExtension, ffi};

use super::error::DatabaseError;
use super::migrations::{self, Applied, Migration};
use super::row::Rows;
use super::sqlite::{Sqlite, SqliteError};
use super::sqlite_values::{self, timestamp_text};
use super::statement::Statement;

const FILE: &str = "functions.sqlite3";

pub(crate) struct Embedded {
    sqlite: Sqlite,
}

impl Embedded {
    pub(crate) fn open(folder: &Path) -> Result<Self, DatabaseError> {
        let unusable = |cause: &dyn std::fmt::Display| {
            DatabaseError::Settings(format!(
                "the database file {} cannot be opened: {cause}. The folder must exist on a disk \
                 this process may write to.",
                folder.join(FILE).display()
            ))
        };
        std::fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
        let sqlite = Sqlite::open(&folder.join(FILE), register_now, |_| Ok(()))
            .map_err(|error| unusable(&error))?;
        Ok(Self { sqlite })
    }

    /// Runs the statements in one transaction.
    pub(crate) async fn run(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DatabaseError> {
        let run_all = self.sqlite.write(move |transaction| {
            statements
                .iter()
                .map(|statement| sqlite_values::run(transaction, statement))
                .collect()
        });
        Ok(run_all.await?)
    }

    pub(crate) async fn run_one(&self, statement: Statement) -> Result<Rows, DatabaseError> {
        Ok(if statement.only_reads() {
            let read = move |connection: &Connection| sqlite_values::run(connection, &statement);
            self.sqlite.read(read).await?
        } else {
            self.sqlite
                .write(move |transaction| sqlite_values::run(transaction, &statement))
                .await?
        })
    }

    pub(crate) async fn migrate(&self, known: &[Migration]) -> Result<(), DatabaseError> {
        loop {
            let known = known.to_vec();
            let step = self.sqlite.write(move |transaction| {
                let next = match migrations::next(&known, &applied(transaction)?) {
                    Ok(next) => next,
                    Err(refused) => return Ok(Err(refused)),
                };
                let Some(migration) = next else {
                    return Ok(Ok(false));
                };
                apply(transaction, migration)?;
                Ok(Ok(true))
            });
            let more = step.await??;
            if !more {
                return Ok(());
            }
        }
    }
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let exists = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
            [],
            |_| Ok(()),
        )
        .optional()?;
    if exists.is_none() {
        return Ok(Vec::new());
    }
    connection
        .prepare("SELECT version, name FROM schema_migrations ORDER BY version")?
        .query_map([], |row| {
            Ok(Applied {
                version: row.get(0)?,
                name: row.get(1)?,
            })
        })?
        .collect()
}

fn apply(connection: &Connection, migration: &Migration) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             version    INTEGER PRIMARY KEY,
             name       TEXT NOT NULL,
             applied_at TIMESTAMPTZ NOT NULL
         )",
    )?;
    connection.execute_batch(migration.sql)?;
    connection.execute(
        "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?1, ?2, now())",
        (migration.version, migration.name),
    )?;
    Ok(())
}

/// `now()`, so that a statement may say it on both engines.
fn register_now(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_scalar_function("now", 0, FunctionFlags::SQLITE_UTF8, |_| {
        Ok(timestamp_text(Timestamp::now()))
    })
}

impl From<SqliteError> for DatabaseError {
    fn from(error: SqliteError) -> Self {
        let failure = match &error {
            SqliteError::Job(rusqlite::Error::SqliteFailure(failure, text)) => {
                Some((*failure, text.as_deref()))
            }
            SqliteError::Commit(cause) => match cause.as_ref() {
                rusqlite::Error::SqliteFailure(failure, text) => Some((*failure, text.as_deref())),
                _ => None,
            },
            SqliteError::Busy | SqliteError::Closed => return Self::unavailable(error),
            SqliteError::Job(_) | SqliteError::Panicked => None,
        };
        match failure {
            Some((failure, text)) if is_conflict(failure) => Self::Conflict {
                // "UNIQUE constraint failed: users.email"
                constraint: text
                    .and_then(|text| text.split_once(": "))
                    .map_or("FOREIGN KEY", |(_, columns)| columns)
                    .to_owned(),
            },
            Some((failure, _)) if is_passing(failure) => Self::unavailable(error),
            _ => Self::query(error),
        }
    }
}

fn is_conflict(failure: ffi::Error) -> bool {
    matches!(
        failure.extended_code,
        ffi::SQLITE_CONSTRAINT_UNIQUE
            | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | ffi::SQLITE_CONSTRAINT_ROWID
            | ffi::SQLITE_CONSTRAINT_FOREIGNKEY
    )
}

/// The disk or another process is in the way, not the statement.
fn is_passing(failure: ffi::Error) -> bool {
    matches!(
        failure.code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
    )
}
