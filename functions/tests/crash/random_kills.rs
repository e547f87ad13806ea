//! Kills at random moments under parallel uploads, again and again on one disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::content::{content, random, sha256};
use crate::effects;
use crate::oracle::{Counts, Oracle};
use crate::server::{Server, Site, objects, staged, upload};
use crate::settings::{number, report};

/// Parallel uploads, each to a name of its own.
const WRITERS: usize = 8;
/// Every so many rounds the process is asked to stop and not killed.
const POLITE: usize = 5;
const MILLISECONDS: std::ops::Range<u64> = 10..800;
const SIZES: [usize; 4] = [1, 4 << 10, 300 << 10, 3 << 20];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a minute for 50 rounds; CRASH_ROUNDS=500 for more"]
async fn no_acknowledged_upload_is_lost_and_none_is_half() {
    let rounds = number("CRASH_ROUNDS", 50);
    let site = Site::new().await;
    let oracle = Arc::new(Oracle::new(&site.beside("oracle.log")));
    let mut counts = Counts::default();
    let mut acknowledged = 0;
    for round in 1..=rounds {
        let mut server = site.start(&[]).await;
        counts += look(&site, &server, &oracle).await;
        let uploads = join_all((0..WRITERS).map(|writer| {
            let (address, token) = (server.address, server.token.clone());
            write(oracle.clone(), address, token, writer, round)
        }));
        let uploads = tokio::spawn(uploads);
        let lived = MILLISECONDS.start + random(MILLISECONDS.end - MILLISECONDS.start);
        sleep(Duration::from_millis(lived)).await;
        if round % POLITE == 0 {
            let status = server.terminate().await;
            assert!(status.success(), "{status}: {}", server.log());
        } else {
            server.kill().await;
        }
        acknowledged += uploads.await.unwrap().into_iter().sum::<usize>();
    }
    let server = site.start(&[]).await;
    counts += look(&site, &server, &oracle).await;
    effects::settled(&site.disk()).await;
    let effects = effects::count(&site.disk());
    report(&format!(
        "{rounds} rounds, {acknowledged} acknowledged: {counts:?}; {effects:?}"
    ));
    assert_eq!(
        (counts.lost, counts.unexpected, counts.partial),
        (0, 0, 0),
        "{counts:?}"
    );
    assert!(acknowledged >= rounds, "hardly anything was uploaded");
    effects::exactly_once(&site.disk()).unwrap();
}

/// Uploads version after version until the process is gone; returns how many were acknowledged.
async fn write(
    oracle: Arc<Oracle>,
    address: SocketAddr,
    token: String,
    writer: usize,
    round: usize,
) -> usize {
    let name = name(writer);
    for version in 0.. {
        let size = SIZES[random(SIZES.len() as u64) as usize];
        // A single byte does not say which version it is of.
        let seed = format!("{name} {round} {version}");
        let bytes = [seed.as_bytes(), &content(&seed, size)].concat();
        let hash = sha256(&bytes);
        oracle.invoke(&name, &hash);
        if upload(address, &token, &name, &bytes).await != Some(200) {
            return version;
        }
        oracle.ok(&name, &hash);
    }
    0
}

/// What is there after a start, before anything else is sent.
async fn look(site: &Site, server: &Server, oracle: &Oracle) -> Counts {
    let leftovers = staged(&site.disk());
    assert!(leftovers.is_empty(), "left in staging: {leftovers:?}");
    let mut visible = BTreeMap::new();
    for name in (0..WRITERS).map(name) {
        let reply = server.download(&name).await;
        assert!([200, 404].contains(&reply.status), "{}", reply.status);
        let hash = (reply.status == 200).then(|| sha256(&reply.body));
        visible.insert(name, hash);
    }
    let files = objects(&site.disk()).len();
    let found = visible.values().flatten().count();
    assert_eq!(files, found, "files that are no objects");
    oracle.judge(&visible)
}

fn name(writer: usize) -> String {
    format!("{writer}.webm")
}
