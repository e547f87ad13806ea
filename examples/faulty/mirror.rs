//! What a function sees of a request.

use runtime::{Context, Request, Response, Result, StatusCode, json};
use serde_json::json;

pub async fn handle(context: Context, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?;
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let seen = json!({
        "method": head.method.as_str(),
        "url": head.uri.to_string(),
        "headers": headers,
        "body": body.len(),
        "sum": body.iter().map(|byte| u64::from(*byte)).sum::<u64>(),
        "caller": context.caller().map(|caller| &caller.uid).map_err(|error| error.to_string()),
        "address": context.address(),
        "origin": context.origin(),
        "route": context.route().is_some(),
        "name": context.parameter("name").ok(),
        "attempt": context.attempt(),
    });
    let mut response = json(StatusCode::CREATED, &seen)?;
    let name = runtime::header::SET_COOKIE;
    for cookie in ["a=1", "b=2"] {
        response
            .headers_mut()
            .append(&name, cookie.parse().map_err(runtime::Error::internal)?);
    }
    Ok(response)
}
