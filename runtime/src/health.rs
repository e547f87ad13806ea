//! The process's own URLs: whether it lives, whether it is ready, and what it counted.
//!
//! Alive is all that the platform's restarts may depend on: a sleeping database must not restart a
//! healthy process. What it depends on is told apart at `/readyz`.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode};
use manifest::ErrorFormat;
use serde_json::json;
use tokio::sync::Mutex;

use crate::app::App;
use crate::body::Body;
use crate::error::{Error, Result};
use crate::function::{Request, Response};
use crate::identity::{AuthError, bearer};
use crate::respond::typed;
use crate::secrets::Secret;
use crate::telemetry::metrics;

const ALIVE: [&str; 3] = ["/healthz", "/health", "/api/v1/health"];
const READY: &str = "/readyz";
/// There is no such URL while nobody may read it.
const METRICS: &str = "/metrics";
/// What crawlers and browsers ask for by themselves; Cloud Functions answers 404 for every function.
const NEVER: [&str; 2] = ["/robots.txt", "/favicon.ico"];

/// Whether a URL is one of these, whatever the host: no function ever sees it.
pub(crate) fn owns(app: &App, path: &str) -> bool {
    path == READY
        || ALIVE.contains(&path)
        || NEVER.contains(&path)
        || path == METRICS && app.admin_token.is_some()
}

/// Whether hosting may have a file of this name, although no function may have the URL.
pub(crate) fn is_file(path: &str) -> bool {
    NEVER.contains(&path)
}

/// The answer to one of these URLs.
pub(crate) async fn answer(app: &App, request: &Request) -> Option<Response> {
    let response = match request.uri().path() {
        path if ALIVE.contains(&path) => typed(
            StatusCode::OK,
            "application/json",
            Body::from(&br#"{"status":"ok"}"#[..]),
        ),
        READY => app.readiness.answer(app).await,
        METRICS => {
            let admin = app.admin_token.as_ref()?;
            match check(admin, request.headers()) {
                Ok(()) => typed(
                    StatusCode::OK,
                    metrics::MEDIA_TYPE,
                    metrics::exposition(app),
                ),
                Err(error) => error.into_response(ErrorFormat::Firebase),
            }
        }
        path if NEVER.contains(&path) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        _ => return None,
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    Some(match reads {
        true => response,
        false => Error::method_not_allowed("GET, HEAD", "Method Not Allowed")
            .into_response(ErrorFormat::Firebase),
    })
}

/// # Errors
/// 401 for everybody but the holder of the token.
fn check(admin: &Secret, headers: &HeaderMap) -> Result<()> {
    match admin.is(bearer(headers)?) {
        true => Ok(()),
        false => Err(AuthError::Rejected("not ADMIN_TOKEN").into()),
    }
}

/// What `/readyz` said last: however often it is asked, the backends are asked once a second.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, StatusCode, String)>>);

const FRESH: Duration = Duration::from_secs(1);

impl Readiness {
    async fn answer(&self, app: &App) -> Response {
        let mut last = self.0.lock().await;
        if last
            .as_ref()
            .is_none_or(|(asked, ..)| asked.elapsed() > FRESH)
        {
            let (status, body) = ask(app).await;
            *last = Some((Instant::now(), status, body));
        }
        let (status, body) = match &*last {
            Some((_, status, body)) => (*status, body.clone()),
            None => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        };
        typed(status, "application/json", body)
    }
}

/// 503 while the database or the disk fails. The keys are fetched when the first token comes, so
/// their absence is told but does not count.
async fn ask(app: &App) -> (StatusCode, String) {
    let database = app.backends.database.ping().await;
    let disk = app.storage.check().await;
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
        "keys": if app.verifiers.users.keys().is_ready() { "ok" } else { "not fetched yet" },
    });
    let status = match database.is_ok() && disk.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, body.to_string())
}
