//! What the ledger says that the process before has left to do.

use jiff::Timestamp;
use rusqlite::Connection;

use super::deliveries::release;
use super::object_row::name_of;
use super::sessions::{active, expired};
use super::{Ledger, ObjectName, Session};
use crate::database::sqlite::SqliteError;

/// As it was at one moment.
pub(crate) struct Owed {
    /// Every session that is active.
    pub(crate) active: Vec<Session>,
    /// Every session, whatever became of it, whose time is up.
    pub(crate) expired: Vec<Session>,
    /// Files whose removal is owed, as (bucket, name).
    pub(crate) removals: Vec<(String, ObjectName)>,
}

impl Ledger {
    /// Gives back every lease, and tells what else there is to do: all in one job, because every start
    /// waits for it.
    pub(crate) async fn take_over(&self, now: Timestamp) -> Result<Owed, SqliteError> {
        self.sqlite
            .write(move |tx| {
                release(tx, now)?;
                Ok(Owed {
                    active: active(tx)?,
                    expired: expired(tx, now)?,
                    removals: removals(tx)?,
                })
            })
            .await
    }

    #[cfg(test)]
    pub(crate) async fn removals(&self) -> Result<Vec<(String, ObjectName)>, SqliteError> {
        self.sqlite.read(removals).await
    }
}

fn removals(connection: &Connection) -> rusqlite::Result<Vec<(String, ObjectName)>> {
    connection
        .prepare_cached("SELECT bucket, name FROM removals")?
        .query_map([], |row| Ok((row.get(0)?, name_of(row, 1)?)))?
        .collect()
}
