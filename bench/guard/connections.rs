//! Connections: many that say nothing, and many that send slowly.

use std::io::Write as _;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::functions::{median, milliseconds};
use crate::server::{Connection, Server, get, resident};
use crate::subject::MANIFEST;

const IDLE: usize = 10_000;
const UPLOADS: usize = 1_000;
/// Pieces of an upload, and bytes in each.
const PIECES: usize = 16;
const PIECE: usize = 16 << 10;
/// Between two pieces.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn table(out: &mut impl std::io::Write) -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    writeln!(
        out,
        "\n| connections | resident before | with them | for each |\n|---|---|---|---|"
    )?;
    let (before, with) = serving(idle)?;
    let each = (with - before) as f64 / IDLE as f64;
    writeln!(
        out,
        "| {IDLE} that were answered once | {} | {} | {each:.1} KiB |",
        mebibytes(before),
        mebibytes(with)
    )?;
    let slow = serving(uploads)?;
    let each = (slow.most - slow.before) as f64 / UPLOADS as f64;
    writeln!(
        out,
        "| {UPLOADS} uploads of {} KiB in {} s | {} | {} | {each:.1} KiB |",
        (PIECES * PIECE) >> 10,
        slow.took.as_secs(),
        mebibytes(slow.before),
        mebibytes(slow.most)
    )?;
    writeln!(
        out,
        "\nWhile they sent, {} others were answered, in {} (median) and {} at most; before, in {}.",
        slow.answers,
        milliseconds(slow.median),
        milliseconds(slow.worst),
        milliseconds(slow.median_before)
    )?;
    Ok(())
}

fn mebibytes(kibibytes: i64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}

/// Does something with a server of its own.
fn serving<T>(with: impl FnOnce(&mut Child, &Server) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::new(folder.path(), MANIFEST)?;
    let mut running = server.command.spawn()?;
    let done = with(&mut running, &server);
    running.kill()?;
    running.wait()?;
    done
}

fn idle(running: &mut Child, server: &Server) -> anyhow::Result<(i64, i64)> {
    let hello = get("hello");
    let mut connections = Vec::new();
    let mut connect = |number: usize| {
        for _ in 0..number {
            let mut connection = Connection::open(running, server.address)?;
            connection.ask(&hello)?;
            connections.push(connection);
        }
        resident(running.id())
    };
    Ok((connect(10)?, connect(IDLE)?))
}

struct Slow {
    /// Resident KiB.
    before: i64,
    most: i64,
    took: Duration,
    answers: usize,
    median_before: Duration,
    median: Duration,
    worst: Duration,
}

fn uploads(running: &mut Child, server: &Server) -> anyhow::Result<Slow> {
    let mut other = Connection::open(running, server.address)?;
    let quiet = ask_for(&mut other, 200)?;
    let before = resident(running.id())?;
    let mut uploads = Vec::new();
    for number in 0..UPLOADS {
        let mut upload = Connection::open(running, server.address)?;
        let head = format!(
            "POST /receive?files/user/{number} HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: {}\r\n\r\n",
            PIECES * PIECE
        );
        upload.stream.write_all(head.as_bytes())?;
        uploads.push(upload);
    }
    let sent = AtomicBool::new(false);
    let began = Instant::now();
    let (times, most) = thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut times = Vec::new();
            while !sent.load(Ordering::Relaxed) {
                times.extend(ask_for(&mut other, 10)?);
                thread::sleep(Duration::from_millis(10));
            }
            anyhow::Ok(times)
        });
        let most = send(&mut uploads, running.id());
        sent.store(true, Ordering::Relaxed);
        let times = others.join().ok().context("the other client panicked")??;
        anyhow::Ok((times, most?))
    })?;
    let took = began.elapsed();
    let expected = (PIECES * PIECE).to_string();
    for upload in &mut uploads {
        ensure!(
            upload.ask(b"")? == expected.as_bytes(),
            "an upload is not whole"
        );
    }
    Ok(Slow {
        before,
        most: most.max(resident(running.id())?),
        took,
        answers: times.len(),
        median_before: median(quiet).unwrap_or_default(),
        worst: times.iter().max().copied().unwrap_or_default(),
        median: median(times).unwrap_or_default(),
    })
}

/// Returns the most memory that was resident between two pieces.
fn send(uploads: &mut [Connection], server: u32) -> anyhow::Result<i64> {
    let piece = vec![b'x'; PIECE];
    let mut most = 0;
    for _ in 0..PIECES {
        for upload in &mut *uploads {
            upload.stream.write_all(&piece)?;
        }
        most = most.max(resident(server)?);
        thread::sleep(PAUSE);
        most = most.max(resident(server)?);
    }
    Ok(most)
}

fn ask_for(connection: &mut Connection, times: usize) -> anyhow::Result<Vec<Duration>> {
    let hello = get("hello");
    let ask = |_| {
        let began = Instant::now();
        connection.ask(&hello)?;
        Ok(began.elapsed())
    };
    (0..times).map(ask).collect()
}
