//! Takes a second, for any event.

use runtime::{CloudEvent, Context, Result};
use serde_json::Value;

use crate::pause::pause;

pub async fn handle(_context: Context, _event: CloudEvent<Value>) -> Result<()> {
    pause().await;
    Ok(())
}
