//! How fast deliveries go out once there is a backlog.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::client::post;
use crate::figure::Figure;
use crate::peers::{Cores, Peers};

const ROUNDS: usize = 5;
const EVENTS: usize = 10_000;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let server = peers.measured(Cores::All)?.start()?;
    let mut rates = Vec::new();
    for _ in 0..peers.rounds(ROUNDS) {
        let answer = post(
            server.address,
            "/drain",
            &format!("{{\"events\": {EVENTS}}}"),
        )?;
        ensure!(
            answer.status == 200,
            "{}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let drained: Value = serde_json::from_slice(&answer.body)?;
        rates.push(EVENTS as f64 / drained["seconds"].as_f64().context("no seconds")?);
    }
    Ok(vec![
        Figure::new("events delivered in a second", "", rates).at_least(2000.0),
    ])
}
