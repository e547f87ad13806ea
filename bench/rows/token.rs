//! What a repeated caller saves: the router remembers a token that it verified, the others verify it each time.

use crate::figure::Figure;
use crate::peers::{Cores, Peers};
use crate::process::SERVER;
use crate::rounds::interleaved;
use crate::wrk::{Load, burst, column};

const ROUNDS: usize = 11;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let cores = Cores::One(SERVER);
    let script = format!(
        "wrk.method = 'POST'\nwrk.body = '{{\"name\": \"Flash\"}}'\nwrk.headers['Content-Type'] = 'application/json'\n\
         wrk.headers['Authorization'] = 'Bearer {}'\n",
        peers.identity.benchmark_token
    );
    let load = Load {
        path: "/greet".to_owned(),
        script: Some(peers.write("token.lua", &script)?),
    };
    let keys = peers.identity.keys_file();
    let servers = [
        peers.measured(cores)?.start()?,
        peers.bare(&[&keys.to_string_lossy()], cores)?.start()?,
        peers.fastapi(cores)?.start()?,
    ];
    for server in &servers {
        burst(server, &load)?;
    }
    let bursts = interleaved(peers.rounds(ROUNDS), &servers, |server| {
        burst(server, &load)
    })?;
    let [router, bare, fastapi] =
        [0, 1, 2].map(|at| column(&bursts[at], |burst| burst.requests_per_second));
    let mut figures = vec![
        Figure::ratio(
            "requests/s ÷ bare hyper that verifies each time",
            &router,
            &bare,
        )
        .at_least(2.0),
        Figure::ratio(
            "requests/s ÷ FastAPI with firebase-admin",
            &router,
            &fastapi,
        )
        .at_least(20.0),
    ];
    for (name, bursts) in ["router", "bare hyper", "FastAPI"].iter().zip(&bursts) {
        let cpu = column(bursts, |burst| burst.cpu);
        figures.push(Figure::new(format!("CPU per request: {name}"), "µs", cpu));
    }
    Ok(figures)
}
