//! How soon a server answers: what a deployment and a restart wait for.

use crate::figure::Figure;
use crate::peers::{Cores, Launch, Peers};
use crate::rounds::interleaved;

const ROUNDS: usize = 15;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let kept = peers.new_folder()?;
    // A deployment finds the data of the one before it.
    drop(peers.router_in(&kept, Cores::All)?.start()?);
    let starts: [&dyn Fn() -> anyhow::Result<Launch>; 5] = [
        &|| peers.router_in(&kept, Cores::All),
        &|| peers.router(Cores::All),
        &|| peers.bare(&[], Cores::All),
        &|| peers.fastapi(Cores::All),
        &|| peers.framework(Cores::All),
    ];
    let times = interleaved(peers.rounds(ROUNDS), &starts, |launch| {
        Ok(launch()?.start()?.ready_after.as_secs_f64() * 1e3)
    })?;
    let mut figures = vec![
        Figure::ratio("exec → first 200 ÷ bare hyper", &times[0], &times[2]).at_most(3.0),
        Figure::ratio("exec → first 200 ÷ FastAPI", &times[0], &times[3]),
        Figure::ratio(
            "exec → first 200 ÷ functions-framework",
            &times[0],
            &times[4],
        ),
    ];
    let names = [
        "router",
        "router, on an empty disk",
        "bare hyper",
        "FastAPI",
        "functions-framework",
    ];
    for (name, times) in names.iter().zip(times) {
        figures.push(Figure::new(
            format!("exec → first 200: {name}"),
            "ms",
            times,
        ));
    }
    Ok(figures)
}
