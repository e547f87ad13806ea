//! Takes a second, for any JSON.

use runtime::{Context, Result};
use serde_json::Value;

use crate::pause::pause;

pub async fn handle(_context: Context, input: Value) -> Result<Value> {
    pause().await;
    Ok(input)
}
