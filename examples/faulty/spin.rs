//! Computes for the milliseconds of the query without yielding; `?sleep` yields for too long instead.

use std::time::{Duration, Instant};

use runtime::{Context, Request, Response, Result, StatusCode, json};

pub async fn handle(_context: Context, request: Request) -> Result<Response> {
    let query = request.uri().query().unwrap_or_default();
    if query == "sleep" {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    let until = Instant::now() + Duration::from_millis(query.parse().unwrap_or(0));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    json(StatusCode::OK, &std::process::id())
}
