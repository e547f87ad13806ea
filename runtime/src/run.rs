//! The two flows side by side, requests and events, until something stops them.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::events::worker;
use crate::ledger::Ledger;
use crate::server;

/// Serves, with `h2c` in HTTP/2 too, and delivers until `stop` ends, then lets what is under way finish within
/// the drain time.
pub(crate) async fn until(
    stop: impl Future<Output = ()>,
    listener: TcpListener,
    app: Arc<App>,
    h2c: bool,
) {
    let (stopping, stopped) = watch::channel(false);
    // Before the worker looks for the first time, so that no replay falls between the two.
    let doorbell = answer_the_door(app.storage.ledger().clone());
    let deliveries = tokio::spawn(worker::run(app.clone(), stopped));
    let stop = async {
        stop.await;
        // Nobody listens any more only when the worker has ended by itself.
        let _ = stopping.send(true);
    };
    server::serve(listener, app.clone(), h2c, stop).await;
    doorbell.abort();
    if let Err(error) = deliveries.await {
        tracing::error!(%error, "the worker ended early");
    }
    // What was cut off is due again at once, for the next process.
    if let Err(error) = app.storage.ledger().release_leases().await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "leases stay until they end");
    }
}

/// Makes the worker look at the ledger when another process has changed it.
fn answer_the_door(ledger: Ledger) -> JoinHandle<()> {
    let doorbell = ledger.doorbell();
    tokio::spawn(async move {
        let answering = async {
            let doorbell = doorbell?;
            loop {
                doorbell.rung().await?;
                ledger.wake();
            }
        };
        let ended: io::Result<Infallible> = answering.await;
        let Err(error) = ended;
        tracing::warn!(%error, "no doorbell: replayed events wait for the next one recorded");
    })
}
