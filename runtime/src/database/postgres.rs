//! The functions' database in PostgreSQL, directly or behind a pooler in transaction mode.
//!
//! A pooler gives every transaction another server connection, so nothing here prepares a named
//! statement, sets session state or takes a session lock: statements go out with their parameter
//! types (`query_typed`), the migration lock belongs to its transaction.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, RowStream, Transaction};

use super::error::DatabaseError;
use super::migrations::{self, Applied, Migration};
use super::postgres_pool::Connections;
use super::postgres_values;
use super::row::Rows;
use super::statement::Statement;

/// How long a statement may take.
pub(super) const STATEMENT: Duration = Duration::from_secs(5);
const MIGRATION: Duration = Duration::from_secs(60);

pub(crate) struct Postgres {
    connections: Connections,
}

impl Postgres {
    pub(crate) fn open(url: &str, runtime: Handle) -> Result<Self, DatabaseError> {
        let connections = Connections::new(url, runtime)?;
        Ok(Self { connections })
    }

    pub(crate) async fn run_one(&self, statement: &Statement) -> Result<Rows, DatabaseError> {
        let lease = self.connections.lease().await?;
        let answer = within(STATEMENT, run_in(lease.client(), statement)).await?;
        lease.give_back();
        answer
    }

    /// Runs the statements in one transaction. A lease that is not given back ends it.
    pub(crate) async fn run(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        // The server ends a statement by itself too: a request to cancel it may be lost at a pooler, and what the
        // transaction holds would be held for as long as the statement runs.
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {}",
            STATEMENT.as_millis()
        );
        let lease = self.connections.lease().await?;
        let client = lease.client();
        within(STATEMENT, client.batch_execute(&begin)).await??;
        let mut answers = Vec::with_capacity(statements.len());
        for statement in statements {
            match within(STATEMENT, run_in(client, statement)).await? {
                Ok(rows) => answers.push(rows),
                Err(error) => {
                    within(STATEMENT, client.batch_execute("ROLLBACK")).await??;
                    lease.give_back();
                    return Err(error);
                }
            }
        }
        let committed = within(STATEMENT, client.batch_execute("COMMIT")).await?;
        lease.give_back();
        committed?;
        Ok(answers)
    }

    pub(crate) async fn migrate(&self, known: &[Migration]) -> Result<(), DatabaseError> {
        let mut lease = self.connections.lease().await?;
        let applied = within(MIGRATION, async {
            while apply_next(lease.client_mut(), known).await? {}
            Ok(())
        })
        .await?;
        lease.give_back();
        applied
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, DatabaseError> {
    timeout(limit, work)
        .await
        .map_err(|_| DatabaseError::unavailable(format!("no answer within {} s", limit.as_secs())))
}

async fn start(client: &Client, statement: &Statement) -> Result<RowStream, tokio_postgres::Error> {
    let parameters = statement
        .parameters
        .iter()
        .map(|value| (value, postgres_values::type_of(value)));
    client.query_typed_raw(&statement.sql, parameters).await
}

async fn run_in(client: &Client, statement: &Statement) -> Result<Rows, DatabaseError> {
    collect(start(client, statement).await?).await
}

async fn collect(stream: RowStream) -> Result<Rows, DatabaseError> {
    let mut stream = pin!(stream);
    let mut columns = None;
    let mut rows = Vec::new();
    let mut unreadable = None;
    while let Some(row) = stream.try_next().await? {
        columns.get_or_insert_with(|| {
            row.columns()
                .iter()
                .map(|column| column.name().to_owned())
                .collect()
        });
        // Read on to the end all the same: the connection is to be used again.
        match (0..row.len())
            .map(|index| postgres_values::read(&row, index))
            .collect()
        {
            Ok(values) => rows.push(values),
            Err(error) => unreadable = Some(error),
        }
    }
    if let Some(error) = unreadable {
        return Err(error);
    }
    Ok(Rows {
        columns: columns.unwrap_or_default(),
        rows,
        affected: stream.rows_affected().unwrap_or_default(),
    })
}

/// Applies one migration in one transaction; `false` when none is missing.
async fn apply_next(client: &mut Client, known: &[Migration]) -> Result<bool, DatabaseError> {
    let transaction = client.transaction().await?;
    // Two instances that start at once take turns; the lock ends with the transaction.
    transaction
        .batch_execute("SELECT pg_advisory_xact_lock(hashtextextended('schema_migrations', 0))")
        .await?;
    let applied = applied(&transaction).await?;
    let migration = match migrations::next(known, &applied) {
        Ok(Some(migration)) => migration,
        nothing_to_do => {
            transaction.rollback().await?;
            return nothing_to_do.map(|_| false);
        }
    };
    if applied.is_empty() {
        transaction
            .batch_execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (
                     version    BIGINT PRIMARY KEY,
                     name       TEXT NOT NULL,
                     applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
                 )",
            )
            .await?;
    }
    transaction
        .batch_execute(migration.sql)
        .await
        .map_err(refusal_or_failure)?;
    transaction
        .execute_typed(
            "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)",
            &[
                (&migration.version, Type::INT8),
                (&migration.name, Type::TEXT),
            ],
        )
        .await?;
    transaction.commit().await?;
    tracing::info!(
        version = migration.version,
        name = migration.name,
        "applied a migration"
    );
    Ok(true)
}

async fn applied(transaction: &Transaction<'_>) -> Result<Vec<Applied>, DatabaseError> {
    let exists = "SELECT 1 WHERE to_regclass('schema_migrations') IS NOT NULL";
    if transaction.query_typed(exists, &[]).await?.is_empty() {
        return Ok(Vec::new());
    }
    let rows = transaction
        .query_typed(
            "SELECT CAST(version AS BIGINT), name FROM schema_migrations ORDER BY version",
            &[],
        )
        .await
        .map_err(|error| match error.code() {
            Some(&SqlState::UNDEFINED_COLUMN) => DatabaseError::Refused(
                "this database has a table schema_migrations that another tool made. Use another \
                 database, or another schema by a search_path in the URL's options."
                    .to_owned(),
            ),
            _ => error.into(),
        })?;
    rows.iter()
        .map(|row| {
            Ok(Applied {
                version: row.try_get(0)?,
                name: row.try_get(1)?,
            })
        })
        .collect()
}

/// A migration refuses a database with a plain `RAISE EXCEPTION`.
fn refusal_or_failure(error: tokio_postgres::Error) -> DatabaseError {
    match error.as_db_error() {
        Some(raised) if *raised.code() == SqlState::RAISE_EXCEPTION => {
            DatabaseError::Refused(match raised.hint() {
                Some(hint) => format!("{} {hint}", raised.message()),
                None => raised.message().to_owned(),
            })
        }
        _ => error.into(),
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            // What the server did not say comes from the connection, except a value that cannot be
            // written or read.
            return match error.is_closed() || is_io(&error) {
                true => Self::unavailable(error),
                false => Self::query(error),
            };
        };
        match *refusal.code() {
            SqlState::UNIQUE_VIOLATION | SqlState::FOREIGN_KEY_VIOLATION => Self::Conflict {
                constraint: refusal.constraint().unwrap_or_default().to_owned(),
            },
            ref code if ended_the_connection(refusal) || is_passing(code.code()) => {
                Self::unavailable(said(refusal))
            }
            _ => Self::query(said(refusal)),
        }
    }
}

/// What the server said, without its details: those quote rows, with whatever somebody wrote in them.
fn said(refusal: &DbError) -> String {
    let (severity, code) = (refusal.severity(), refusal.code().code());
    format!("{severity}: {} (SQLSTATE {code})", refusal.message())
}

/// The server, or the pooler in front of it, has nothing more to say on this connection. A pooler says
/// so in the field that servers translate, and in no other.
fn ended_the_connection(refusal: &DbError) -> bool {
    ["FATAL", "PANIC"].contains(&refusal.severity())
        || matches!(
            refusal.parsed_severity(),
            Some(Severity::Fatal | Severity::Panic)
        )
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// Whether a SQLSTATE says that the same statement may work later: a deadlock or serialization
/// failure (40), a poor server (53), an operator or a shutdown (57), a lock that could not be had.
fn is_passing(code: &str) -> bool {
    ["40", "53", "57"]
        .iter()
        .any(|class| code.starts_with(class))
        || code == SqlState::LOCK_NOT_AVAILABLE.code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_trouble_is_told_from_a_wrong_statement() {
        for (code, passing) in [
            ("40001", true),
            ("40P01", true),
            ("53300", true),
            ("55P03", true),
            ("57014", true),
            ("57P01", true),
            ("57P03", true),
            ("08P01", false),
            ("22P02", false),
            ("23502", false),
            ("42601", false),
            ("42P01", false),
        ] {
            assert_eq!(is_passing(code), passing, "{code}");
        }
    }
}
