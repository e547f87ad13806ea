//! Blocks its thread for the milliseconds of the query: what a function that computes does to the
//! others, without the heat.

use std::time::Duration;

use runtime::{Context, Request, Response, Result, StatusCode, json};

pub async fn handle(_context: Context, request: Request) -> Result<Response> {
    let query = request.uri().query().and_then(|query| query.parse().ok());
    std::thread::sleep(Duration::from_millis(query.unwrap_or(0)));
    json(StatusCode::OK, &"held")
}
