//! Each step of an upload fails in its turn, first here and then there, and the process goes on.

use tokio::process::Command;

use crate::content::content;
use crate::effects;
use crate::harness::eventually;
use crate::named_points::POINTS;
use crate::server::{Server, Site, staged};
use crate::settings::report;

const NAME: &str = "a.webm";
const SIZE: usize = 1 << 20;

#[tokio::test]
async fn a_step_that_fails_is_no_acknowledgement_and_no_damage() {
    let of_uploads = POINTS
        .iter()
        .take_while(|(point, _)| *point != "after-lease");
    let mut failures = 0;
    for (point, committed) in of_uploads {
        // The first is the old object's; from then on every one, until there is none left to fail.
        let mut nth = 2;
        while fails(point, nth, *committed).await {
            nth += 1;
            failures += 1;
        }
        assert!(nth > 2, "{point} never failed");
    }
    report(&format!("{failures} steps failed"));
}

/// Whether there was an `nth` time to fail at.
async fn fails(point: &str, nth: u32, committed: bool) -> bool {
    let at = format!("{point}:error@{nth}");
    let site = Site::new().await;
    let disk = site.disk();
    let server = site.start(&[("FAILPOINT", &at)]).await;
    let [old, new, newest] = ["old", "new", "newest"].map(|seed| content(seed, SIZE));
    let old = &old[..100];
    assert_eq!(server.upload(NAME, old).await, Some(200), "{at}");
    let reply = server.attempt(NAME, &new).await;
    if reply.status == 200 {
        return false;
    }
    assert_eq!(reply.detail(500), "INTERNAL", "{at}");
    must_hold(&server, if committed { &new } else { old }).await;
    let swept = async || staged(&disk).is_empty();
    eventually("the failed upload leaves nothing", swept).await;

    assert_eq!(server.upload(NAME, &newest).await, Some(200), "{at}");
    must_hold(&server, &newest).await;
    effects::settled(&disk).await;
    let effects = effects::exactly_once(&disk).unwrap();
    assert_eq!(effects.committed, 2 + i64::from(committed), "{at}");
    true
}

#[tokio::test]
async fn a_commit_that_the_disk_refuses_is_no_acknowledgement_and_no_damage() {
    for goes_on in [false, true] {
        let site = Site::new().await;
        let disk = site.disk();
        let mut server = site.start(&[]).await;
        let [old, new, newest] = ["old", "new", "newest"].map(|seed| content(seed, SIZE));
        assert_eq!(server.upload(NAME, &old).await, Some(200));
        effects::settled(&disk).await;
        refused_commit(&site, &server, &new).await;
        if goes_on {
            must_hold(&server, &old).await;
            assert_eq!(server.upload(NAME, &newest).await, Some(200));
        }

        server.kill().await;
        let server = site.start(&[]).await;
        assert!(staged(&disk).is_empty());
        if goes_on {
            must_hold(&server, &newest).await;
        } else {
            // Whether the commit reached the disk, nobody could know.
            let found = server.download(NAME).await.body;
            assert!(found == old || found == new, "{} bytes", found.len());
        }
        effects::settled(&disk).await;
        effects::exactly_once(&disk).unwrap();
    }
}

/// Uploads while the ledger's log, and nothing else, cannot be synced.
async fn refused_commit(site: &Site, server: &Server, bytes: &[u8]) {
    let log = site.disk().join(".ledger/ledger.sqlite3-wal");
    let trace = site.beside("trace");
    let mut strace = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=fsync,fdatasync"])
        .args(["-e", "inject=fsync,fdatasync:error=EIO", "-P"])
        .arg(&log)
        .arg("-o")
        .arg(&trace)
        .args(["-p", &server.id().to_string()])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let process = format!("/proc/{}/status", server.id());
    let is_traced = async || {
        let status = std::fs::read_to_string(&process).unwrap();
        !status.contains("TracerPid:\t0")
    };
    eventually("strace watches", is_traced).await;
    let reply = server.attempt(NAME, bytes).await;
    assert_eq!(reply.detail(500), "INTERNAL");
    let id = strace.id().unwrap().to_string();
    Command::new("kill")
        .args(["-INT", &id])
        .status()
        .await
        .unwrap();
    strace.wait().await.unwrap();
    let trace = std::fs::read_to_string(trace).unwrap();
    let log = log.to_str().unwrap();
    let mut refused = trace.lines().filter(|line| line.contains("INJECTED"));
    assert!(
        trace.contains("INJECTED") && refused.all(|line| line.contains(log)),
        "{trace}"
    );
}

async fn must_hold(server: &Server, bytes: &[u8]) {
    let reply = server.download(NAME).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.body == bytes,
        "{} bytes, not {}",
        reply.body.len(),
        bytes.len()
    );
}
