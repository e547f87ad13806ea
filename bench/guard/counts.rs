//! The instructions of what every request and every event goes through, compared with those in instructions.toml.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::callgrind::{self, slope};
use crate::identity::Signer;
use crate::ledger::deliveries;
use crate::server::{Connection, Server, get, get_with};
use crate::subject::MANIFEST;

/// Where the numbers are.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");
const HEADER: &str = "\
# The instructions of what every request and every event goes through, by architecture, as callgrind counts them.
# `guard update` writes this file.
";
/// How many instructions more are none: repeated, a number moves by less than half of it.
const TOLERANCE_PERCENT: u64 = 5;
/// How often, and after how long, a first request is made again.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_secs(5);
/// The product's.
const PRODUCT: &str = include_str!("../../manifest.toml");

type Counts = BTreeMap<String, u64>;

pub(crate) fn compare() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let recorded = read()?;
    let Some(recorded) = recorded.get(std::env::consts::ARCH) else {
        writeln!(
            out,
            "{FILE} has no numbers for {}: nothing is compared",
            std::env::consts::ARCH
        )?;
        return Ok(ExitCode::SUCCESS);
    };
    let counted = count()?;
    ensure!(
        recorded.keys().eq(counted.keys()),
        "{FILE} names other counts than there are: guard update"
    );
    let (mut passed, mut failed) = (0, 0);
    for (name, &count) in &counted {
        let known = recorded[name];
        let most = known + known * TOLERANCE_PERCENT / 100;
        let change = (count as f64 / known as f64 - 1.0) * 100.0;
        let verdict = if count <= most { "ok    " } else { "FAILED" };
        if count <= most {
            passed += 1;
        } else {
            failed += 1;
        }
        writeln!(
            out,
            "{verdict} {name}: {count} instructions, {change:+.1} % of {known}"
        )?;
    }
    if failed > 0 {
        writeln!(
            out,
            "more than {TOLERANCE_PERCENT} % more; if that is its price: guard update"
        )?;
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(ExitCode::from(u8::from(failed > 0)))
}

pub(crate) fn update() -> anyhow::Result<()> {
    let mut recorded = read()?;
    recorded.insert(std::env::consts::ARCH.to_owned(), count()?);
    let mut text = HEADER.to_owned();
    for (architecture, counts) in &recorded {
        write!(text, "\n[{architecture}]\n")?;
        for (name, count) in counts {
            writeln!(text, "{name} = {count}")?;
        }
    }
    std::fs::write(FILE, &text)?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn read() -> anyhow::Result<BTreeMap<String, Counts>> {
    let text = std::fs::read_to_string(FILE).context(FILE)?;
    toml::from_str(&text).context(FILE)
}

/// Everything, by its name in the file.
fn count() -> anyhow::Result<Counts> {
    let signer = Signer::new()?;
    let keys = signer.serve_keys()?;
    let hello = |_| Ok(get("hello"));
    let dispatch = requests(&keys, (1_000, 5_000), hello)?;
    let token = signer.token("user")?;
    let known = |_| Ok(signed_in(&token));
    let known = requests(&keys, (1_000, 5_000), known)?;
    let new = |number: u64| {
        let token = signer.token(&format!("user{number}"))?;
        Ok(signed_in(&token))
    };
    let new = requests(&keys, (100, 500), new)?;
    let counts = [
        ("dispatch", dispatch),
        ("token_known", known.saturating_sub(dispatch)),
        ("token_new", new.saturating_sub(dispatch)),
        ("manifest", slope(10, 60, loads)?),
        ("event", deliveries(MANIFEST, &[], 1_200, (200, 1_200))?),
    ];
    Ok(counts.map(|(name, count)| (name.to_owned(), count)).into())
}

fn signed_in(token: &str) -> Vec<u8> {
    get_with(
        "hello_signed_in",
        &format!("Authorization: Bearer {token}\r\n"),
    )
}

/// One request after the other on one connection: the worker's way to sleep and back is in it.
fn requests(
    keys: &str,
    (few, many): (u64, u64),
    request: impl Fn(u64) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<u64> {
    slope(few, many, |number| {
        let requests: Vec<_> = (0..number).map(&request).collect::<Result<_, _>>()?;
        let folder = tempfile::tempdir()?;
        let mut server = Server::new(folder.path(), MANIFEST)?;
        server.command.env("FIREBASE_JWKS_URL", keys);
        callgrind::count(&server.command, folder.path(), |running| {
            let mut connection = first(running, server.address, &requests[0])?;
            for request in &requests[1..] {
                ensure!(connection.ask(request)?.ends_with(b"Flash!"), "no hello");
            }
            Ok(())
        })
    })
}

/// A connection that has had its first answer. With a token it takes the keys, which a server under callgrind
/// on a busy machine may be too slow to fetch in time: it then says when to come again.
fn first(running: &mut Child, address: SocketAddr, request: &[u8]) -> anyhow::Result<Connection> {
    let mut tries = 0;
    loop {
        let mut connection = Connection::open(running, address)?;
        match connection.ask(request) {
            Ok(_) => return Ok(connection),
            Err(error) if tries == TRIES => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
        }
        tries += 1;
    }
}

/// Runs [`load`] in a process of its own.
fn loads(times: u64) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", &times.to_string()]);
    callgrind::count(&command, folder.path(), |running| {
        ensure!(running.wait()?.success(), "the manifest has faults");
        Ok(())
    })
}

/// Reads the product's manifest, as a start and a reload do.
pub(crate) fn load(times: u64) -> anyhow::Result<()> {
    for _ in 0..times {
        let parsed = black_box(manifest::parse(black_box(PRODUCT)));
        ensure!(parsed.manifest.is_some(), "the manifest has faults");
    }
    Ok(())
}
