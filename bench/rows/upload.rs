//! How much longer than the disk needs an upload takes, hashed, in the ledger and told to functions.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;

use crate::client::Payload;
use crate::figure::Figure;
use crate::identity::UID;
use crate::peers::{Cores, Peers};
use crate::process::Server;
use crate::rounds::interleaved;

const MIB: u64 = 1 << 20;
/// By how many rounds each size is measured.
const SIZES: [(&str, u64, usize); 2] = [("256 MiB", 256 * MIB, 9), ("1 GiB", 1024 * MIB, 5)];

/// Each takes seconds for so many bytes.
enum Contender<'c> {
    Router(&'c Server),
    Nginx(&'c Server, &'c Path),
    Dd(&'c Path),
    FastApi(&'c Server),
}

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let [ours, theirs, plain] = [
        peers.new_folder()?,
        peers.new_folder()?,
        peers.new_folder()?,
    ];
    let router = peers.roomy_router(&ours, Cores::All)?.start()?;
    let nginx = peers.nginx(&theirs, Cores::All)?.start()?;
    let fastapi = peers.fastapi(Cores::All)?.start()?;
    let payload = Payload::new();
    let mut figures = Vec::new();
    for (size, bytes, rounds) in SIZES {
        payload.write(bytes, &mut File::create(plain.join("source"))?)?;
        let mut contenders = vec![
            Contender::Router(&router),
            Contender::Nginx(&nginx, &theirs),
            Contender::Dd(&plain),
        ];
        // It takes long, and is not durable: once is enough to know.
        if size == SIZES[0].0 {
            contenders.push(Contender::FastApi(&fastapi));
        }
        let before = router.resident()?;
        router.forget_peak()?;
        let times = interleaved(peers.rounds(rounds), &contenders, |contender| {
            contender.upload(peers, &payload, bytes)
        })?;
        let growth = router.peak()? - before;
        figures.push(
            Figure::ratio(
                format!("{size}: time ÷ nginx PUT and sync"),
                &times[0],
                &times[1],
            )
            .at_most(1.3),
        );
        figures.push(Figure::ratio(
            format!("{size}: time ÷ dd with fsync"),
            &times[0],
            &times[2],
        ));
        if let Some(fastapi) = times.get(3) {
            let what = format!("{size}: time ÷ FastAPI, which does not sync");
            figures.push(Figure::ratio(what, &times[0], fastapi));
        }
        figures.push(
            Figure::new(
                format!("{size}: growth of resident memory"),
                "MiB",
                vec![growth],
            )
            .at_most(16.0),
        );
    }
    Ok(figures)
}

impl Contender<'_> {
    fn upload(&self, peers: &Peers, payload: &Payload, bytes: u64) -> anyhow::Result<f64> {
        let path = format!("/api/v1/chunks/upload_chunk/{UID}");
        let started = Instant::now();
        match self {
            Self::Router(server) => {
                payload.post_form(
                    server.address,
                    &path,
                    &peers.identity.product_token,
                    "one.bin",
                    bytes,
                )?;
            }
            Self::FastApi(server) => {
                payload.post_form(
                    server.address,
                    &path,
                    &peers.identity.benchmark_token,
                    "one.bin",
                    bytes,
                )?;
            }
            Self::Nginx(server, folder) => put_and_sync(payload, server, folder, "one.bin", bytes)?,
            Self::Dd(folder) => {
                let [from, to] =
                    ["source", "copy"].map(|name| folder.join(name).display().to_string());
                let mut dd = Command::new("dd");
                dd.args([format!("if={from}"), format!("of={to}")]);
                ensure!(
                    dd.args(["bs=1M", "conv=fsync", "status=none"])
                        .status()?
                        .success(),
                    "dd failed"
                );
            }
        }
        Ok(started.elapsed().as_secs_f64())
    }
}

/// nginx answers before the file is on the disk: it is synced afterwards, with its folder.
pub(super) fn put_and_sync(
    payload: &Payload,
    nginx: &Server,
    folder: &Path,
    name: &str,
    bytes: u64,
) -> anyhow::Result<()> {
    payload.put(nginx.address, &format!("/{name}"), bytes)?;
    let files = folder.join("files");
    File::open(files.join(name))?.sync_all()?;
    File::open(files)?.sync_all()?;
    Ok(())
}
