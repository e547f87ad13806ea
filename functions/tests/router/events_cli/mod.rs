//! `router events`, beside a running server and without one.
//!
//! What the commands print is looked at with deliveries to a function that no manifest has, which
//! the server therefore leaves as they are.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::Router;

mod looking;
mod replaying;

const LEDGER: &str = ".ledger/ledger.sqlite3";
const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";
/// A function that exists in the ledger only.
const THUMBNAILS: &str = "thumbnails";

async fn events(disk: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_router"))
        .arg("events")
        .args(arguments)
        .env_clear()
        .env("RENDER_DISK_BASE_PATH", disk)
        // As in the image, where the server listens on all addresses.
        .env("HOST", "0.0.0.0")
        .current_dir(disk.parent().unwrap())
        .output()
        .await
        .unwrap()
}

async fn table(disk: &Path, arguments: &[&str]) -> String {
    let output = events(disk, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn json(disk: &Path, arguments: &[&str]) -> Value {
    let text = table(disk, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a command says that must fail.
async fn refused(disk: &Path, arguments: &[&str]) -> String {
    let output = events(disk, arguments).await;
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// One event with one delivery, recorded `hours` ago.
struct Planted<'a> {
    id: &'a str,
    kind: &'a str,
    /// Empty: it has none.
    subject: &'a str,
    hours: i64,
    function: &'a str,
    state: &'a str,
    attempts: u32,
    /// Hours until the lease ends.
    leased: Option<i64>,
    error: Option<&'a str>,
}

impl Default for Planted<'_> {
    fn default() -> Self {
        Self {
            id: "e1",
            kind: FINALIZED,
            subject: "objects/a",
            hours: 0,
            function: THUMBNAILS,
            state: "pending",
            attempts: 0,
            leased: None,
            error: None,
        }
    }
}

/// Of a server that runs: else this process would leave files behind that are not the server's.
fn ledger(router: &Router) -> Connection {
    Connection::open(router.disk().join(LEDGER)).unwrap()
}

fn plant(router: &Router, planted: &Planted<'_>) {
    let from_now =
        |hours: i64| (Timestamp::now() + SignedDuration::from_hours(hours)).as_microsecond();
    let recorded = from_now(-planted.hours);
    let event = json!({
        "specversion": "1.0", "id": planted.id, "source": "//here", "type": planted.kind,
        "subject": planted.subject, "data": {"name": "a"},
    });
    let connection = ledger(router);
    connection
        .execute(
            "INSERT INTO events (id, kind, subject, recorded, event) VALUES (?, ?, ?, ?, ?)",
            params![
                planted.id,
                planted.kind,
                planted.subject,
                recorded,
                event.to_string()
            ],
        )
        .unwrap();
    let settled = (planted.state != "pending").then_some(recorded);
    connection
        .execute(
            "INSERT INTO deliveries
                 (event, function, state, attempts, due, lease, since, settled, error)
             VALUES (last_insert_rowid(), ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                planted.function,
                planted.state,
                planted.attempts,
                planted.leased.map_or(recorded, from_now),
                planted.leased.map(|_| "a token"),
                recorded,
                settled,
                planted.error,
            ],
        )
        .unwrap();
}

/// The deliveries to [`THUMBNAILS`] by the ids of their events.
async fn deliveries(router: &Router) -> BTreeMap<String, Value> {
    let listed = json(&router.disk(), &["ls", "--function", THUMBNAILS]).await;
    let listed = listed.as_array().unwrap().iter();
    listed
        .map(|entry| {
            (
                entry["id"].as_str().unwrap().to_owned(),
                entry["delivery"].clone(),
            )
        })
        .collect()
}

fn ids(entries: &Value) -> Vec<&str> {
    let entries = entries.as_array().unwrap().iter();
    entries.map(|entry| entry["id"].as_str().unwrap()).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Waiting, under way, done and given up, the oldest first.
fn plant_one_of_each(router: &Router) {
    let each = [
        Planted {
            id: "e1-waiting",
            hours: 4,
            attempts: 2,
            error: Some("INTERNAL: once"),
            ..Planted::default()
        },
        Planted {
            id: "e2-under-way",
            hours: 3,
            attempts: 3,
            leased: Some(1),
            ..Planted::default()
        },
        Planted {
            id: "e3-done",
            hours: 2,
            attempts: 1,
            state: "done",
            ..Planted::default()
        },
        Planted {
            id: "e4-dead",
            hours: 1,
            attempts: 8,
            state: "dead",
            error: Some("INTERNAL: boom"),
            ..Planted::default()
        },
    ];
    for planted in each {
        plant(router, &planted);
    }
}
