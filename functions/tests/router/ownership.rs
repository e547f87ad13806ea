//! Whose files are whose.

use crate::harness::router::{download_url, upload_url};
use crate::harness::{Router, Token, form};

#[tokio::test]
async fn without_a_token_nothing_is_written_or_read() {
    let router = Router::start().await;
    router
        .upload("U1", &Token::of("U1").signed(), "a.webm", b"mine")
        .await;
    let before = router.files();
    let body = crate::harness::form::file("b.webm", b"x");
    for call in [
        router.post(&upload_url("U1")).form(body.clone()),
        router.post("/api/v1/upload_chunk/U1").form(body),
        router.get(&download_url("U1", "a.webm")),
        router.get(&download_url("U1", "absent.webm")),
    ] {
        let reply = call.send().await;
        assert!(!reply.detail(401).is_empty());
        assert!(
            reply.header("www-authenticate").starts_with("Bearer"),
            "{reply:?}"
        );
    }
    assert_eq!(router.files(), before);
}

#[tokio::test]
async fn anothers_folder_can_be_neither_written_nor_read() {
    let router = Router::start().await;
    router
        .upload("U1", &Token::of("U1").signed(), "a.webm", b"mine")
        .await;
    let intruder = Token::of("U2").signed();
    let before = router.files();
    let reply = router.upload("U1", &intruder, "a.webm", b"theirs").await;
    assert!(!reply.detail(403).is_empty());
    let body = crate::harness::form::file("b.webm", b"theirs");
    let call = router.post("/api/v1/upload_chunk/U1").bearer(&intruder);
    assert!(!call.form(body).send().await.detail(403).is_empty());
    assert_eq!(router.files(), before);

    let present = router.download("U1", &intruder, "a.webm").await;
    let absent = router.download("U1", &intruder, "absent.webm").await;
    let stranger = router.download("nobody", &intruder, "a.webm").await;
    assert!(!present.detail(403).is_empty());
    for other in [absent, stranger] {
        assert_eq!(
            (other.status, other.body),
            (present.status, present.body.clone())
        );
    }
    let own = router
        .download("U1", &Token::of("U1").signed(), "a.webm")
        .await;
    assert_eq!(own.text(), "mine");
}

#[tokio::test]
async fn names_that_differ_in_case_or_composition_are_different_users() {
    let router = Router::start().await;
    let (composed, decomposed) = ("é", "e\u{301}");
    let uids = [
        ("U1", "U1"),
        ("u1", "u1"),
        (composed, "%C3%A9"),
        (decomposed, "e%CC%81"),
    ];
    for (uid, escaped) in uids {
        let token = Token::of(uid).signed();
        let reply = router
            .upload(escaped, &token, "a.webm", uid.as_bytes())
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for (uid, escaped) in uids {
        let reply = router
            .download(escaped, &Token::of(uid).signed(), "a.webm")
            .await;
        assert_eq!((reply.status, reply.text().as_str()), (200, uid));
    }
    let token = Token::of("U1").signed();
    assert_eq!(router.download("u1", &token, "a.webm").await.status, 403);
}

#[tokio::test]
async fn a_uid_with_a_slash_has_no_folder_inside_anothers() {
    let router = Router::start().await;
    let token = Token::of("U1/x").signed();
    let reply = router.upload("U1%2Fx", &token, "a.webm", b"x").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let files = router.files();
    let stored = |folder: &str| files.iter().filter(|file| file.contains(folder)).count();
    assert_eq!(stored("user_chunks/"), 1, "{files:?}");
    assert_eq!(stored("user_chunks/U1/"), 0, "{files:?}");

    let call = router.post("/api/v1/upload_chunk/U1%2Fx").bearer(&token);
    let reply = call.form(form::file("a.webm", b"x")).send().await.json();
    let key = reply["storage_key"].as_str().unwrap();
    assert!(key.starts_with("user_chunks/U1%2Fx/"), "{key}");
}
