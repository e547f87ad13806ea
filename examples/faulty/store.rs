//! What a function has beside the request: the database, its secrets, the environment.

use runtime::{Context, Request, Response, Result, StatusCode, json};
use serde_json::{Value, json};

#[expect(
    clippy::disallowed_methods,
    reason = "shows that there is nothing to read"
)]
pub async fn handle(context: Context, _request: Request) -> Result<Response> {
    let rows: Vec<Value> = context
        .database()
        .query("SELECT 6 * 7 AS answer", &[])
        .await?;
    let mut environment: Vec<_> = std::env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    environment.sort();
    let seen = json!({
        "rows": rows,
        "own": context.secret("OWN")?,
        "missing": context.secret("MISSING")?,
        "other": context.secret("OTHER").is_err(),
        "environment": environment,
    });
    json(StatusCode::OK, &seen)
}
