//! Whether a thousand slow clients slow down the others: slowhttptest in its four modes, and sockets that drip a
//! head, drip a body or never read. Run by `slow_clients.sh`, which installs slowhttptest.
//!
//! Starts the router, which as root goes on as another user, and asks it for /hello_world on kept and on new
//! connections and for /auth_sync, at a steady rate: in quiet and then during an attack, one attack after the other,
//! round after round. What a busy machine does to one 99th percentile it does not do to all: each is compared with
//! that of the quiet just before it, and the median of the rounds counts. Beside it are its quartiles, the
//! percentiles of all rounds together, and how many descriptors the router had open at least half of the time: of
//! 1,000 slow bodies it takes as many as `chunks` may run at once.
//!
//! Ends with status 1 when a median is more than twice the quiet, or when an answer is none of the expected.

#[allow(dead_code, reason = "the soak asks for more")]
#[path = "../soak/borrowed.rs"]
mod borrowed;
#[allow(dead_code, reason = "the soak asks for more")]
#[path = "../soak/client.rs"]
mod client;
#[allow(dead_code, reason = "the soak asks for more")]
#[path = "../soak/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use borrowed::content::random;
use borrowed::identity::Token;
use borrowed::key_server::KeyServer;
use borrowed::{form, manifest};
use client::{Call, Client, Outcome, Reply};
use server::{Server, taken};

#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds that each attack is measured, and the quiet before it.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// The router; by default the one beside this program.
    #[arg(long)]
    router: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Quiet,
    /// slowhttptest -H
    SlowHeads,
    /// slowhttptest -B
    SlowBodies,
    /// slowhttptest -R
    Ranges,
    /// slowhttptest -X
    SlowReads,
    /// A thousand sockets of our own, a third of each kind.
    SlowSockets,
}

const ATTACKS: [Phase; 5] = [
    Phase::SlowHeads,
    Phase::SlowBodies,
    Phase::Ranges,
    Phase::SlowReads,
    Phase::SlowSockets,
];

const SOCKETS: usize = 1000;
/// Probes a second.
const RATE: u32 = 120;
const UID: &str = "U1";
/// More than what lies between a router and a client that does not read.
const LARGE: usize = 8 << 20;
/// Milliseconds until a socket is opened again, at most.
const SPREAD: u64 = 4_000;
/// In which an attack opens its connections, and in which their ends are settled.
const SETTLING: Duration = Duration::from_secs(4);
const MOST: f64 = 2.0;

/// The router, and a large object that whoever has its URL may read.
struct Target {
    server: Server,
    client: Client,
    token: String,
    download: String,
}

/// What the probes found during one phase.
#[derive(Default)]
struct Found {
    took: Vec<Duration>,
    /// Round by round, the 99th percentile in multiples of the quiet one.
    times: Vec<f64>,
    failures: BTreeMap<String, usize>,
    /// Of the router, second by second.
    descriptors: Vec<usize>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let keys = KeyServer::start().await;
    let target = Arc::new(prepare(&options, &keys).await?);
    let mut found = BTreeMap::<Phase, Found>::new();
    for _ in 0..options.rounds {
        for phase in ATTACKS {
            let length = Duration::from_secs(options.seconds);
            let quiet = probe(&target, length, found.entry(Phase::Quiet).or_default()).await?;
            let mut attack = attack(phase, &target);
            sleep(SETTLING).await;
            let found = found.entry(phase).or_default();
            let during = probe(&target, length, found).await?;
            found.times.push(during / quiet);
            if let Some(ended) = attack.try_join_next() {
                ended??;
            }
            drop(attack);
            sleep(SETTLING).await;
        }
    }
    let fine = tell(found);
    target.server.terminate().await?;
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn prepare(options: &Options, keys: &KeyServer) -> anyhow::Result<Target> {
    let beside = std::env::current_exe()?.with_file_name("router");
    let router = options.router.as_ref().unwrap_or(&beside);
    let environment = vec![("FIREBASE_JWKS_URL", keys.url())];
    let server = Server::new(router, manifest::text(), environment)?;
    server.start().await?;
    let (client, token) = (Client::new(server.address), Token::of(UID).signed());
    let objects = "/v0/b/holograms-media.firebasestorage.app/o";
    let call = Call::post(format!("{objects}?name=user_uploads/{UID}/large"))
        .bearer(&token)
        .header("content-type", "video/webm")
        .body(vec![b'x'; LARGE]);
    let reply = client
        .send(call)
        .await
        .and_then(|reply| reply.must_be(&[200]));
    let answer = reply.and_then(|reply| reply.json());
    let answer = answer.map_err(|failure| anyhow::anyhow!("the large object: {failure:?}"))?;
    let secret = answer["downloadTokens"]
        .as_str()
        .context("a download token")?;
    let name = format!("user_uploads%2F{UID}%2Flarge");
    let download = format!("{objects}/{name}?alt=media&token={secret}");
    Ok(Target {
        server,
        client,
        token,
        download,
    })
}

/// Ends when what it returns is dropped.
fn attack(phase: Phase, target: &Arc<Target>) -> JoinSet<anyhow::Result<()>> {
    let (hello, upload) = ("/hello_world", "/api/v1/direct_upload");
    let arguments = match phase {
        Phase::Quiet => return JoinSet::new(),
        Phase::SlowSockets => return sockets(target),
        // A line each 5 s, of a head that may take 10.
        Phase::SlowHeads => ["-H -i 5 -x 24 -u ".to_owned(), hello.to_owned()],
        // Before its signature is read nobody knows whether this form may come.
        Phase::SlowBodies => [
            "-B -i 5 -s 100000 -x 10 -f multipart/form-data;boundary=x -u ".to_owned(),
            upload.to_owned(),
        ],
        Phase::Ranges => [
            "-R -t HEAD -a 10 -b 3000 -u ".to_owned(),
            target.download.clone(),
        ],
        Phase::SlowReads => [
            "-X -w 512 -y 1024 -n 5 -z 32 -k 3 -u ".to_owned(),
            target.download.clone(),
        ],
    };
    let [words, path] = arguments;
    let command = format!("-c {SOCKETS} -r 500 -l 3600 -p 10 -v 0 {words}");
    let url = format!("http://{}{path}", target.client.address);
    let mut attack = JoinSet::new();
    attack.spawn(async move {
        loop {
            // It ends when the router has let go of the last connection.
            // Attackers are elsewhere: what they do themselves must not take the processor from the router.
            let tool = Command::new("nice")
                .args(["-n", "19", "slowhttptest"])
                .args(command.split_whitespace())
                .arg(&url)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .status();
            let ended = tool.await?;
            anyhow::ensure!(ended.code() != Some(127), "slowhttptest cannot be run");
        }
    });
    attack
}

/// Each is opened again when the router has let go of it.
fn sockets(target: &Arc<Target>) -> JoinSet<anyhow::Result<()>> {
    let mut open = JoinSet::new();
    for number in 0..SOCKETS {
        let target = Arc::clone(target);
        open.spawn(async move {
            loop {
                // They do not come all at once, for that would be another attack.
                sleep(Duration::from_millis(random(SPREAD))).await;
                // However it ends, the next one begins.
                let _ = slow_socket(&target, number).await;
            }
        });
    }
    open
}

async fn slow_socket(target: &Target, number: usize) -> anyhow::Result<()> {
    let address = target.client.address;
    match number % 3 {
        0 => {
            let mut stream = TcpStream::connect(address).await?;
            drip(
                &mut stream,
                b"GET /hello_world HTTP/1.1\r\nhost: localhost\r\nx: ",
            )
            .await
        }
        1 => {
            let mut stream = TcpStream::connect(address).await?;
            let (form_type, token) = (form::content_type(), &target.token);
            let head = format!(
                "POST /api/v1/chunks/upload_chunk/{UID} HTTP/1.1\r\nhost: {address}\r\n\
                 authorization: Bearer {token}\r\ncontent-type: {form_type}\r\n\
                 content-length: 1000000\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            drip(&mut stream, &form::opening("file", Some("slow.bin"))).await
        }
        _ => never_read(address, &target.download).await,
    }
}

/// A byte a second, and then `x` for ever, until the other side has enough.
async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> anyhow::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let dripping = async {
        for byte in bytes.iter().chain(std::iter::repeat(&b'x')) {
            writer.write_all(&[*byte]).await?;
            sleep(Duration::from_secs(1)).await;
        }
        anyhow::Ok(())
    };
    let answer = async {
        reader.read_to_end(&mut Vec::new()).await?;
        anyhow::Ok(())
    };
    tokio::select! {
        ended = dripping => ended,
        ended = answer => ended,
    }
}

async fn never_read(address: SocketAddr, path: &str) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let mut stream = socket.connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    sleep(Duration::from_secs(35)).await;
    // By now the router has given up, which only reading tells.
    timeout(Duration::from_secs(1), stream.read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// Asks at a steady rate, whether or not the answers come; returns the 99th percentile in seconds.
async fn probe(target: &Arc<Target>, length: Duration, found: &mut Found) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut all = Vec::new();
    let mut open = JoinSet::new();
    let total = length.as_secs_f64() * f64::from(RATE);
    for number in 0..total as u32 {
        let due = begun + Duration::from_secs(number.into()) / RATE;
        sleep_until(due).await;
        if number.is_multiple_of(RATE) {
            let process = target.server.process();
            let (_, descriptors) = process.and_then(taken).context("the router ended")?;
            found.descriptors.push(descriptors);
        }
        let target = Arc::clone(target);
        open.spawn(async move {
            let outcome = ask(&target, number).await;
            (due.elapsed(), outcome)
        });
    }
    while let Some(asked) = open.join_next().await {
        let (took, outcome) = asked?;
        match outcome {
            Ok(_) => all.push(took),
            Err(failure) => *found.failures.entry(format!("{failure:?}")).or_default() += 1,
        }
    }
    all.sort_unstable();
    found.took.extend(&all);
    at(&all, 0.99)
        .map(|took| took.as_secs_f64())
        .context("an answer")
}

/// The value below which this share lies of what is sorted.
fn at<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

async fn ask(target: &Target, number: u32) -> Outcome<Reply> {
    let call = match number % 3 {
        0 => Call::get("/hello_world"),
        1 => Call::get("/hello_world").header("connection", "close"),
        _ => Call::post("/auth_sync")
            .bearer(&target.token)
            .json(&json!({})),
    };
    target.client.send(call).await?.must_be(&[200, 201])
}

/// The table; whether it is as it should be.
fn tell(found: BTreeMap<Phase, Found>) -> bool {
    let mut text = format!(
        "{:<12} {:>7} {:>8} {:>8} {:>12} {:>14} {:>12} {:>7}\n",
        "", "answers", "p50 ms", "p99 ms", "times quiet", "quartiles", "descriptors", "failed"
    );
    let mut fine = true;
    for (phase, mut found) in found {
        found.took.sort();
        found.times.sort_by(f64::total_cmp);
        found.descriptors.sort_unstable();
        let milliseconds =
            |share| at(&found.took, share).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0);
        let [low, middle, high] =
            [0.25, 0.5, 0.75].map(|share| at(&found.times, share).unwrap_or(1.0));
        let failed: usize = found.failures.values().sum();
        fine &= middle <= MOST && failed == 0;
        text += &format!(
            "{:<12} {:>7} {:>8.2} {:>8.2} {middle:>12.2} {:>14} {:>12} {failed:>7}\n",
            format!("{phase:?}"),
            found.took.len(),
            milliseconds(0.5),
            milliseconds(0.99),
            format!("{low:.2} to {high:.2}"),
            at(&found.descriptors, 0.5).unwrap_or_default()
        );
        for (failure, times) in found.failures {
            text += &format!("  {times} x {failure}\n");
        }
    }
    // Nobody may be reading any more.
    let _ = writeln!(std::io::stdout(), "{text}");
    fine
}
