//! Writes the event, in the JSON format of CloudEvents.

use runtime::{CloudEvent, Context, Error, Result};
use serde_json::Value;

use crate::output;

pub async fn handle(_context: Context, event: CloudEvent<Value>) -> Result<()> {
    let text = serde_json::to_vec(&event).map_err(Error::internal)?;
    output::write(text).await
}
