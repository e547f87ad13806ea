//! The ledger with few rows and with many: rows are copied by SQL, so that a hundred thousand take a second.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::OpenFlags;

use crate::callgrind;
use crate::server::{Connection, Server, get, post};
use crate::subject::MANIFEST;

pub(crate) fn table(out: &mut impl std::io::Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n| objects, and events that wait | instructions of a start | of a list of 100 | of an upload | \
         of an event |\n|---|---|---|---|---|"
    )?;
    for rows in [1_000, 10_000, 100_000] {
        let start = with_rows(rows, |_| Ok(()))?;
        let list = ask_more(rows, &get("list"), (20, 120))?;
        let put = ask_more(rows, &post("put", 1), (5, 30))?;
        let event = deliveries(MANIFEST, &[], rows, (100, 500))?;
        writeln!(
            out,
            "| {rows} | {:.1} M | {list} | {put} | {event} |",
            start as f64 / 1e6
        )?;
    }
    Ok(())
}

/// A run of a server that has so many rows, and in which no event is ever done with.
fn with_rows(
    rows: u64,
    drive: impl FnOnce(&mut Connection) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    fill(folder.path(), MANIFEST, &[], rows)?;
    let server = Server::new(folder.path(), &holding(MANIFEST))?;
    callgrind::count(&server.command, folder.path(), |running| {
        let mut connection = Connection::open(running, server.address)?;
        connection.ask(&get("hello"))?;
        drive(&mut connection)
    })
}

fn ask_more(rows: u64, request: &[u8], (few, many): (u64, u64)) -> anyhow::Result<u64> {
    callgrind::slope(few, many, |times| {
        with_rows(rows, |connection| {
            for _ in 0..times {
                connection.ask(request)?;
            }
            Ok(())
        })
    })
}

/// What one delivery costs while so many wait: its lease, the function that does nothing, its settlement.
pub(crate) fn deliveries(
    manifest: &str,
    environment: &[(&str, &str)],
    waiting: u64,
    (few, many): (u64, u64),
) -> anyhow::Result<u64> {
    let count = |least: u64| {
        let folder = tempfile::tempdir()?;
        fill(folder.path(), manifest, environment, waiting)?;
        let mut server = Server::new(folder.path(), manifest)?;
        server.command.envs(environment.iter().copied());
        let count = callgrind::count(&server.command, folder.path(), |running| {
            drop(Connection::open(running, server.address)?);
            let ledger = open(folder.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            while done(&ledger)? < least {
                ensure!(running.try_wait()?.is_none(), "the server ended");
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        });
        // It went on while it was told to end.
        let ledger = open(folder.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        anyhow::Ok((count?, done(&ledger)?))
    };
    let ((least, few), (most, many)) = (count(few)?, count(many)?);
    let instructions = most.checked_sub(least).context("more cost less")?;
    Ok(instructions / (many - few))
}

fn done(ledger: &rusqlite::Connection) -> anyhow::Result<u64> {
    let sql = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    let done: i64 = ledger.query_row(sql, [], |row| row.get(0))?;
    Ok(done.try_into()?)
}

fn open(folder: &Path, flags: OpenFlags) -> rusqlite::Result<rusqlite::Connection> {
    let file = folder.join(".ledger/ledger.sqlite3");
    rusqlite::Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn holding(manifest: &str) -> String {
    manifest.replace("hold = false", "hold = true")
}

/// Leaves so many objects, of one owner, and so many events in the folder's ledger.
fn fill(
    folder: &Path,
    manifest: &str,
    environment: &[(&str, &str)],
    rows: u64,
) -> anyhow::Result<()> {
    let mut server = Server::new(folder, &holding(manifest))?;
    let mut running = server.command.envs(environment.iter().copied()).spawn()?;
    let made = Connection::open(&mut running, server.address).and_then(|mut connection| {
        connection.ask(&post("put", 1))?;
        connection.ask(&post("publish", 1)).map(drop)
    });
    // As a power cut would end it: what is under way is given back at the next start.
    running.kill()?;
    running.wait()?;
    made?;
    let ledger = open(folder, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let name = "printf('files/user/folder%04d/object%07d', n / 1000, n)";
    copy(
        &ledger,
        "objects",
        rows,
        &[("name", name), ("generation", "n"), ("staged", "NULL")],
    )?;
    copy(
        &ledger,
        "events",
        rows,
        &[("number", "n + 9"), ("id", "'copy' || n")],
    )?;
    let pending = [("event", "n + 9"), ("attempts", "0"), ("lease", "NULL")];
    copy(&ledger, "deliveries", rows, &pending)?;
    Ok(())
}

/// Copies the first row of a table until there are so many; these columns of the copies are others.
fn copy(
    ledger: &rusqlite::Connection,
    table: &str,
    rows: u64,
    others: &[(&str, &str)],
) -> rusqlite::Result<()> {
    let mut columns = ledger.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let columns = columns.query_map([table], |row| row.get(0))?;
    let columns = columns.collect::<Result<Vec<String>, _>>()?;
    let values: Vec<&str> = columns
        .iter()
        .map(|column| {
            let other = others.iter().find(|(name, _)| name == column);
            other.map_or(column.as_str(), |(_, value)| value)
        })
        .collect();
    let sql = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {})
         INSERT INTO {table} ({}) SELECT {} FROM (SELECT * FROM {table} LIMIT 1), numbers",
        rows - 1,
        columns.join(", "),
        values.join(", ")
    );
    ledger.execute(&sql, []).map(drop)
}
