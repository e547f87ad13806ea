//! Returns what it is given.

use runtime::{Context, Result};
use serde_json::Value;

pub async fn handle(_context: Context, data: Value) -> Result<Value> {
    Ok(data)
}
