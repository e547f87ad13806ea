//! Writes the body of any request, byte for byte.

use runtime::{Body, Context, Request, Response, Result};

use crate::output;

pub async fn handle(_context: Context, request: Request) -> Result<Response> {
    let body = request.into_body().collect().await?;
    output::write(&body).await?;
    Ok(Response::new(Body::empty()))
}
