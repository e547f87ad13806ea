//! An hour of everything at once: requests of every kind at a steady rate, one fault a minute, and at the end
//! nothing lost, nothing twice, nothing grown.
//!
//! ```text
//! cargo build --release -p functions && cargo build --release -p bench
//! target/release/soak                                 # an hour at 200 requests a second
//! target/release/soak --minutes 4 --every 20          # to try it
//! ```
//!
//! Starts a PostgreSQL, a key server, a provider of the language model and the router, which outside of tests is
//! `router serve` with manifest.toml; needs Debian's `postgresql`. Requests are sent when they are due, whether or
//! not others are answered, and every answer is looked into: bytes are compared, refusals have their status.
//!
//! A fault's window is open from its injection until everything works again and [`faults::MARGIN`] longer. Inside
//! it a request may be refused if it needs what is away, and broken off if the router restarts; a wrong answer is
//! never excused. The restarts are the first four faults, so that one process lives through the rest; of the one
//! that lived 40 minutes the growth is judged.
//!
//! Ends with status 1 when anything is amiss.

mod aftermath;
#[allow(dead_code, reason = "the tests ask for more of what they made")]
mod borrowed;
mod client;
mod faults;
mod mix;
mod objects;
mod provider;
mod server;
mod tally;
mod users;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use borrowed::key_server::KeyServer;
use borrowed::manifest;
use borrowed::postgres::Cluster;
use client::Client;
use faults::{Fault, MARGIN, Stage};
use mix::{Clients, Kind};
use provider::Provider;
use server::{Server, taken};
use tally::{Asked, Sample, Window};

#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Requests a second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Seconds from one fault to the next.
    #[arg(long, default_value_t = 60)]
    every: u64,
    /// The router; by default the one beside this program.
    #[arg(long)]
    router: Option<PathBuf>,
}

/// A machine that other things keep busy stalls for seconds, in which more requests begin than 80.
const CONCURRENCY: &str = "400";
const SAMPLES: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // However it ends, what was started ends with it.
    let amiss = tokio::select! {
        amiss = soak(&options) => amiss?,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    };
    for line in &amiss {
        say(&format!("AMISS: {line}"));
    }
    say(if amiss.is_empty() { "PASSED" } else { "FAILED" });
    Ok(if amiss.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Everything; returns what is amiss.
async fn soak(options: &Options) -> anyhow::Result<Vec<String>> {
    let (stage, database) = set_stage(options).await?;
    let stage = Arc::new(stage);
    let clients = Arc::clone(&stage.clients);
    let (asked, samples) = (Arc::<Mutex<Vec<Asked>>>::default(), Mutex::default());
    let begun = Instant::now();
    let end = begun + Duration::from_secs(options.minutes * 60);
    say(&format!(
        "{} minutes, {} requests a second",
        options.minutes, options.rate
    ));
    let due = options.minutes * 60 * u64::from(options.rate);
    let ((), (windows, faults)) = tokio::select! {
        both = async {
            tokio::try_join!(
                load(&clients, options.rate, due, &asked),
                trouble(&stage, Duration::from_secs(options.every), begun, end),
            )
        } => both?,
        () = watch(&stage.server, &samples) => unreachable!("it watches to the end"),
        () = clients.tokens.renew() => unreachable!("it renews to the end"),
        () = progress(&asked, begun) => unreachable!("it tells to the end"),
    };

    let asked = std::mem::take(&mut *asked.lock().expect("requests"));
    let (table, mut amiss) = tally::judge(&asked, &windows, begun);
    say(&table);
    amiss.extend(faults);
    let open: Duration = windows.iter().map(|window| window.to - window.from).sum();
    say(&format!(
        "{} faults, windows of {} s together",
        windows.len(),
        open.as_secs()
    ));
    if asked.len() as u64 != due {
        amiss.push(format!("{} requests of {due}", asked.len()));
    }
    let samples = samples.into_inner().expect("samples");
    let (growth, faults) = tally::growth(&samples, begun);
    say(&growth);
    amiss.extend(faults);
    for (told, faults) in [
        aftermath::effects(&clients, &database).await?,
        aftermath::objects(&clients).await?,
    ] {
        say(&told);
        amiss.extend(faults);
    }
    stage.server.terminate().await?;
    for (line, times) in stage.server.oddities() {
        say(&format!("log, {times} x {line}"));
        if line.contains("panic") {
            amiss.push(line);
        }
    }
    Ok(amiss)
}

async fn set_stage(options: &Options) -> anyhow::Result<(Stage, String)> {
    let postgres = tokio::task::spawn_blocking(Cluster::start).await?;
    let database = postgres.database().await.url();
    let keys = KeyServer::start().await;
    let provider = Provider::start().await?;
    let beside = std::env::current_exe()?.with_file_name("router");
    let router = options.router.as_ref().unwrap_or(&beside);
    let text = manifest::set(
        &manifest::text(),
        "functions.chunks",
        "concurrency",
        CONCURRENCY,
    );
    let server = Server::new(
        router,
        text,
        vec![
            ("NEON_DATABASE_URL", database.clone()),
            ("FIREBASE_JWKS_URL", keys.url()),
            ("MISTRAL_API_KEY", "the-key-of-the-soak".to_owned()),
            ("MISTRAL_API_URL", provider.url()),
        ],
    )?;
    server.start().await?;
    let clients = Arc::new(Clients::new(Client::new(server.address)));
    let stage = Stage {
        server,
        clients,
        keys,
        provider,
        postgres: tokio::sync::Mutex::new(Some(postgres)),
    };
    Ok((stage, database))
}

/// Sends each of so many requests when it is due, and waits for the last answer.
async fn load(
    clients: &Arc<Clients>,
    rate: u32,
    total: u64,
    asked: &Arc<Mutex<Vec<Asked>>>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut open = JoinSet::new();
    for number in 0..total {
        let due = begun + Duration::from_secs(1).mul_f64(number as f64 / f64::from(rate));
        sleep_until(due).await;
        let (clients, asked) = (Arc::clone(clients), Arc::clone(asked));
        open.spawn(async move {
            let kind = Kind::any();
            let outcome = clients.ask(kind).await;
            let end = Instant::now();
            let request = Asked {
                kind,
                due,
                end,
                outcome,
            };
            asked.lock().expect("requests").push(request);
        });
        while let Some(ended) = open.try_join_next() {
            ended?;
        }
    }
    while let Some(ended) = open.join_next().await {
        ended?;
    }
    Ok(())
}

/// One fault after the other, the last in time for its end; returns their windows, and what did not recover.
async fn trouble(
    stage: &Stage,
    every: Duration,
    begun: Instant,
    end: Instant,
) -> anyhow::Result<(Vec<Window>, Vec<String>)> {
    let (mut windows, mut amiss) = (Vec::new(), Vec::new());
    for turn in 0.. {
        let due = begun + every.mul_f64(turn as f64 + 0.5);
        if due + every / 2 > end {
            break;
        }
        sleep_until(due).await;
        let (fault, from) = (Fault::of_turn(turn), Instant::now());
        if let Err(error) = stage.suffer(fault, turn).await {
            amiss.push(format!("{fault:?}: {error:#}"));
        }
        sleep(MARGIN).await;
        let to = Instant::now();
        say(&format!(
            "{:>5} s: {fault:?}, over after {} s",
            (from - begun).as_secs(),
            (to - from).as_secs()
        ));
        windows.push(Window { fault, from, to });
    }
    Ok((windows, amiss))
}

async fn watch(server: &Server, samples: &Mutex<Vec<Sample>>) {
    loop {
        let at = Instant::now();
        if let Some(process) = server.process()
            && let Some((resident, open)) = taken(process)
        {
            let sample = Sample {
                process,
                at,
                resident,
                open,
            };
            samples.lock().expect("samples").push(sample);
        }
        sleep(SAMPLES).await;
    }
}

async fn progress(asked: &Mutex<Vec<Asked>>, begun: Instant) {
    loop {
        sleep(Duration::from_secs(60)).await;
        let asked = asked.lock().expect("requests");
        let failed = asked
            .iter()
            .filter(|request| request.outcome.is_err())
            .count();
        say(&format!(
            "{:>5} s: {} answers, {failed} failures",
            begun.elapsed().as_secs(),
            asked.len()
        ));
    }
}

fn say(text: &str) {
    // Nobody may be reading any more.
    let _ = writeln!(std::io::stdout(), "{text}");
}
