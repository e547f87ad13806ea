//! Takes a second, for any request.

use runtime::{Body, Context, Request, Response, Result};

use crate::pause::pause;

pub async fn handle(_context: Context, _request: Request) -> Result<Response> {
    pause().await;
    Ok(Response::new(Body::empty()))
}
