//! Takes memory until there is none, unless asked for `?nothing`.

use runtime::{Context, Request, Response, Result, StatusCode, json};

pub async fn handle(_context: Context, request: Request) -> Result<Response> {
    let mut kept = Vec::new();
    while request.uri().query() != Some("nothing") {
        kept.push(vec![1u8; 1 << 20]);
        std::hint::black_box(&kept);
        tokio::task::yield_now().await;
    }
    json(StatusCode::OK, &std::process::id())
}
