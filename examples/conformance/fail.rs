//! Fails as it is told.

use runtime::{Context, Error, ErrorCode, Result};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct Failure {
    /// As the SDKs spell it: `not-found`.
    code: String,
    message: String,
    details: Option<Value>,
}

pub async fn handle(_context: Context, failure: Failure) -> Result<()> {
    let spelled = |code: &ErrorCode| code.as_str().to_lowercase().replace('_', "-");
    let code = ErrorCode::ALL
        .into_iter()
        .find(|code| spelled(code) == failure.code)
        .ok_or_else(|| Error::internal(format!("no code is {}", failure.code)))?;
    let error = Error::new(code, failure.message);
    Err(match failure.details {
        Some(details) => error.with_details(details),
        None => error,
    })
}
