//! The ledger: which objects exist, what happened to them, and who still has to be told. It lies on the disk that holds their bytes, so that one power
//! cut cannot take the one and leave the other.
//!
//! Every change is one transaction that is durable when its future resolves. This module knows
//! rows; it opens no object's file and knows nothing of HTTP.

mod announce;
mod deliveries;
mod doorbell;
mod history;
mod listing;
mod object;
mod object_row;
mod objects;
mod owed;
mod sessions;

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Notify;

pub(crate) use announce::{Announcer, PublishError, Subscription, Topic};
pub(crate) use deliveries::{Delivery, Outcome};
pub(crate) use doorbell::{Doorbell, ring};
pub(crate) use history::{
    Access, Filter, History, Record, Replayed, STATES, Selection, Standing as DeliveryStanding,
};
pub use listing::Listing;
pub use object::{InvalidObjectName, MetadataChange, Object, ObjectName, PutOptions};
pub(crate) use object::{MetadataTooLong, check_metadata};
pub(crate) use objects::{CommitError, CommitObject, Content, Standing};
pub(crate) use sessions::Session;
pub use sessions::SessionState;

use crate::database::sqlite::{Sqlite, SqliteError};

/// The ledger's folder, in the folder of all data.
pub(crate) const FOLDER: &str = ".ledger";
/// The file, in the ledger's folder.
pub(crate) const FILE: &str = "ledger.sqlite3";

/// One step each; the number of steps that a file has seen is its `user_version`.
const SCHEMA: &[&str] = &[
    include_str!("schema/0001_objects.sql"),
    include_str!("schema/0002_events.sql"),
    include_str!("schema/0003_sessions.sql"),
    include_str!("schema/0004_owners.sql"),
];

#[derive(Clone)]
pub(crate) struct Ledger {
    folder: Arc<Path>,
    sqlite: Sqlite,
    announcer: Arc<Announcer>,
    recorded: Arc<Notify>,
}

/// The file was written by a later version of this program.
#[derive(Debug, thiserror::Error)]
#[error("the ledger has schema {found}, this program knows schemas up to {known}")]
pub(crate) struct NewerSchema {
    found: u32,
    known: u32,
}

impl Ledger {
    /// Opens `ledger.sqlite3` in `folder`, both made when missing.
    pub(crate) async fn open(folder: &Path, announcer: Announcer) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let migrate = |connection: &mut Connection| migrate(connection, folder);
        let sqlite = Sqlite::open(&folder.join(FILE), |_| Ok(()), migrate);
        Ok(Self {
            sqlite: sqlite.map_err(io::Error::other)?,
            folder: folder.into(),
            announcer: Arc::new(announcer),
            recorded: Arc::default(),
        })
    }

    /// Ends when a delivery was recorded since the last call, here or by [`Ledger::wake`]: a hint
    /// that spares whoever leases from asking again and again.
    pub(crate) async fn recorded(&self) {
        self.recorded.notified().await;
    }

    pub(crate) fn wake(&self) {
        self.recorded.notify_one();
    }

    /// From now on these functions are told of what happens, and no others.
    pub(crate) fn subscribe(&self, subscriptions: Vec<Subscription>) {
        self.announcer.subscribe(subscriptions);
    }

    /// The name under which clients know the only bucket; `None`: each goes by its key.
    pub(crate) fn public_name(&self) -> Option<&str> {
        self.announcer.public_name.as_deref()
    }

    /// The bell that other processes ring when they have changed the ledger.
    pub(crate) fn doorbell(&self) -> io::Result<Doorbell> {
        Doorbell::open(&self.folder)
    }

    /// Fails when the ledger does not answer.
    pub(crate) async fn ping(&self) -> Result<(), SqliteError> {
        self.sqlite
            .read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())))
            .await
    }
}

fn migrate(connection: &mut Connection, folder: &Path) -> rusqlite::Result<()> {
    let known = SCHEMA.len() as u32;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        let refused = Box::new(NewerSchema { found, known });
        return Err(rusqlite::Error::UserFunctionError(refused));
    }
    if found == known {
        // Writing that again would cost a sync at every start.
        return Ok(());
    }
    sync_entries(folder).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))?;
    for sql in &SCHEMA[found as usize..] {
        tx.execute_batch(sql)?;
    }
    tx.pragma_update(None, "user_version", known)?;
    tx.commit()
}

/// SQLite syncs what is in its files; that the files are in their folders is for us to sync. Before the
/// schema is written: it then says that this is done.
fn sync_entries(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()?;
    match folder.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
