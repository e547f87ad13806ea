//! Fails as the query says.

use std::time::Duration;

use runtime::{Context, Error, ErrorCode, Request, Response, Result, StatusCode};

pub async fn handle(_context: Context, request: Request) -> Result<Response> {
    Err(match request.uri().query() {
        Some("panic") => panic!("a secret text"),
        Some("method") => Error::method_not_allowed("PUT", "Use PUT."),
        Some("status") => Error::new(ErrorCode::ResourceExhausted, "The disk is full.")
            .with_status(StatusCode::INSUFFICIENT_STORAGE)
            .retry_after(Duration::from_secs(7)),
        _ => Error::new(ErrorCode::NotFound, "There is no such thing.").because("a private cause"),
    })
}
