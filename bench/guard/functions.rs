//! Growing with the functions of the manifest: one of two is called by URL, the other by events.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::callgrind;
use crate::ledger::deliveries;
use crate::server::{Connection, Server, get, resident};
use crate::subject::MANIFEST;

const STARTS: usize = 7;

pub(crate) fn table(out: &mut impl std::io::Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\n| functions | instructions per request | per event | of a start | start to first answer | \
         reading the manifest | resident |\n|---|---|---|---|---|---|---|"
    )?;
    for number in [10, 100, 1_000, 10_000] {
        let row = measure(number)?;
        writeln!(out, "| {number} | {row}")?;
    }
    Ok(())
}

fn measure(number: usize) -> anyhow::Result<String> {
    let manifest = manifest(number);
    let request = get(&format!("f{}", number / 4 * 2));
    let start = |folder: &std::path::Path| {
        let mut server = Server::new(folder, &manifest)?;
        server.command.env("MORE_FUNCTIONS", number.to_string());
        anyhow::Ok(server)
    };
    let count = |requests: u64| {
        let folder = tempfile::tempdir()?;
        let server = start(folder.path())?;
        callgrind::count(&server.command, folder.path(), |running| {
            let mut connection = Connection::open(running, server.address)?;
            for _ in 0..requests {
                connection.ask(&request)?;
            }
            Ok(())
        })
    };
    let (few, many) = (count(200)?, count(1_200)?);
    let each = (many - few) / 1_000;

    let folder = tempfile::tempdir()?;
    let mut times = Vec::new();
    let mut memory = 0;
    for _ in 0..STARTS {
        let mut server = start(folder.path())?;
        let began = Instant::now();
        let mut running = server.command.spawn()?;
        let asked = Connection::open(&mut running, server.address)
            .and_then(|mut connection| connection.ask(&request).map(drop));
        times.push(began.elapsed());
        memory = resident(running.id())?;
        running.kill()?;
        running.wait()?;
        asked?;
    }
    let events = deliveries(
        &manifest,
        &[("MORE_FUNCTIONS", &number.to_string())],
        600,
        (100, 500),
    )?;
    let began = Instant::now();
    ensure!(
        manifest::parse(&manifest).manifest.is_some(),
        "the manifest has faults"
    );
    let read = began.elapsed();
    Ok(format!(
        "{each} | {events} | {:.1} M | {} | {} | {:.1} MiB |",
        (few - 200 * each) as f64 / 1e6,
        milliseconds(median(times).context("no start")?),
        milliseconds(read),
        memory as f64 / 1024.0,
    ))
}

fn manifest(number: usize) -> String {
    let mut manifest = MANIFEST.to_owned();
    for number in 0..number {
        let trigger = match number % 2 {
            0 => "http = {}\nauth = \"none\"\npublic = true".to_owned(),
            _ => format!("event = {{ type = \"bench.type{number}\" }}\nauth = \"required\""),
        };
        // Writing to a text does not fail.
        let _ = write!(manifest, "\n[functions.f{number}]\n{trigger}\n");
    }
    manifest
}

pub(crate) fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    times.get(times.len() / 2).copied()
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
