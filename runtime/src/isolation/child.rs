//! `router child`: the process of one isolated function. It is started by the router alone, which hands it
//! a socket as its stdin, listens to nobody else, and ends with it.

use std::collections::HashSet;
use std::convert::Infallible;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;

use super::process::READY;
use super::wire::{Boot, Failure, Passed};
use crate::app::Entry;
use crate::body::Body;
use crate::context::{Backends, Context, InvocationId};
use crate::database::Settings;
use crate::error::Result;
use crate::function::{Registry, Request, Response, Signature};
use crate::process::Runtimes;
use crate::secrets::{Secret, Secrets};
use crate::telemetry::metrics::Causes;
use crate::telemetry::{self, Format};
use crate::{invocation, open, outbound};

/// # Errors
/// Only for the log of whoever started it by hand: the router is told over the socket.
pub(crate) fn run(registry: &Registry, parent: u32, memory: u64) -> anyhow::Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot be told of the router's end")?;
    if std::os::unix::process::parent_id() != parent {
        bail!("the router has ended already; it alone starts this command");
    }
    setrlimit(Resource::RLIMIT_AS, memory, memory).context("cannot limit the memory")?;
    // A dump of what a function held in memory helps nobody here.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("cannot switch off core dumps")?;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    let mut runtimes = Runtimes::start().context("cannot start the threads")?;
    let services = runtimes.services.handle().clone();
    let served = runtimes.functions.block_on(async {
        let listener = UnixListener::from_std(StdListener::from(stdin))
            .context("stdin is not a socket: the router alone starts this command")?;
        tokio::select! {
            ended = serve(registry, parent, &listener, &services) => ended,
            () = runtimes.watchdog.stuck() => bail!("the function holds all workers"),
        }
    });
    runtimes.end();
    served
}

async fn serve(
    registry: &Registry,
    parent: u32,
    listener: &UnixListener,
    services: &Handle,
) -> anyhow::Result<()> {
    let mut stream = accept(listener, parent).await?;
    let mut boot = Vec::new();
    stream.read_to_end(&mut boot).await?;
    let opened = Opened::open(registry, serde_json::from_slice(&boot)?, services).await;
    let answer = match &opened {
        Ok(_) => READY.to_owned(),
        Err(error) => format!("{error:#}"),
    };
    stream.write_all(answer.as_bytes()).await?;
    drop(stream);
    let opened = Arc::new(opened?);
    loop {
        let stream = TokioIo::new(accept(listener, parent).await?);
        let opened = opened.clone();
        let answer = service_fn(move |request| {
            let opened = opened.clone();
            async move { Ok::<_, Infallible>(opened.answer(request).await) }
        });
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.header_read_timeout(None);
            if let Err(error) = http.serve_connection(stream, answer).await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}

/// The next connection of the parent's; whoever else knows the name is hung up on.
async fn accept(listener: &UnixListener, parent: u32) -> std::io::Result<UnixStream> {
    loop {
        let (stream, _) = listener.accept().await?;
        let peer = stream.peer_cred()?.pid();
        if peer.and_then(|peer| u32::try_from(peer).ok()) == Some(parent) {
            return Ok(stream);
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Opened {
    function: Arc<Entry>,
    backends: Arc<Backends>,
    running: Arc<Mutex<HashSet<[u8; 24]>>>,
}

impl Opened {
    async fn open(registry: &Registry, boot: Boot, services: &Handle) -> anyhow::Result<Self> {
        let format = match boot.log_is_json {
            true => Format::Json,
            false => Format::Text,
        };
        telemetry::start(format, &boot.log_level);
        let parsed = manifest::parse(&boot.manifest);
        let manifest = parsed.manifest.context("the manifest has faults")?;
        let functions = open::functions(registry, &manifest)?.into_iter();
        let (spec, function) = functions
            .into_iter()
            .find(|(spec, _)| spec.name == boot.function)
            .context("the manifest lacks the function")?;
        let secrets = boot.secrets.into_iter();
        let secrets: Secrets = secrets
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
        let settings = Settings {
            url: boot.database_url,
            data_dir: boot.base_path,
            migrations: registry.migrations,
        };
        Ok(Self {
            backends: Arc::new(Backends {
                database: open::database(settings, services.clone()).await?,
                storage: None,
                http: outbound::client(&manifest, &secrets)?,
                secrets,
                causes: Causes::default(),
            }),
            function: Arc::new(Entry::new(spec, function)),
            running: Arc::default(),
        })
    }

    async fn answer(&self, mut request: http::Request<Incoming>) -> Response {
        if let Some(asked) = Passed::asked(request.headers()) {
            let mut response = Response::new(Body::empty());
            if !lock(&self.running).contains(&asked.0) {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            return response;
        }
        match Passed::take(request.headers_mut()) {
            Ok(passed) => self.run(passed, request).await,
            Err(error) => Err(error),
        }
        .map(|mut response| {
            Failure::clear(response.headers_mut());
            response
        })
        .unwrap_or_else(|error| {
            let panics = self.function.counts.panics.take();
            Failure::response(error, panics).map(Body::from)
        })
    }

    async fn run(&self, passed: Passed, request: http::Request<Incoming>) -> Result<Response> {
        let (function, backends) = (self.function.clone(), self.backends.clone());
        let context = Context::new(function, backends, passed.into());
        let running = Mark::new(&self.running, context.invocation());
        // The parent counts its bytes and its silences, long before a day is over.
        let version = request.version();
        let mut request: Request = request.map(|body| Body::incoming(body, version));
        request.body_mut().limit(u64::MAX, DAY);
        match &self.function.function.0 {
            Signature::Http(_) => invocation::run_request(context, &mut request, running).await,
            Signature::Event(_) => {
                let event = serde_json::from_slice(&request.into_body().collect().await?);
                let event = event.map_err(crate::Error::internal)?;
                let ended = invocation::run_event(context, event).await;
                drop(running);
                ended.map(|()| Response::new(Body::empty()))
            }
        }
    }
}

fn lock(running: &Mutex<HashSet<[u8; 24]>>) -> std::sync::MutexGuard<'_, HashSet<[u8; 24]>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An invocation that runs, until it is dropped.
struct Mark {
    running: Arc<Mutex<HashSet<[u8; 24]>>>,
    invocation: InvocationId,
}

impl Mark {
    fn new(running: &Arc<Mutex<HashSet<[u8; 24]>>>, invocation: InvocationId) -> Self {
        lock(running).insert(invocation.0);
        Self {
            running: running.clone(),
            invocation,
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.invocation.0);
    }
}
