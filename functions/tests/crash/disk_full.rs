//! A disk that is full, and then no longer: a tmpfs that only the router sees.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::content::content;
use crate::effects;
use crate::harness::eventually;
use crate::server::{Server, Site, staged};
use crate::settings::report;

const MIB: usize = 1 << 20;
const MOUNT: &str =
    r#"mount -t tmpfs -o size=16m,mode=755 tmpfs "$RENDER_DISK_BASE_PATH" && exec "$@""#;

fn can_mount() -> bool {
    let mount = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .status();
    let can = mount.is_ok_and(|status| status.success());
    if !can {
        report("SKIPPED: a full disk needs the right to mount one");
    }
    can
}

#[tokio::test]
async fn a_full_disk_is_said_so_and_damages_nothing_and_is_over_when_there_is_room() {
    if !can_mount() {
        return;
    }
    let site = Site::new()
        .await
        .under(&["unshare", "-m", "sh", "-c", MOUNT, "sh"]);
    let site = site.set("buckets.chunks", "min_free", "\"0B\"");
    let server = site.start(&[]).await;
    let disk = seen_from(&server, &site.disk());
    let (old, new) = (content("old", 4 * MIB), content("new", 14 * MIB));
    assert_eq!(server.upload("a.webm", &old).await, Some(200));

    let reply = server.attempt("a.webm", &new).await;
    assert_eq!(reply.detail(507), "The storage is full");
    must_be_unharmed(&server, &disk, &old).await;
    assert_eq!(server.upload("b.webm", &old).await, Some(200));
    settled(&disk).await;

    let filler = disk.join("filler");
    fill(&filler);
    let reply = server.attempt("c.webm", b"c").await;
    assert_eq!(reply.detail(507), "The storage is full");
    let reply = server.attempt("a.webm", &new[..MIB]).await;
    assert_eq!(reply.detail(507), "The storage is full");
    must_be_unharmed(&server, &disk, &old).await;

    std::fs::remove_file(&filler).unwrap();
    assert_eq!(server.upload("c.webm", b"c").await, Some(200));
    assert_eq!(server.upload("a.webm", &new[..MIB]).await, Some(200));
    assert!(server.download("a.webm").await.body == new[..MIB]);
    let databases = settled(&disk).await;
    let effects = effects::exactly_once(databases.path()).unwrap();
    assert_eq!((effects.committed, effects.superseded), (4, 0));
}

/// Waits until no event is on its way, and returns the databases as they are then.
async fn settled(disk: &Path) -> TempDir {
    let mut databases = copy_of_databases(disk);
    eventually("every event is settled", async || {
        databases = copy_of_databases(disk);
        effects::is_settled(databases.path())
    })
    .await;
    databases
}

/// SQLite would look for them in this process's own mounts, whatever the path says.
fn copy_of_databases(disk: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join(".ledger")).unwrap();
    for name in [".ledger/ledger.sqlite3", "functions.sqlite3"] {
        for suffix in ["", "-wal"] {
            let name = format!("{name}{suffix}");
            std::fs::copy(disk.join(&name), copy.path().join(&name)).unwrap();
        }
    }
    copy
}

async fn must_be_unharmed(server: &Server, disk: &Path, old: &[u8]) {
    let reply = server.download("a.webm").await;
    assert_eq!(reply.status, 200);
    assert!(reply.body == old, "{} bytes", reply.body.len());
    let swept = async || staged(disk).is_empty();
    eventually("the refused upload leaves nothing", swept).await;
}

/// Writes until nothing more fits.
fn fill(file: &Path) {
    let mut file = File::create(file).unwrap();
    for size in [64 << 10, 4 << 10, 1] {
        let block = vec![0; size];
        while file.write_all(&block).is_ok() {}
    }
}

/// A path as the process has it, which mounted something there.
fn seen_from(server: &Server, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.id()));
    root.join(path.strip_prefix("/").unwrap())
}
