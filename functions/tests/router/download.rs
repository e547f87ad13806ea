//! Downloads: the bytes, and what is said about them.

use serde_json::json;

use crate::harness::router::download_url;
use crate::harness::{Router, Token};

#[tokio::test]
async fn a_file_comes_back_as_an_attachment() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"0123456789").await;
    let reply = router.download("U1", &token, "a.webm").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "0123456789"));
    for (header, expected) in [
        ("content-type", "video/webm"),
        ("content-length", "10"),
        ("content-disposition", "attachment; filename=\"a.webm\""),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(reply.header(header), expected, "{header}");
    }
    let etag = reply.header("etag");
    assert!(
        etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
        "{etag}"
    );
    assert!(reply.header("last-modified").ends_with(" GMT"), "{reply:?}");
}

#[tokio::test]
async fn head_says_what_get_would() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"0123456789").await;
    let get = router.download("U1", &token, "a.webm").await;
    let call = router
        .call("HEAD", &download_url("U1", "a.webm"))
        .bearer(&token);
    let head = call.send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for header in [
        "content-type",
        "content-length",
        "content-disposition",
        "etag",
    ] {
        assert_eq!(head.header(header), get.header(header), "{header}");
    }
    let call = router
        .call("HEAD", &download_url("U1", "absent.webm"))
        .bearer(&token);
    assert_eq!(call.send().await.status, 404);
}

#[tokio::test]
async fn the_type_follows_from_the_extension_alone() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    for (name, expected) in [
        ("a.webm", "video/webm"),
        ("a.WEBM", "video/webm"),
        ("a.mp4", "video/mp4"),
        ("a.json", "application/json"),
        ("a.unknown-extension", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ] {
        router.upload("U1", &token, name, b"x").await;
        let reply = router.download("U1", &token, name).await;
        let media_type = reply.header("content-type").split(';').next();
        assert_eq!(media_type, Some(expected), "{name}");
    }
}

#[tokio::test]
async fn a_page_that_was_uploaded_is_never_shown_as_one() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router
        .upload("U1", &token, "a.html", b"<script>alert(1)</script>")
        .await;
    let reply = router.download("U1", &token, "a.html").await;
    assert!(
        reply
            .header("content-disposition")
            .starts_with("attachment"),
        "{reply:?}"
    );
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn a_missing_file_is_said_to_be_missing() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let missing = json!({"detail": "Chunk not found"});
    for name in ["absent.webm", "%D0%B7.webm"] {
        router
            .download("U1", &token, name)
            .await
            .must_be(404, &missing);
    }
    router.upload("U1", &token, "a.webm", b"x").await;
    for name in ["a.web", "a.webm2", "A.webm"] {
        router
            .download("U1", &token, name)
            .await
            .must_be(404, &missing);
    }
}
