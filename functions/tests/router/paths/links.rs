//! Symbolic links that somebody planted in the bucket's folder.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Aviary, VICTIM};
use crate::harness::{Reply, Token};
use crate::storage_v0::{objects, signed_in};

/// Links to a file, to nothing yet, to folders, to another user and to the disk itself, in the attacker's
/// folder and in place of one.
fn plant(aviary: &Aviary) {
    let folder = aviary.router.folder();
    let own = aviary.router.disk().join("user_chunks/U1");
    for (target, link) in [
        (folder.join("canary/secret.txt"), "file"),
        (folder.join("canary/new.txt"), "new"),
        (folder.join("canary"), "folder"),
        (folder.join("canary"), "folder%2F"),
        (
            aviary.router.disk().join("user_chunks").join(VICTIM),
            "victim%2F",
        ),
        ("../U2/secret.txt".into(), "relative"),
        ("/".into(), "root%2F"),
        ("/etc/passwd".into(), "passwd"),
        ("/proc/self/environ".into(), "environ"),
        (own.join("loop"), "loop"),
    ] {
        symlink(target, own.join(link)).unwrap();
    }
    symlink(folder.join("canary"), own.with_file_name("LINK")).unwrap();
    symlink(own.with_file_name(VICTIM), own.with_file_name("TWIN")).unwrap();
}

async fn attempts(aviary: &Aviary, uid: &str, name: &str) -> Vec<Reply> {
    let router = &aviary.router;
    let token = Token::of(uid).signed();
    let escaped = name.replace('/', "%2F");
    let object = format!("{}/user_uploads%2F{uid}%2F{escaped}", objects());
    let named = format!("{}?name=user_uploads%2F{uid}%2F{escaped}", objects());
    let call = |method: &str, target: &str| {
        let call = signed_in(router.call(method, target), uid);
        call.header("content-type", "application/json")
    };
    let start = call("POST", &named).header("x-goog-upload-protocol", "resumable");
    let start = start
        .header("x-goog-upload-command", "start")
        .body("{}")
        .send()
        .await;
    let session = start.header("x-goog-upload-url").to_owned();
    let (_, session) = session
        .split_once(&router.address.to_string())
        .expect("a session");
    let finish = router
        .post(session)
        .header("x-goog-upload-command", "upload, finalize");
    vec![
        router.download(uid, &token, &escaped).await,
        call("GET", &object).send().await,
        call("GET", &format!("{object}?alt=media")).send().await,
        call("PATCH", &object)
            .body("{\"metadata\":{\"k\":\"v\"}}")
            .send()
            .await,
        call("DELETE", &object).send().await,
        router.upload(uid, &token, name, b"written").await,
        call("POST", &named).body("written").send().await,
        finish
            .header("x-goog-upload-offset", "0")
            .body("written")
            .send()
            .await,
        call("GET", &format!("{object}?alt=media")).send().await,
        call("DELETE", &object).send().await,
    ]
}

#[tokio::test]
async fn nothing_is_read_written_or_removed_through_a_link_in_the_bucket() {
    let mut aviary = Aviary::start().await;
    plant(&aviary);
    aviary.before = super::surroundings(aviary.router.folder());
    let own = [
        "file",
        "new",
        "folder",
        "folder/secret.txt",
        "folder/new.txt",
        "victim/secret.txt",
        "relative",
        "root/etc/passwd",
        "passwd",
        "environ",
        "loop",
    ];
    let others = [
        ("LINK", "secret.txt"),
        ("LINK", "new.txt"),
        ("TWIN", "secret.txt"),
        ("TWIN", "new.txt"),
    ];
    for (uid, name) in own.map(|name| ("U1", name)).into_iter().chain(others) {
        for reply in attempts(&aviary, uid, name).await {
            let text = reply.text();
            assert!(
                !text.contains(super::CANARY) && !text.contains("root:"),
                "{uid} {name}: {reply:?}"
            );
            assert!(
                !text.contains("FIREBASE_JWKS_URL"),
                "{uid} {name}: {reply:?}"
            );
        }
        let list = format!("{}?prefix=user_uploads%2F{uid}%2F", objects());
        let reply = signed_in(aviary.router.get(&list), uid).send().await;
        assert!(!reply.text().contains("canary"), "{uid} {name}: {reply:?}");
    }
    aviary.is_untouched().await;
    assert!(!aviary.router.folder().join("canary/new.txt").exists());
    assert!(
        fs::symlink_metadata(aviary.router.disk().join("user_chunks/LINK"))
            .unwrap()
            .is_symlink()
    );
}

#[tokio::test]
async fn a_link_that_is_planted_between_two_requests_leads_nowhere() {
    let aviary = Aviary::start().await;
    let router = &aviary.router;
    let token = Token::of("U1").signed();
    for name in ["a.webm", "b.webm"] {
        assert_eq!(router.upload("U1", &token, name, b"mine").await.status, 200);
    }
    let own = router.disk().join("user_chunks/U1");
    fs::remove_file(own.join("a.webm")).unwrap();
    symlink(
        router.folder().join("canary/secret.txt"),
        own.join("a.webm"),
    )
    .unwrap();
    let reply = router.download("U1", &token, "a.webm").await;
    assert_ne!(reply.status, 200, "{reply:?}");
    aviary.heard("a file that became a link", &reply);
    // What somebody planted is not overwritten either.
    let reply = router.upload("U1", &token, "a.webm", b"new").await;
    assert_eq!(reply.status, 500, "{reply:?}");
    assert!(
        fs::symlink_metadata(own.join("a.webm"))
            .unwrap()
            .is_symlink()
    );

    fs::rename(&own, own.with_file_name("moved")).unwrap();
    symlink(router.folder().join("canary"), &own).unwrap();
    for name in ["b.webm", "secret.txt"] {
        let reply = router.download("U1", &token, name).await;
        assert!(!reply.text().contains(super::CANARY), "{reply:?}");
        router.upload("U1", &token, name, b"written").await;
    }
    fs::remove_file(&own).unwrap();
    fs::rename(own.with_file_name("moved"), &own).unwrap();
    aviary.is_untouched().await;
}
