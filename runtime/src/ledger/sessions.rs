//! The rows of upload sessions: what was promised to whom, and how many bytes of it are durable.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};
use serde::Serialize;

use super::object_row::parsed;
use super::{Ledger, Object, ObjectName, PutOptions};
use crate::database::sqlite::SqliteError;

/// What has become of an upload session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    Active,
    /// The object as it was when the session made it.
    Final(Box<Object>),
    Cancelled,
}

/// An upload that takes several requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// Unguessable: whoever knows it may go on with the upload.
    pub(crate) id: String,
    pub(crate) bucket: String,
    pub(crate) name: ObjectName,
    pub(crate) owner: String,
    pub(crate) options: PutOptions,
    pub(crate) state: SessionState,
    /// The staged file.
    pub(crate) staged: String,
    /// Bytes of it that are durable.
    pub(crate) received: u64,
    pub(crate) updated: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Ledger {
    /// A new session, which is active.
    pub(crate) async fn start_session(&self, new: &Session) -> Result<(), SqliteError> {
        let new = new.clone();
        self.sqlite
            .write(move |tx| {
                tx.prepare_cached(
                    "INSERT INTO upload_sessions VALUES (:id, :bucket, :name, :owner, :options,
                        'active', :staged, :received, NULL, :updated, :expires)",
                )?
                .execute(named_params! {
                    ":id": new.id,
                    ":bucket": new.bucket,
                    ":name": new.name.as_str(),
                    ":owner": new.owner,
                    ":options": json(&new.options)?,
                    ":staged": new.staged,
                    ":received": new.received.cast_signed(),
                    ":updated": new.updated.as_microsecond(),
                    ":expires": new.expires.as_microsecond(),
                })?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn session(&self, id: &str) -> Result<Option<Session>, SqliteError> {
        let id = id.to_owned();
        self.sqlite
            .read(move |connection| {
                connection
                    .prepare_cached(SESSION)?
                    .query_row([id], session_of)
                    .optional()
            })
            .await
    }

    /// The first `received` bytes of an active session's file are durable.
    pub(crate) async fn session_received(
        &self,
        id: &str,
        received: u64,
        now: Timestamp,
    ) -> Result<(), SqliteError> {
        let id = id.to_owned();
        self.sqlite
            .write(move |tx| {
                let changed = tx
                    .prepare_cached(
                        "UPDATE upload_sessions SET received = ?2, updated = ?3
                         WHERE id = ?1 AND state = 'active'",
                    )?
                    .execute(params![id, received.cast_signed(), now.as_microsecond()])?;
                one(changed)
            })
            .await
    }

    /// Ends a session without an object. From here on its file is nobody's.
    pub(crate) async fn cancel_session(&self, id: &str, now: Timestamp) -> Result<(), SqliteError> {
        let id = id.to_owned();
        self.sqlite
            .write(move |tx| {
                tx.prepare_cached(
                    "UPDATE upload_sessions SET state = 'cancelled', updated = ?2
                     WHERE id = ?1 AND state = 'active'",
                )?
                .execute(params![id, now.as_microsecond()])?;
                Ok(())
            })
            .await
    }

    /// Every session, whatever became of it, whose time is up.
    pub(crate) async fn expired_sessions(
        &self,
        now: Timestamp,
    ) -> Result<Vec<Session>, SqliteError> {
        self.sqlite.read(move |it| expired(it, now)).await
    }

    /// As if there had never been such a session.
    pub(crate) async fn forget_session(&self, id: &str) -> Result<(), SqliteError> {
        let id = id.to_owned();
        self.sqlite
            .write(move |tx| {
                tx.prepare_cached("DELETE FROM upload_sessions WHERE id = ?1")?
                    .execute([id])?;
                Ok(())
            })
            .await
    }
}

const SESSION: &str = "SELECT * FROM upload_sessions WHERE id = ?1";

pub(super) fn active(connection: &Connection) -> rusqlite::Result<Vec<Session>> {
    connection
        .prepare_cached(ACTIVE_SESSIONS)?
        .query_map([], session_of)?
        .collect()
}

pub(super) fn expired(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<Session>> {
    connection
        .prepare_cached(EXPIRED_SESSIONS)?
        .query_map([now.as_microsecond()], session_of)?
        .collect()
}

const ACTIVE_SESSIONS: &str = "SELECT * FROM upload_sessions WHERE state = 'active'";

const EXPIRED_SESSIONS: &str = "SELECT * FROM upload_sessions WHERE expires <= ?1";

/// Ends a session in the transaction that makes its object.
pub(super) fn finish_session(
    tx: &Transaction<'_>,
    id: &str,
    object: &Object,
) -> rusqlite::Result<()> {
    let changed = tx
        .prepare_cached(
            "UPDATE upload_sessions SET state = 'final', object = ?2, updated = ?3
             WHERE id = ?1 AND state = 'active'",
        )?
        .execute(params![id, json(object)?, object.updated.as_microsecond()])?;
    one(changed)
}

/// A session ends once: without its row there must be no object either.
fn one(changed: usize) -> rusqlite::Result<()> {
    match changed {
        1 => Ok(()),
        other => Err(rusqlite::Error::StatementChangedRows(other)),
    }
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn session_of(row: &Row<'_>) -> rusqlite::Result<Session> {
    let state = match row.get_ref("state")?.as_str()? {
        "active" => SessionState::Active,
        "final" => {
            let object = row.get_ref("object")?.as_str()?;
            SessionState::Final(parsed(serde_json::from_str(object))?)
        }
        _ => SessionState::Cancelled,
    };
    Ok(Session {
        id: row.get("id")?,
        bucket: row.get("bucket")?,
        name: parsed(ObjectName::new(row.get::<_, String>("name")?))?,
        owner: row.get("owner")?,
        options: parsed(serde_json::from_str(row.get_ref("options")?.as_str()?))?,
        state,
        staged: row.get("staged")?,
        received: row.get::<_, i64>("received")?.cast_unsigned(),
        updated: parsed(Timestamp::from_microsecond(row.get("updated")?))?,
        expires: parsed(Timestamp::from_microsecond(row.get("expires")?))?,
    })
}
