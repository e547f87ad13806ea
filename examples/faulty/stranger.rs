//! Has a secret that no other function may read.

use runtime::{Context, Request, Response, Result};

pub async fn handle(context: Context, request: Request) -> Result<Response> {
    crate::hello::handle(context, request).await
}
