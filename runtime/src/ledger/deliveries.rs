//! The deliveries of events: leased for one attempt, then settled by whoever holds the lease.
//!
//! A leased delivery is due again when its lease ends, so nothing has to notice that a worker died.
//! An attempt counts from its beginning: a function that kills the process runs out of attempts like
//! any other.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::Value;

use super::Ledger;
use super::object_row::parsed;
use crate::database::sqlite::SqliteError;
use crate::events::CloudEvent;

/// The right to run a function once for an event.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) key: DeliveryKey,
    pub(crate) lease: String,
    pub(crate) event: CloudEvent<Value>,
    /// From 1.
    pub(crate) attempt: u32,
    /// How long the event has been waiting for this function.
    pub(crate) age: Duration,
}

/// One event for one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryKey {
    event: i64,
    pub(crate) function: String,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ack,
    Retry {
        after: Duration,
        error: String,
    },
    /// Given up, kept, and replayable.
    DeadLetter {
        error: String,
    },
}

impl Ledger {
    /// Leases the first `most` due deliveries of a function until `lease` has passed. Those of them that
    /// have had `attempts` already are given up instead: no attempt lived to settle them.
    pub(crate) async fn lease(
        &self,
        function: &str,
        most: usize,
        attempts: u32,
        lease: Duration,
    ) -> Result<Vec<Delivery>, SqliteError> {
        let function = function.to_owned();
        self.sqlite
            .write(move |tx| {
                let now = Timestamp::now().as_microsecond();
                let due: Vec<_> = tx
                    .prepare_cached(DUE)?
                    .query_map(params![function, now, most as i64], |row| {
                        delivery(row, now)
                    })?
                    .collect::<Result<_, _>>()?;
                let (due, worn_out): (Vec<_>, Vec<_>) =
                    due.into_iter().partition(|it| it.attempt <= attempts);
                for DeliveryKey { event, function } in worn_out.into_iter().map(|it| it.key) {
                    tx.prepare_cached(GIVE_UP)?
                        .execute(params![event, function, now, WORN_OUT])?;
                }
                let until = now.saturating_add(micros(lease));
                for delivery in &due {
                    tx.prepare_cached(LEASE)?.execute(params![
                        delivery.key.event,
                        delivery.key.function,
                        until,
                        delivery.lease,
                    ])?;
                }
                Ok(due)
            })
            .await
    }

    /// Settles a delivery, unless its lease is no longer the one given: whoever overslept changes
    /// nothing. Returns whether it counted.
    pub(crate) async fn settle(
        &self,
        key: DeliveryKey,
        lease: String,
        outcome: Outcome,
    ) -> Result<bool, SqliteError> {
        self.sqlite
            .write(move |tx| {
                let now = Timestamp::now().as_microsecond();
                let (state, due, error) = match outcome {
                    Outcome::Ack => ("done", now, None),
                    Outcome::Retry { after, error } => {
                        ("pending", now.saturating_add(micros(after)), Some(error))
                    }
                    Outcome::DeadLetter { error } => ("dead", now, Some(error)),
                };
                let settled = (state != "pending").then_some(now);
                let changed = tx.prepare_cached(SETTLE)?.execute(params![
                    key.event,
                    key.function,
                    lease,
                    state,
                    due,
                    settled,
                    error
                ])?;
                Ok(changed == 1)
            })
            .await
    }

    /// Gives back every lease of this process, at its end.
    pub(crate) async fn release_leases(&self) -> Result<usize, SqliteError> {
        self.sqlite.write(|tx| release(tx, Timestamp::now())).await
    }

    /// The functions that deliveries wait for.
    pub(crate) async fn waiting(&self) -> Result<Vec<String>, SqliteError> {
        self.sqlite
            .read(|connection| {
                connection
                    .prepare_cached(WAITING)?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await
    }

    /// When the next delivery of a function is due, in microseconds since 1970.
    pub(crate) async fn next_due(&self, function: &str) -> Result<Option<i64>, SqliteError> {
        let function = function.to_owned();
        self.sqlite
            .read(move |connection| {
                connection
                    .prepare_cached(NEXT_DUE)?
                    .query_row([function], |row| row.get(0))
                    .optional()
            })
            .await
    }

    /// Forgets events that were recorded before `until` and are acknowledged by everybody. Dead letters
    /// stay. Whoever writes meanwhile waits for a part of them at most.
    pub(crate) async fn prune(&self, until: Timestamp) -> Result<usize, SqliteError> {
        let until = until.as_microsecond();
        let mut forgotten = 0;
        loop {
            let part = self.sqlite.write(move |tx| {
                tx.prepare_cached(PRUNE)?
                    .execute([until, FORGOTTEN_AT_ONCE])
            });
            let part = part.await?;
            forgotten += part;
            if (part as i64) < FORGOTTEN_AT_ONCE {
                return Ok(forgotten);
            }
        }
    }
}

pub(super) fn release(tx: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<usize> {
    tx.prepare_cached(RELEASE)?.execute([now.as_microsecond()])
}

const WORN_OUT: &str = "every attempt ended with the process";

const DUE: &str = "SELECT deliveries.event AS number, function, attempts, since,
        events.event AS event
    FROM deliveries JOIN events ON events.number = deliveries.event
    WHERE function = ?1 AND state = 'pending' AND due <= ?2
    ORDER BY due LIMIT ?3";

const GIVE_UP: &str = "UPDATE deliveries
    SET state = 'dead', lease = NULL, settled = ?3, error = coalesce(error, ?4)
    WHERE event = ?1 AND function = ?2";

const LEASE: &str = "UPDATE deliveries SET attempts = attempts + 1, due = ?3, lease = ?4
    WHERE event = ?1 AND function = ?2";

const SETTLE: &str = "UPDATE deliveries
    SET state = ?4, due = ?5, settled = ?6, error = ?7, lease = NULL
    WHERE event = ?1 AND function = ?2 AND lease = ?3 AND state = 'pending'";

/// After a crash or two the group that was leased together is spread over up to 4 s: an event that
/// kills the process must not take the same neighbours along each time.
const RELEASE: &str = "UPDATE deliveries SET lease = NULL, due = ?1 + CASE WHEN attempts < 2 THEN 0
        ELSE abs(random()) % (250000 << min(attempts, 4)) END
    WHERE lease IS NOT NULL";

/// From one function to the next, however many deliveries each has.
const WAITING: &str = "WITH RECURSIVE waiting (name) AS (
        SELECT min(function) FROM deliveries WHERE state = 'pending'
        UNION ALL
        SELECT (SELECT min(function) FROM deliveries WHERE state = 'pending' AND function > name)
        FROM waiting WHERE name IS NOT NULL
    ) SELECT name FROM waiting WHERE name IS NOT NULL";

const NEXT_DUE: &str = "SELECT due FROM deliveries
    WHERE function = ?1 AND state = 'pending' ORDER BY due LIMIT 1";

const PRUNE: &str = "DELETE FROM events WHERE number IN (
        SELECT number FROM events WHERE recorded < ?1 AND NOT EXISTS
            (SELECT 1 FROM deliveries WHERE event = number AND state <> 'done')
        LIMIT ?2)";

/// Events forgotten in one transaction: some 10 ms.
pub(super) const FORGOTTEN_AT_ONCE: i64 = 1000;

fn delivery(row: &Row<'_>, now: i64) -> rusqlite::Result<Delivery> {
    let waited = now.saturating_sub(row.get("since")?);
    Ok(Delivery {
        key: DeliveryKey {
            event: row.get("number")?,
            function: row.get("function")?,
        },
        lease: uuid::Uuid::new_v4().simple().to_string(),
        event: parsed(serde_json::from_str(row.get_ref("event")?.as_str()?))?,
        attempt: row.get::<_, u32>("attempts")? + 1,
        age: Duration::from_micros(waited.max(0).unsigned_abs()),
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
