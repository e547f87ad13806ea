//! Many uploads at once: their memory must not be that of their bytes.

use std::time::Instant;

use super::upload::put_and_sync;
use crate::client::Payload;
use crate::figure::Figure;
use crate::identity::UID;
use crate::peers::{Cores, Peers};
use crate::rounds::interleaved;

const ROUNDS: usize = 7;
const TOGETHER: usize = 64;
const BYTES: u64 = 8 << 20;

/// Of a file with this name.
type Upload<'u> = dyn Fn(&str) -> anyhow::Result<()> + Sync + 'u;

pub(super) fn measure(peers: &Peers) -> anyhow::Result<Vec<Figure>> {
    let [ours, theirs] = [peers.new_folder()?, peers.new_folder()?];
    let router = peers.roomy_router(&ours, Cores::All)?.start()?;
    let nginx = peers.nginx(&theirs, Cores::All)?.start()?;
    let payload = Payload::new();
    let path = format!("/api/v1/chunks/upload_chunk/{UID}");
    let contenders: [&Upload<'_>; 2] = [
        &|name| {
            payload.post_form(
                router.address,
                &path,
                &peers.identity.product_token,
                name,
                BYTES,
            )
        },
        &|name| put_and_sync(&payload, &nginx, &theirs, name, BYTES),
    ];
    let before = router.resident()?;
    router.forget_peak()?;
    let times = interleaved(peers.rounds(ROUNDS), &contenders, |upload| together(upload))?;
    let growth = router.peak()? - before;
    Ok(vec![
        Figure::ratio("time of all ÷ nginx PUT and sync", &times[0], &times[1]),
        Figure::new("growth of resident memory", "MiB", vec![growth]).at_most(64.0),
    ])
}

/// Seconds until the last of them is answered.
fn together(upload: &Upload<'_>) -> anyhow::Result<f64> {
    let started = Instant::now();
    std::thread::scope(|threads| {
        let uploads: Vec<_> = (0..TOGETHER)
            .map(|number| threads.spawn(move || upload(&format!("{number}.bin"))))
            .collect();
        uploads
            .into_iter()
            .try_for_each(|upload| match upload.join() {
                Ok(uploaded) => uploaded,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })?;
    Ok(started.elapsed().as_secs_f64())
}
