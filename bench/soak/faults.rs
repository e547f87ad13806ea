//! What is done to the router and to what it stands on, one thing at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::borrowed::form;
use crate::borrowed::key_server::{Answer, KeyServer};
use crate::borrowed::postgres::Cluster;
use crate::client::{Call, Outcome};
use crate::mix::{Clients, Kind};
use crate::provider::{Mood, Provider};
use crate::server::Server;
use crate::users;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGTERM, and another process.
    Terminate,
    /// SIGKILL, and another process.
    Kill,
    PostgresStops,
    ProviderSilent,
    KeysGone,
    /// Two hundred uploads that begin and do not go on.
    HalfOpenUploads,
    /// SIGHUP with another manifest.
    Reload,
    ProviderFails,
}

/// The restarts come first, so that one process lives through all the rest.
const FIRST: [Fault; 4] = [Fault::Terminate, Fault::Kill, Fault::Terminate, Fault::Kill];
const ROTATION: [Fault; 6] = [
    Fault::PostgresStops,
    Fault::ProviderSilent,
    Fault::KeysGone,
    Fault::HalfOpenUploads,
    Fault::Reload,
    Fault::ProviderFails,
];

/// After recovery has been seen, a window stays open for so long.
pub(crate) const MARGIN: Duration = Duration::from_secs(5);
const RECOVERY: Duration = Duration::from_secs(120);
/// How long PostgreSQL, the keys or an answering provider are away, and uploads are held half open.
const AWAY: Duration = Duration::from_secs(10);
/// A question that met a silent provider waits so long at most, and then counts against it.
const QUESTION: Duration = Duration::from_secs(30);
const UPLOADS: usize = 200;

impl Fault {
    /// The fault of a turn, from 0 on.
    pub(crate) fn of_turn(turn: usize) -> Self {
        let rotation = || ROTATION[(turn - FIRST.len()) % ROTATION.len()];
        FIRST.get(turn).copied().unwrap_or_else(rotation)
    }

    /// Whether a request of this kind may be refused, or broken off by a restart, because of it.
    pub(crate) fn may_disturb(self, kind: Kind) -> bool {
        match self {
            Self::Terminate | Self::Kill => true,
            Self::PostgresStops => kind.needs_database(),
            Self::ProviderSilent | Self::ProviderFails => kind.chats(),
            Self::KeysGone | Self::HalfOpenUploads | Self::Reload => false,
        }
    }
}

/// Everything there is to break.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) clients: Arc<Clients>,
    pub(crate) keys: KeyServer,
    pub(crate) provider: Provider,
    pub(crate) postgres: Mutex<Option<Cluster>>,
}

impl Stage {
    /// Does it, undoes it, and returns when everything works again.
    pub(crate) async fn suffer(&self, fault: Fault, turn: usize) -> anyhow::Result<()> {
        let clients = &*self.clients;
        match fault {
            Fault::Terminate => {
                self.server.terminate().await?;
                self.server.start().await?;
            }
            Fault::Kill => {
                self.server.kill().await?;
                self.server.start().await?;
            }
            Fault::PostgresStops => {
                self.with_postgres(Cluster::stop).await?;
                sleep(AWAY).await;
                self.with_postgres(Cluster::restart).await?;
            }
            Fault::ProviderSilent => {
                self.provider.is(Mood::Silent);
                sleep(AWAY / 2).await;
                self.provider.is(Mood::Talking);
                sleep(QUESTION).await;
            }
            Fault::ProviderFails => {
                self.provider.is(Mood::Failing);
                sleep(AWAY).await;
                self.provider.is(Mood::Talking);
            }
            Fault::KeysGone => self.lose_keys().await?,
            Fault::HalfOpenUploads => self.hold_uploads().await?,
            Fault::Reload => {
                let alias = format!("soak_{turn}");
                self.server.reload(&format!("[\"{alias}\"]")).await?;
                let hello = clients.hello(&format!("/{alias}")).await;
                hello.map_err(|failure| anyhow::anyhow!("the new alias: {failure:?}"))?;
            }
        }
        recovered(async || clients.sync().await).await?;
        // As often as it takes a breaker to be sure.
        for _ in 0..3 {
            recovered(async || clients.chat(Kind::Callable).await).await?;
        }
        Ok(())
    }

    /// A stop or a start of PostgreSQL waits for its end, on a thread of its own.
    async fn with_postgres(&self, act: fn(&mut Cluster)) -> anyhow::Result<()> {
        let mut held = self.postgres.lock().await;
        let mut cluster = held.take().context("PostgreSQL is there")?;
        let acting = tokio::task::spawn_blocking(move || {
            act(&mut cluster);
            cluster
        });
        *held = Some(acting.await?);
        Ok(())
    }

    /// No keys, when tokens of an unknown key have them asked for.
    async fn lose_keys(&self) -> anyhow::Result<()> {
        for answer in [Answer::Failure, Answer::Silence] {
            self.keys.answers(answer);
            for _ in 0..5 {
                let target = format!("/api/v1/chunks/download_chunk/{}/absent", users::uid(0));
                let call = Call::get(target).bearer(&users::of_an_unknown_key());
                let reply = self.clients.http.send(call).await;
                let status = reply.map(|reply| reply.status);
                let refused = matches!(status, Ok(401 | 503));
                anyhow::ensure!(refused, "an unknown key: {status:?}");
                sleep(AWAY / 10).await;
            }
        }
        self.keys.answers(Answer::Keys);
        Ok(())
    }

    async fn hold_uploads(&self) -> anyhow::Result<()> {
        let mut held = Vec::new();
        for _ in 0..UPLOADS {
            held.push(self.half_an_upload(self.clients.http.address).await?);
        }
        sleep(AWAY).await;
        Ok(())
    }

    async fn half_an_upload(&self, address: SocketAddr) -> anyhow::Result<TcpStream> {
        let user = users::any();
        let (uid, token) = (users::uid(user), self.clients.tokens.of(user));
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "POST /api/v1/chunks/upload_chunk/{uid} HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {token}\r\ncontent-type: {}\r\ncontent-length: 1000000\r\n\r\n",
            form::content_type()
        );
        let beginning = form::opening("file", Some("half.bin"));
        let bytes = [head.as_bytes(), &beginning, &[b'x'; 50_000]].concat();
        stream.write_all(&bytes).await?;
        Ok(stream)
    }
}

/// Tries until it goes well.
pub(crate) async fn recovered(mut attempt: impl AsyncFnMut() -> Outcome) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(failure) if begun.elapsed() > RECOVERY => anyhow::bail!("{failure:?}"),
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}
