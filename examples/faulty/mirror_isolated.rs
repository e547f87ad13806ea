//! The mirror, in a process of its own.

use runtime::{Context, Request, Response, Result};

pub async fn handle(context: Context, request: Request) -> Result<Response> {
    crate::mirror::handle(context, request).await
}
