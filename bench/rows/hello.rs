//! What the pipeline costs: the product's hello_world beside hyper's own, and beside those that users would
//! otherwise write.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::figure::Figure;
use crate::peers::{Cores, Peers, built};
use crate::process::SERVER;
use crate::rounds::interleaved;
use crate::wrk::{Load, burst, column};

const ROUNDS: usize = 15;
const COUNTS: usize = 3;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let cores = Cores::One(SERVER);
    let (hello, root) = ("/hello_world", "/");
    let servers = [
        (peers.router(cores)?.start()?, Load::get(hello)),
        (peers.bare(&[], cores)?.start()?, Load::get(hello)),
        (
            peers.bare(&["current-thread"], cores)?.start()?,
            Load::get(hello),
        ),
        // The same program as the first: how far apart two figures are that should be one.
        (peers.router(cores)?.start()?, Load::get(hello)),
        (peers.fastapi(cores)?.start()?, Load::get(hello)),
        (peers.framework(cores)?.start()?, Load::get(root)),
    ];
    for (server, load) in &servers {
        burst(server, load)?;
    }
    let bursts = interleaved(peers.rounds(ROUNDS), &servers, |(server, load)| {
        burst(server, load)
    })?;
    let cpu: Vec<_> = bursts
        .iter()
        .map(|bursts| column(bursts, |burst| burst.cpu))
        .collect();
    let rate: Vec<_> = bursts
        .iter()
        .map(|bursts| column(bursts, |burst| burst.requests_per_second))
        .collect();

    let mut figures = vec![
        Figure::ratio(
            "CPU per request ÷ bare hyper, both on 4 threads",
            &cpu[0],
            &cpu[1],
        )
        .at_most(1.2),
        Figure::ratio(
            "CPU per request ÷ bare hyper on one thread",
            &cpu[0],
            &cpu[2],
        ),
        Figure::ratio("noise: the router ÷ itself", &cpu[0], &cpu[3]),
        instructions(peers)?.at_most(7000.0),
        Figure::ratio("requests/s ÷ FastAPI on uvicorn", &rate[0], &rate[4]).at_least(9.0),
        Figure::ratio(
            "requests/s ÷ functions-framework on Node",
            &rate[0],
            &rate[5],
        ),
    ];
    let names = [
        "router",
        "bare hyper, 4 threads",
        "bare hyper, one thread",
        "",
        "FastAPI",
        "functions-framework",
    ];
    for (name, cpu) in names.iter().zip(cpu).filter(|(name, _)| !name.is_empty()) {
        figures.push(Figure::new(format!("CPU per request: {name}"), "µs", cpu));
    }
    Ok(figures)
}

/// How many more the router needs for one request: a steadier measure than its time.
fn instructions(peers: &Peers) -> anyhow::Result<Figure> {
    let (router, bare) = (built("router")?, built("bare")?);
    let servers: [(&Path, &[&str]); 2] = [(&router, &["serve"]), (&bare, &[])];
    let counts = interleaved(peers.rounds(COUNTS), &servers, |(program, arguments)| {
        count(program, arguments)
    })?;
    let more = counts[0]
        .iter()
        .zip(&counts[1])
        .map(|(router, bare)| router - bare);
    Ok(Figure::new(
        "instructions per request above bare hyper",
        "",
        more.collect(),
    ))
}

fn count(program: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let output = Command::new(built("instructions")?)
        .arg(program)
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)?
        .trim()
        .parse()
        .context("no count")
}
