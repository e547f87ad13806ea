//! Panics.

use runtime::{Context, Result};
use serde_json::Value;

pub async fn handle(_context: Context, _data: Value) -> Result<()> {
    panic!("as it should");
}
