//! Takes events, but those whose data is not a number.

use runtime::{CloudEvent, Context, Error, ErrorCode, Result};
use serde_json::Value;

pub async fn handle(_context: Context, event: CloudEvent<Value>) -> Result<()> {
    match event.data.is_number() {
        true => Ok(()),
        false => Err(Error::new(ErrorCode::OutOfRange, "It is not a number.")),
    }
}
