//! Ends its process, unless asked for `?not` or, to wait first, `?slowly`.

use std::time::Duration;

use runtime::{Context, Request, Response, Result, StatusCode, json};

pub async fn handle(_context: Context, request: Request) -> Result<Response> {
    match request.uri().query() {
        Some("not") => {}
        Some("slowly") => tokio::time::sleep(Duration::from_secs(3600)).await,
        _ => std::process::abort(),
    }
    json(StatusCode::OK, &std::process::id())
}
