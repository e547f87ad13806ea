//! How long the concurrent functions take: the client wants a second at least, and ten calls at once
//! in less than two such pauses.

use std::time::Duration;

pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}
