//! Records the chats that could not be recorded when they happened, because the database was away.

use runtime::{CloudEvent, Context, Result};

use crate::tria::exchange::Exchange;

pub async fn handle(context: Context, event: CloudEvent<Exchange>) -> Result<()> {
    Ok(event.data.record(context.database()).await?)
}
