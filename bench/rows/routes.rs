//! What a route among many costs.

use crate::figure::Figure;
use crate::peers::{Cores, Peers};
use crate::process::{SERVER, Server};
use crate::rounds::interleaved;
use crate::wrk::{Load, burst, column};

const ROUNDS: usize = 15;
const FEW: usize = 10;
const MANY: usize = 10_000;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    // Twice the same beside the other: how far apart two figures are that should be one.
    let servers = [
        served(peers, FEW)?,
        served(peers, MANY)?,
        served(peers, FEW)?,
    ];
    for (server, load) in &servers {
        burst(server, load)?;
    }
    let bursts = interleaved(peers.rounds(ROUNDS), &servers, |(server, load)| {
        burst(server, load)
    })?;
    let [few, many, again] = [0, 1, 2].map(|at| column(&bursts[at], |burst| burst.cpu));
    Ok(vec![
        Figure::ratio("CPU per request with 10,000 routes ÷ with 10", &many, &few).at_most(1.05),
        Figure::ratio("noise: 10 routes ÷ 10 routes", &again, &few),
    ])
}

/// A router whose hello_world has so many routes, all of which are asked for in turn.
fn served(peers: &Peers, routes: usize) -> anyhow::Result<(Server, Load)> {
    let listed: String = (0..routes)
        .map(|number| format!("  \"/api/r{number}/{{id}}\",\n"))
        .collect();
    let manifest = peers.write(
        &format!("routes-{routes}.toml"),
        &format!(
            "manifest = 1\n[project]\nid = \"benchmark\"\nregions = [\"europe-west1\"]\n\
             [functions.hello_world]\nauth = \"none\"\npublic = true\ncors = \"none\"\nhttp.routes = [\n{listed}]\n"
        ),
    )?;
    // Made ready beforehand, so that the load costs the same.
    let script = format!(
        "local requests, next = {{}}, 0\n\
         init = function() for n = 0, {MANY} - 1 do\n\
         requests[n] = wrk.format('GET', '/api/r' .. n * 7919 % {routes} .. '/x') end end\n\
         request = function() next = (next + 1) % {MANY} return requests[next] end\n"
    );
    let load = Load {
        path: "/".to_owned(),
        script: Some(peers.write(&format!("routes-{routes}.lua"), &script)?),
    };
    let server = peers
        .router(Cores::One(SERVER))?
        .env("MANIFEST", manifest)
        .start()?;
    Ok((server, load))
}
