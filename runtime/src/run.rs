//! The two flows side by side, requests and events, until something stops them.

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::App;
use crate::events::worker;
use crate::server;

/// Serves and delivers until `stop` ends, then lets what is under way finish within the drain time.
pub(crate) async fn until(stop: impl Future<Output = ()>, listener: TcpListener, app: Arc<App>) {
    let (stopping, stopped) = watch::channel(false);
    let deliveries = tokio::spawn(worker::run(app.clone(), stopped));
    let stop = async {
        stop.await;
        // Nobody listens any more only when the worker has ended by itself.
        let _ = stopping.send(true);
    };
    server::serve(listener, app.clone(), stop).await;
    if let Err(error) = deliveries.await {
        tracing::error!(%error, "the worker ended early");
    }
    // What was cut off is due again at once, for the next process.
    if let Err(error) = app.backends.storage.ledger().release_leases().await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "leases stay until they end");
    }
}
