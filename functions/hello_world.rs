//! Says hello to any method on any path.

use runtime::{Context, Request, Response, Result, StatusCode, typed};

const HELLO: &str = "Hello from Firebase Cloud Functions (Python) by Tria & Flash!";

pub async fn handle(_context: Context, _request: Request) -> Result<Response> {
    Ok(typed(StatusCode::OK, "text/html; charset=utf-8", HELLO))
}
