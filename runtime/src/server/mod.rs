//! Accepts connections and speaks HTTP/1.1, and HTTP/2 where it is asked for; knows no routes. Stops
//! without breaking what it began.

mod http2;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use manifest::DRAIN;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::app::App;
use crate::connection::{Connection, Protocol};
use crate::forwarded::Peer;
use crate::{dispatch, process};

/// Open connections; each costs some 17 KiB when idle.
const CONNECTIONS: usize = 16_384;
/// Open files that are kept for everything else: objects, databases, the calls that functions make.
const OTHER_FILES: u64 = 512;
/// Bytes that are kept of a head which does not end: more than a head may have, so that one that is
/// too long is refused like any other request.
const BUFFER: usize = 64 << 10;
/// After a failed accept (no descriptors left, most likely), how long the next one waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` ends, then lets work in flight finish for up to [`DRAIN`]. With `h2c`, clients that
/// begin with HTTP/2 are spoken to in it.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    h2c: bool,
    shutdown: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(connections()));
    let server = Server::new(app);
    // Those whose protocol is not known yet.
    let mut beginning = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (permit, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(begun) = beginning.join_next() => {
                if let Ok(Some((accepted, protocol))) = begun {
                    server.converse(accepted, protocol);
                }
                continue;
            }
            next = accept(&listener, &permits) => next,
        };
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let accepted = Accepted {
            connection: Connection::new(stream),
            peer,
            permit,
        };
        match h2c {
            false => server.converse(accepted, Protocol::Http1),
            true => drop(beginning.spawn(begin(accepted))),
        }
    }
    drop((listener, beginning));
    drain(server.graceful, &server.app).await;
}

struct Accepted {
    connection: Connection,
    peer: SocketAddr,
    /// Held for as long as the connection is.
    permit: Option<OwnedSemaphorePermit>,
}

/// Waits for what the client begins with; `None` when it does not.
async fn begin(mut accepted: Accepted) -> Option<(Accepted, Protocol)> {
    match accepted.connection.begin().await {
        Ok(protocol) => Some((accepted, protocol)),
        Err(error) => {
            tracing::debug!(%error, peer = %accepted.peer, "connection ended");
            None
        }
    }
}

struct Server {
    app: Arc<App>,
    http1: http1::Builder,
    http2: hyper::server::conn::http2::Builder<http2::Streams>,
    graceful: GracefulShutdown,
}

/// What all requests of a connection need.
struct Shared {
    app: Arc<App>,
    peer: Peer,
}

impl Server {
    fn new(app: Arc<App>) -> Self {
        let mut http1 = http1::Builder::new();
        // The connection itself knows how long it may take.
        http1.header_read_timeout(None).max_buf_size(BUFFER);
        Self {
            app,
            http1,
            http2: http2::builder(),
            graceful: GracefulShutdown::new(),
        }
    }

    fn shared(&self, accepted: &Accepted) -> Arc<Shared> {
        Arc::new(Shared {
            app: self.app.clone(),
            peer: Peer::new(accepted.peer.ip()),
        })
    }

    /// Serves a connection in a task of its own.
    fn converse(&self, accepted: Accepted, protocol: Protocol) {
        match protocol {
            Protocol::Http1 => self.converse_in_http1(accepted),
            Protocol::Http2 => self.converse_in_http2(accepted),
        }
    }

    fn converse_in_http1(&self, accepted: Accepted) {
        let exchange = accepted.connection.exchange();
        let shared = self.shared(&accepted);
        let connection = self.http1.serve_connection(
            TokioIo::new(accepted.connection),
            service_fn(move |mut request| {
                let shared = shared.clone();
                let (answering, flaw) = exchange.begin();
                if let Some(flaw) = flaw {
                    request.extensions_mut().insert(flaw);
                }
                async move {
                    let mut response = dispatch::respond(&shared.app, &shared.peer, request).await;
                    if response.body().is_stream() {
                        response.body_mut().hold(answering);
                    }
                    Ok::<_, Infallible>(response)
                }
            }),
        );
        let connection = self.graceful.watch(connection);
        spawn(connection, accepted.peer, accepted.permit);
    }

    fn converse_in_http2(&self, accepted: Accepted) {
        let exchange = accepted.connection.exchange();
        let shared = self.shared(&accepted);
        let connection = self.http2.serve_connection(
            TokioIo::new(accepted.connection),
            service_fn(move |mut request| {
                let shared = shared.clone();
                let (answering, _) = exchange.begin();
                http2::translate(&mut request);
                async move {
                    let method = request.method().clone();
                    let mut response = dispatch::respond(&shared.app, &shared.peer, request).await;
                    http2::strip(&method, &mut response);
                    Ok::<_, Infallible>(response.map(|body| http2::Sent::new(body, answering)))
                }
            }),
        );
        let connection = self.graceful.watch(connection);
        spawn(connection, accepted.peer, accepted.permit);
    }
}

fn spawn(
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    peer: SocketAddr,
    permit: Option<OwnedSemaphorePermit>,
) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, %peer, "connection ended");
        }
        drop(permit);
    });
}

/// As many as there are files for.
fn connections() -> usize {
    let files = process::raise_file_limit();
    let fit = files.saturating_sub(OTHER_FILES).max(files / 2).max(1);
    usize::try_from(fit).map_or(CONNECTIONS, |fit| fit.min(CONNECTIONS))
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (
    Option<OwnedSemaphorePermit>,
    io::Result<(TcpStream, SocketAddr)>,
) {
    // The semaphore is never closed.
    let permit = permits.clone().acquire_owned().await.ok();
    let accepted = listener.accept().await.inspect(|(stream, _)| {
        // Latency beats the few packets that Nagle would save; a failure costs only that.
        let _ = stream.set_nodelay(true);
    });
    (permit, accepted)
}

/// Ends as soon as nothing is in flight: with a disk, every second of this is downtime.
async fn drain(graceful: GracefulShutdown, app: &App) {
    tracing::info!(
        connections = graceful.count(),
        invocations = app.in_flight.taken(),
        "stopping"
    );
    let finished = async {
        graceful.shutdown().await;
        // Those whose callers have gone.
        while app.in_flight.taken() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(DRAIN, finished).await.is_err() {
        tracing::warn!(
            invocations = app.in_flight.taken(),
            "cut off what did not finish in {} s",
            DRAIN.as_secs()
        );
    }
}
