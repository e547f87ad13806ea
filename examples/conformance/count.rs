//! Counts aloud, and returns how far it came.

use std::time::Duration;

use runtime::{Context, Result};
use serde::Deserialize;

/// Long enough that a client sees each number by itself.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
pub struct Count {
    to: u64,
}

pub async fn handle(context: Context, count: Count) -> Result<u64> {
    for number in 1..=count.to {
        context.send(&number).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(count.to)
}
