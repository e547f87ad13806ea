//! A large file to one reader, which is in memory already: what the server's way of sending costs.

use std::fs::File;
use std::time::Instant;

use anyhow::ensure;

use crate::client::{Payload, download};
use crate::figure::Figure;
use crate::identity::UID;
use crate::peers::{Cores, Peers};
use crate::rounds::interleaved;

const ROUNDS: usize = 9;
const BYTES: u64 = 1 << 30;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let [ours, theirs] = [peers.new_folder()?, peers.new_folder()?];
    let router = peers.roomy_router(&ours, Cores::All)?.start()?;
    let nginx = peers.nginx(&theirs, Cores::All)?.start()?;
    let (payload, token) = (Payload::new(), peers.identity.product_token.as_str());
    payload.post_form(
        router.address,
        &format!("/api/v1/chunks/upload_chunk/{UID}"),
        token,
        "one.bin",
        BYTES,
    )?;
    payload.write(BYTES, &mut File::create(theirs.join("files/one.bin"))?)?;

    let path = format!("/api/v1/chunks/download_chunk/{UID}/one.bin");
    let servers = [
        (&router, path.as_str(), Some(token)),
        (&nginx, "/one.bin", None),
    ];
    let before = router.resident()?;
    router.forget_peak()?;
    let measured = interleaved(peers.rounds(ROUNDS), &servers, |(server, path, token)| {
        let (started, used) = (Instant::now(), server.cpu()?);
        ensure!(
            download(server.address, path, *token)? == BYTES,
            "{path} is cut off"
        );
        Ok((
            started.elapsed().as_secs_f64(),
            (server.cpu()? - used).as_secs_f64(),
        ))
    })?;
    let growth = router.peak()? - before;
    let [ours, theirs] = [0, 1].map(|at| {
        measured[at]
            .iter()
            .map(|(time, _)| *time)
            .collect::<Vec<_>>()
    });
    let cpu = measured[0].iter().map(|(_, cpu)| *cpu).collect();
    Ok(vec![
        Figure::ratio("time ÷ nginx with sendfile", &ours, &theirs).at_most(1.6),
        Figure::new("CPU: router", "s", cpu),
        Figure::new("growth of resident memory", "MiB", vec![growth]),
    ])
}
