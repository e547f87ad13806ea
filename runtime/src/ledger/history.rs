//! What became of the events, for the people who look after them: read, and replayed, by another
//! process than the server's and beside it.
//!
//! It opens the file through SQLite alone, which keeps the two processes apart, and creates nothing.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, ToSql, TransactionBehavior, params};
use serde::Serialize;
use serde_json::Value;

use super::object_row::parsed;
use super::{FILE, NewerSchema, SCHEMA};

/// How long SQLite waits for the server's lock.
const BUSY: Duration = Duration::from_secs(5);

pub(crate) struct History {
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Replay,
}

/// An event with one of its deliveries: an event that nobody subscribes to has none.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) subject: Option<String>,
    pub(crate) recorded: Timestamp,
    pub(crate) delivery: Option<Standing>,
}

/// How far one event has come with one function.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) function: String,
    /// One of [`STATES`].
    pub(crate) state: String,
    /// Begun, not ended.
    pub(crate) attempts: u32,
    /// When the next attempt may begin, unless one is under way.
    pub(crate) due: Option<Timestamp>,
    /// Until when the attempt under way keeps others away.
    pub(crate) leased_until: Option<Timestamp>,
    /// From when the retry window counts.
    pub(crate) since: Timestamp,
    pub(crate) settled: Option<Timestamp>,
    /// Of the last attempt that failed.
    pub(crate) error: Option<String>,
}

/// The states of a delivery.
pub(crate) const STATES: [&str; 3] = ["pending", "done", "dead"];

/// The whole of one event.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    #[serde(skip)]
    number: i64,
    pub(crate) recorded: Timestamp,
    /// The CloudEvent, as it is delivered.
    pub(crate) event: Value,
    pub(crate) deliveries: Vec<Standing>,
}

/// Which entries to list; nothing set means all.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) state: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) since: Option<Timestamp>,
}

/// Which deliveries to replay: those that fit everything that is set.
#[derive(Debug, Default)]
pub(crate) struct Selection<'a> {
    pub(crate) event: Option<&'a Record>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) dead: bool,
    pub(crate) function: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Replayed {
    pub(crate) replayed: u64,
    /// Left alone, because an attempt is under way.
    pub(crate) under_way: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error(transparent)]
    Newer(#[from] NewerSchema),
    #[error("the ledger has schema {found}, older than this program's: its server must start once")]
    Older { found: u32 },
    #[error("no event has an id that begins with {0:?}")]
    Unknown(String),
    #[error("{prefix:?} begins the ids of several events, {first} and {second} among them")]
    Ambiguous {
        prefix: String,
        first: String,
        second: String,
    },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl History {
    /// Opens the ledger in `folder`, which must exist.
    pub(crate) fn open(folder: &Path, access: Access) -> Result<Self, HistoryError> {
        let mode = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Replay => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(folder.join(FILE), flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", access == Access::Read)?;
        connection.pragma_update(None, "synchronous", "full")?;

        let known = SCHEMA.len() as u32;
        let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > known {
            return Err(NewerSchema { found, known }.into());
        }
        if found < known {
            return Err(HistoryError::Older { found });
        }
        Ok(Self { connection })
    }

    /// The latest first.
    pub(crate) fn list(&self, filter: &Filter, limit: u32) -> Result<Vec<Entry>, HistoryError> {
        let since = filter.since.map(Timestamp::as_microsecond);
        let mut statement = self.connection.prepare(LIST)?;
        let entries =
            statement.query_map(params![filter.state, filter.function, since, limit], entry)?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// Every delivery that was given up, the latest first.
    pub(crate) fn dead_letters(&self) -> Result<Vec<Entry>, HistoryError> {
        let mut statement = self.connection.prepare(DEAD)?;
        let entries = statement.query_map([], entry)?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// The event with this id, or the only one whose id begins with it.
    pub(crate) fn find(&self, prefix: &str) -> Result<Record, HistoryError> {
        let mut statement = self.connection.prepare(FIND)?;
        let ids = statement.query_map([prefix], |row| row.get(0))?;
        let ids = ids.collect::<Result<Vec<String>, _>>()?;
        match ids.as_slice() {
            [] => Err(HistoryError::Unknown(prefix.to_owned())),
            // The shortest of them is the first in order.
            [first, second] if first != prefix => Err(HistoryError::Ambiguous {
                prefix: prefix.to_owned(),
                first: first.clone(),
                second: second.clone(),
            }),
            [id, ..] => self.record(id),
        }
    }

    fn record(&self, id: &str) -> Result<Record, HistoryError> {
        // One transaction: the event may be pruned meanwhile.
        let tx = self.connection.unchecked_transaction()?;
        let sql = "SELECT number, recorded, event FROM events WHERE id = ?1";
        let found = tx.query_row(sql, [id], |row| {
            Ok(Record {
                number: row.get("number")?,
                recorded: time(row.get("recorded")?),
                event: parsed(serde_json::from_str(row.get_ref("event")?.as_str()?))?,
                deliveries: Vec::new(),
            })
        });
        let mut record = found
            .optional()?
            .ok_or_else(|| HistoryError::Unknown(id.to_owned()))?;
        let mut statement =
            tx.prepare("SELECT * FROM deliveries WHERE event = ?1 ORDER BY function")?;
        record.deliveries = statement
            .query_map([record.number], standing)?
            .collect::<Result<_, _>>()?;
        Ok(record)
    }

    /// Makes deliveries due now as if they had never been tried, durably. One that is under way is
    /// left alone: whoever runs it settles it.
    pub(crate) fn replay(&mut self, selection: &Selection<'_>) -> Result<Replayed, HistoryError> {
        let now = Timestamp::now().as_microsecond();
        let number = selection.event.map(|event| event.number);
        let since = selection.since.map(Timestamp::as_microsecond);
        let mut selected = vec!["TRUE"];
        let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":now", &now)];
        if let Some(number) = &number {
            selected.push("event = :number");
            parameters.push((":number", number));
        }
        if let Some(since) = &since {
            selected.push("event IN (SELECT number FROM events WHERE recorded >= :since)");
            parameters.push((":since", since));
        }
        if let Some(function) = &selection.function {
            selected.push("function = :function");
            parameters.push((":function", function));
        }
        if selection.dead {
            selected.push("state = 'dead'");
        }
        let selected = selected.join(" AND ");
        let count = format!("SELECT count(*) FROM deliveries WHERE {selected} AND {UNDER_WAY}");
        let replay = format!("{REPLAY} WHERE {selected} AND NOT ({UNDER_WAY})");

        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let under_way: u32 = tx.query_row(&count, parameters.as_slice(), |row| row.get(0))?;
        let replayed = tx.execute(&replay, parameters.as_slice())?;
        tx.commit()?;
        Ok(Replayed {
            replayed: replayed as u64,
            under_way: under_way.into(),
        })
    }
}

/// A lease that has passed keeps nobody away.
const UNDER_WAY: &str = "(lease IS NOT NULL AND due > :now)";

const REPLAY: &str = "UPDATE deliveries
    SET state = 'pending', attempts = 0, due = :now, since = :now, lease = NULL, settled = NULL";

const LIST: &str = "SELECT events.id, kind, subject, recorded, deliveries.*
    FROM events LEFT JOIN deliveries ON deliveries.event = events.number
    WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR function = ?2)
        AND (?3 IS NULL OR recorded >= ?3)
    ORDER BY number DESC, function LIMIT ?4";

const DEAD: &str = "SELECT events.id, kind, subject, recorded, deliveries.*
    FROM deliveries JOIN events ON deliveries.event = events.number
    WHERE state = 'dead' ORDER BY settled DESC, number DESC, function";

const FIND: &str = "SELECT id FROM events WHERE id >= ?1 AND id < ?1 || char(0x10FFFF)
    ORDER BY id LIMIT 2";

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let has_delivery = row.get::<_, Option<String>>("function")?.is_some();
    Ok(Entry {
        id: row.get("id")?,
        kind: row.get("kind")?,
        subject: Some(row.get("subject")?).filter(|subject: &String| !subject.is_empty()),
        recorded: time(row.get("recorded")?),
        delivery: has_delivery.then(|| standing(row)).transpose()?,
    })
}

fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let state: String = row.get("state")?;
    let leased = row.get::<_, Option<String>>("lease")?.is_some();
    let due = Some(time(row.get("due")?)).filter(|_| state == "pending");
    Ok(Standing {
        function: row.get("function")?,
        attempts: row.get("attempts")?,
        due: due.filter(|_| !leased),
        leased_until: due.filter(|_| leased),
        since: time(row.get("since")?),
        settled: row.get::<_, Option<i64>>("settled")?.map(time),
        error: row.get("error")?,
        state,
    })
}

/// Of microseconds since 1970; of more than there are, the last that is.
fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}
