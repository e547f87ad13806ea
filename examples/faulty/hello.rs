//! The one that does nothing wrong.

use runtime::{Context, Request, Response, Result, StatusCode, json};

pub async fn handle(_context: Context, _request: Request) -> Result<Response> {
    json(StatusCode::OK, &"hello")
}
