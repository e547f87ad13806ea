//! The process's own URLs: whether it lives, and whether it is ready.
//!
//! Alive is all that the platform's restarts may depend on: a sleeping database must not restart a
//! healthy process. What it depends on is told apart at `/readyz`.

use http::StatusCode;
use serde_json::json;

use crate::app::App;
use crate::body::Body;
use crate::function::Response;
use crate::respond::typed;

pub(crate) async fn answer(app: &App, path: &str) -> Option<Response> {
    match path {
        "/healthz" | "/health" | "/api/v1/health" => Some(typed(
            StatusCode::OK,
            "application/json",
            Body::from(&br#"{"status":"ok"}"#[..]),
        )),
        "/readyz" => Some(readiness(app).await),
        "/robots.txt" | "/favicon.ico" => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Some(response)
        }
        _ => None,
    }
}

/// 503 while the database or the disk fails. The keys are fetched when the first token comes, so
/// their absence is told but does not count.
async fn readiness(app: &App) -> Response {
    let database = app.backends.database.ping().await;
    let disk = app.backends.storage.check().await;
    for (name, error) in [
        ("database", database.as_ref().err().map(ToString::to_string)),
        ("disk", disk.as_ref().err().map(ToString::to_string)),
    ] {
        if let Some(error) = error {
            tracing::warn!(error, "not ready: {name}");
        }
    }
    let word = |ok: bool| if ok { "ok" } else { "failing" };
    let body = json!({
        "database": word(database.is_ok()),
        "disk": word(disk.is_ok()),
        "keys": if app.verifier.keys().is_ready() { "ok" } else { "not fetched yet" },
    });
    let status = match database.is_ok() && disk.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    typed(status, "application/json", body.to_string())
}
