//! Accepts connections and speaks HTTP/1.1; knows no routes. Stops without breaking what it began.

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
use tokio::sync::Semaphore;

use crate::app::App;
use crate::connection::Connection;
use crate::forwarded::Peer;
use crate::{dispatch, process};

/// Open connections; each costs some 10 kB when idle.
const CONNECTIONS: usize = 16_384;
/// Open files that are kept for everything else: objects, databases, the calls that functions make.
const OTHER_FILES: u64 = 512;
/// Bytes that are kept of a head which does not end: more than a head may have, so that one that is
/// too long is refused like any other request.
const BUFFER: usize = 64 << 10;
/// After a failed accept (no descriptors left, most likely), how long the next one waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` ends, then lets work in flight finish for up to [`DRAIN`].
pub(crate) async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: impl Future<Output = ()>,
) {
    let permits = Arc::new(Semaphore::new(connections()));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // The connection itself knows how long it may take.
    http.header_read_timeout(None).max_buf_size(BUFFER);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (permit, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
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
        let app = app.clone();
        let stream = Connection::new(stream);
        let exchange = stream.exchange();
        let caller = Peer::new(peer.ip());
        let connection = http.serve_connection(
            TokioIo::new(stream),
            service_fn(move |mut request| {
                let (app, caller) = (app.clone(), caller.clone());
                let (answering, flaw) = exchange.begin();
                if let Some(flaw) = flaw {
                    request.extensions_mut().insert(flaw);
                }
                async move {
                    let mut response = dispatch::respond(app, caller, request).await;
                    if response.body().is_stream() {
                        response.body_mut().hold(answering);
                    }
                    Ok::<_, Infallible>(response)
                }
            }),
        );
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    drain(graceful, &app).await;
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
    Option<tokio::sync::OwnedSemaphorePermit>,
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
