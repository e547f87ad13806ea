//! What a server that nobody calls takes.

use std::time::Duration;

use crate::figure::Figure;
use crate::peers::{Cores, Launch, Peers};
use crate::rounds::interleaved;

const ROUNDS: usize = 3;
const SETTLE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(2);

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let launches: [&dyn Fn() -> anyhow::Result<Launch>; 4] = [
        &|| peers.router(Cores::All),
        &|| peers.bare(&[], Cores::All),
        &|| peers.fastapi(Cores::All),
        &|| peers.framework(Cores::All),
    ];
    let idle = interleaved(peers.rounds(ROUNDS), &launches, |launch| {
        let server = launch()?.start()?;
        std::thread::sleep(SETTLE);
        let before = server.cpu()?;
        std::thread::sleep(IDLE);
        let share = (server.cpu()? - before).as_secs_f64() / IDLE.as_secs_f64();
        Ok((server.resident()?, share * 100.0))
    })?;
    let mut figures = Vec::new();
    for (name, idle) in ["router", "bare hyper", "FastAPI", "functions-framework"]
        .iter()
        .zip(&idle)
    {
        let resident = idle.iter().map(|(resident, _)| *resident).collect();
        let figure = Figure::new(format!("resident memory: {name}"), "MiB", resident);
        figures.push(if *name == "router" {
            figure.at_most(16.0)
        } else {
            figure
        });
    }
    let shares = idle[0].iter().map(|(_, share)| *share).collect();
    figures.push(Figure::new(
        "CPU of one core while idle: router",
        "%",
        shares,
    ));
    Ok(figures)
}
