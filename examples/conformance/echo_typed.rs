//! Wraps what it is given, by the types of its arguments.

use runtime::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
pub struct Greeting {
    message: String,
}

#[derive(Serialize)]
pub struct Wrapped {
    payload: Greeting,
}

pub async fn handle(_context: Context, greeting: Greeting) -> Result<Wrapped> {
    Ok(Wrapped { payload: greeting })
}
