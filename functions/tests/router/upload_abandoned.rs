//! Uploads that do not end well leave nothing behind.

use crate::harness::router::upload_url;
use crate::harness::{Launch, Router, Token, Wire, eventually, form};

/// An upload of `U1` that has sent its head and part of the file; the router is writing it.
async fn half_an_upload(router: &Router, total: usize) -> Wire {
    let token = Token::of("U1").signed();
    let call = router.post(&upload_url("U1")).bearer(token);
    let call = call.form_type().header("content-length", total.to_string());
    let mut wire = Wire::open(router.address).await;
    wire.send(call.body("").head()).await;
    wire.send(form::opening("file", Some("a.webm"))).await;
    wire.send(vec![b'x'; 200_000]).await;
    eventually("the upload is being written", async || {
        !router.staged().is_empty()
    })
    .await;
    wire
}

async fn nothing_is_left(router: &Router) {
    router.nothing_staged().await;
    let files = router.files();
    assert!(
        !files.iter().any(|path| path.contains("a.webm")),
        "{files:?}"
    );
    let token = Token::of("U1").signed();
    assert_eq!(router.download("U1", &token, "a.webm").await.status, 404);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing() {
    let router = Router::start().await;
    drop(half_an_upload(&router, 1_000_000).await);
    nothing_is_left(&router).await;
}

#[tokio::test]
async fn a_client_that_falls_silent_is_let_go_and_leaves_nothing() {
    let timeout = "{ total = \"1h\", idle = \"1s\" }";
    let router = Launch::new()
        .set("functions.chunks", "timeout", timeout)
        .start()
        .await;
    let mut wire = half_an_upload(&router, 1_000_000).await;
    wire.answer().await.detail(408);
    assert!(wire.is_closed().await);
    nothing_is_left(&router).await;
}

#[tokio::test]
async fn a_form_that_ends_before_its_last_boundary_leaves_nothing() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let body = [form::opening("file", Some("a.webm")), vec![b'x'; 200_000]].concat();
    for call in [
        router.post(&upload_url("U1")).form(body.clone()),
        router.post(&upload_url("U1")).form_type().chunked(body),
    ] {
        assert!(!call.bearer(&token).send().await.detail(400).is_empty());
    }
    nothing_is_left(&router).await;
}

#[tokio::test]
async fn an_abandoned_overwrite_keeps_the_file_that_was_there() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"first").await;
    drop(half_an_upload(&router, 1_000_000).await);
    router.nothing_staged().await;
    assert_eq!(
        router.download("U1", &token, "a.webm").await.text(),
        "first"
    );
}

#[tokio::test]
async fn what_a_killed_router_left_unfinished_is_gone_after_the_next_start() {
    let mut router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "kept.webm", b"kept").await;
    let wire = half_an_upload(&router, 1_000_000).await;
    router.kill().await;
    drop(wire);
    assert!(!router.staged().is_empty());

    let router = router.restart().await;
    nothing_is_left(&router).await;
    assert_eq!(
        router.download("U1", &token, "kept.webm").await.text(),
        "kept"
    );
}
