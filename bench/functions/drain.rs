//! Publishes events while nothing passes the gate, opens it, and tells how long it took until all had passed.

use std::time::Instant;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use runtime::{CloudEvent, Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::gate::GATE;

/// Publications that wait for the disk at once.
const TOGETHER: usize = 64;

#[derive(Deserialize)]
pub struct Backlog {
    events: usize,
}

#[derive(Serialize)]
pub struct Drained {
    seconds: f64,
}

pub async fn handle(context: Context, backlog: Backlog) -> Result<Drained> {
    let before = GATE.passed();
    GATE.set_open(false);
    let context = &context;
    stream::iter(before..before + backlog.events)
        .map(|number| async move {
            let event = CloudEvent::new(
                format!("event-{number}"),
                "//benchmark",
                "benchmark.event",
                json!({"number": number}),
            );
            context.publish(event).await
        })
        .buffer_unordered(TOGETHER)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    let started = Instant::now();
    GATE.set_open(true);
    GATE.have_passed(before + backlog.events).await;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Drained { seconds })
}
