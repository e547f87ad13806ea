//! The ledger and the functions' tables, read past the router: what was committed, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::harness::eventually;

const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";

/// Numbers by the full names of objects, `user_uploads/{uid}/{name}`.
type ByName = BTreeMap<String, i64>;

/// What all the events together have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Versions of objects, each with its event.
    pub(crate) committed: i64,
    /// Objects whose row does not describe their last version.
    pub(crate) lost: i64,
    /// Lines of the learning log beyond one for each version.
    pub(crate) repeated: i64,
    /// Versions without a line: their turn came when a later one had been recorded.
    pub(crate) superseded: i64,
    /// Events that were given up.
    pub(crate) dead: i64,
}

/// # Errors
/// What was lost, done twice, or done for nothing.
pub(crate) fn exactly_once(disk: &Path) -> Result<Effects, String> {
    let effects = count(disk);
    match effects {
        Effects {
            lost: 0,
            repeated: 0,
            dead: 0,
            ..
        } => Ok(effects),
        _ => Err(format!("{effects:?}")),
    }
}

pub(crate) fn count(disk: &Path) -> Effects {
    let ledger = ledger(disk);
    let committed = by_name(&ledger, &finalized("count(*)"));
    let last = by_name(
        &ledger,
        &finalized("max(CAST(event ->> '$.data.generation' AS INTEGER))"),
    );
    let functions = open(&disk.join("functions.sqlite3"));
    let logged = by_name(
        &functions,
        "SELECT custom_data ->> 'storage_ref', count(*) FROM tria_learning_log
         WHERE event_type = 'chunk_metadata_processed' GROUP BY 1",
    );
    let recorded = by_name(
        &functions,
        "SELECT storage_ref, generation FROM audiovisual_gestural_chunks
         LEFT JOIN chunk_generations USING (chunk_id)",
    );
    let names: BTreeSet<_> = committed
        .keys()
        .chain(logged.keys())
        .chain(recorded.keys())
        .collect();
    let surplus = |name: &String| {
        logged.get(name).copied().unwrap_or_default()
            - committed.get(name).copied().unwrap_or_default()
    };
    let is_lost = |name: &&&String| recorded.get(**name) != last.get(**name);
    Effects {
        committed: committed.values().sum(),
        lost: names.iter().filter(is_lost).count() as i64,
        repeated: names.iter().map(|name| surplus(name).max(0)).sum(),
        superseded: names.iter().map(|name| (-surplus(name)).max(0)).sum(),
        dead: deliveries(disk, "dead"),
    }
}

/// Waits until no event is on its way any more.
pub(crate) async fn settled(disk: &Path) {
    eventually("every event is settled", async || is_settled(disk)).await;
}

pub(crate) fn is_settled(disk: &Path) -> bool {
    deliveries(disk, "pending") == 0
}

pub(crate) fn deliveries(disk: &Path, state: &str) -> i64 {
    let sql = "SELECT count(*) FROM deliveries WHERE state = ?1";
    ledger(disk)
        .query_row(sql, [state], |row| row.get(0))
        .unwrap()
}

/// How often any function was run for an event.
pub(crate) fn attempts(disk: &Path) -> i64 {
    let sql = "SELECT sum(attempts) FROM deliveries";
    ledger(disk).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// By subject: how long each event took from its recording to its settlement, and how it ended.
pub(crate) fn settlements(disk: &Path) -> Vec<(String, Duration, String)> {
    let ledger = ledger(disk);
    let mut statement = ledger
        .prepare(
            "SELECT subject, settled - recorded, state FROM deliveries
             JOIN events ON number = deliveries.event WHERE settled IS NOT NULL ORDER BY settled",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let took = Duration::from_micros(row.get::<_, i64>(1)?.unsigned_abs());
        Ok((row.get(0)?, took, row.get(2)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn finalized(number: &str) -> String {
    format!("SELECT subject, {number} FROM events WHERE kind = '{FINALIZED}' GROUP BY 1")
}

/// A name and a number from each row; the name from where `user_uploads/` begins.
fn by_name(connection: &Connection, sql: &str) -> ByName {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let name: String = row.get(0)?;
        let start = name.find("user_uploads/").unwrap_or_default();
        Ok((
            name[start..].to_owned(),
            row.get::<_, Option<i64>>(1)?.unwrap_or_default(),
        ))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn ledger(disk: &Path) -> Connection {
    open(&disk.join(".ledger/ledger.sqlite3"))
}

fn open(file: &Path) -> Connection {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}
