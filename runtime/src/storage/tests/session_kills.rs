use std::env::current_exe;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::Signal;

use super::metadata::kinds;
use super::session_kit::*;
use super::*;

const VICTIM: &str = "storage::tests::session_kills::the_part_that_is_killed";

/// In the order in which a session meets them first.
const POINTS: [&str; 13] = [
    "after-create",
    "mid-write",
    "before-fsync",
    "after-fsync",
    "before-promise",
    "after-promise",
    "after-commit",
    "before-rename",
    "after-rename",
    "before-dir-fsync",
    "after-dir-fsync",
    "before-answer",
    "after-cancel",
];

fn bytes() -> Bytes {
    pattern(4 * BLOCK + 77)
}

/// Works on the disk in its current folder, and notes there how far it came: the sessions that it was
/// told of, and the bytes that it was told are durable.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn the_part_that_is_killed() {
    let here = Path::new(".");
    let bucket = open(here, &spec()).await.unwrap().bucket("chunks").unwrap();
    let bytes = bytes();
    let session = start_session(&bucket, "U1/a", None).await;
    fs::write("kept", session.id()).unwrap();
    for (offset, end) in [(0, 2 * BLOCK + 5), (2 * BLOCK, 3 * BLOCK)] {
        let session = send(&session, offset, bytes.slice(offset..end)).await;
        fs::write("received", session.received().to_string()).unwrap();
    }
    let mut last = session.append(3 * BLOCK as u64).await.unwrap();
    last.write(bytes.slice(3 * BLOCK..)).await.unwrap();
    last.finish().await.unwrap();
    fs::write("finished", "").unwrap();

    let session = start_session(&bucket, "U1/b", None).await;
    fs::write("dropped", session.id()).unwrap();
    send(&session, 0, bytes.slice(..BLOCK)).await;
    session.cancel().await.unwrap();
    fs::write("cancelled", "").unwrap();
}

/// Returns whether it was killed.
fn killed(disk: &Disk, failpoint: &str) -> bool {
    let mut victim = Command::new(current_exe().unwrap());
    let victim = victim
        .args(["--exact", VICTIM, "--ignored"])
        .env("FAILPOINT", failpoint)
        .current_dir(&disk.path)
        .output()
        .unwrap();
    let killed = victim.status.signal() == Some(Signal::SIGKILL as i32);
    let text = String::from_utf8_lossy(&victim.stdout);
    assert!(killed || text.contains("1 passed"), "{failpoint}: {text}");
    killed
}

async fn verify(disk: &Disk, failpoint: &str) {
    let note = |name| fs::read_to_string(disk.path.join(name)).ok();
    let bucket = disk.open().await;
    if let Some(id) = note("kept") {
        let session = bucket.session(&id).await.unwrap().unwrap();
        let promised = note("received").map_or(0, |text| text.parse().unwrap());
        assert!(session.received() >= promised, "{failpoint}");
        if note("finished").is_some() {
            assert!(matches!(session.state(), SessionState::Final(_)));
        }
        // What a client does: ask, send the rest, finish.
        if *session.state() == SessionState::Active {
            let received = session.received();
            let mut writer = session.append(received).await.unwrap();
            let rest = bytes().slice(received as usize..);
            writer.write(rest).await.unwrap();
            writer.finish().await.unwrap();
        }
        let object = session.finish().await.unwrap();
        is_whole(&object, &bytes());
        let found = get(&bucket, "U1/a").await.unwrap();
        assert_eq!(found, (object, bytes()), "{failpoint}");
        assert_eq!(kinds(disk), ["finalized"], "{failpoint}");
    }
    if let Some(id) = note("dropped") {
        let session = bucket.session(&id).await.unwrap().unwrap();
        assert_eq!(session.received() % BLOCK as u64, 0);
        let cancelled = *session.state() == SessionState::Cancelled;
        assert!(cancelled || note("cancelled").is_none(), "{failpoint}");
        session.cancel().await.unwrap();
    }
    drop(bucket);
    // A session whose start nobody was told of stays until it expires, with its empty file.
    let files = disk
        .staged()
        .into_iter()
        .map(|file| disk.path.join(STAGING).join(file));
    let sizes: Vec<u64> = files
        .map(|file| fs::metadata(file).unwrap().len())
        .collect();
    assert!(
        sizes.len() <= 1 && sizes.iter().all(|size| *size == 0),
        "{failpoint}: {sizes:?}"
    );
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_session_loses_nothing_that_was_promised() {
    let mut kills = 0;
    for point in POINTS {
        for strike in 1.. {
            let disk = Disk::new();
            let failpoint = format!("{point}:kill@{strike}");
            let killed = killed(&disk, &failpoint);
            verify(&disk, &failpoint).await;
            if !killed {
                assert!(strike > 1, "nothing passes {point}");
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= POINTS.len(), "{kills}");
}
