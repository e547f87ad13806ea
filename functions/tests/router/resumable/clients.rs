//! What the SDKs of the web, iOS and Android send.

use serde_json::json;

use super::{
    BLOCK, NAME, chunk, command, content, finished, must_be_active, must_hold, start, start_call,
    target,
};
use crate::harness::event::BUCKET;
use crate::harness::{Launch, ORIGIN, Router};
use crate::storage_v0::{escaped, object, objects, send};

#[tokio::test]
async fn the_start_answers_with_a_url_to_go_on_at() {
    let router = Router::start().await;
    let call = start_call(&router, Some(3 << 20)).header("origin", ORIGIN);
    let reply = send(call).await;
    must_be_active(&reply, 0);
    assert_eq!(
        reply.header("x-goog-upload-chunk-granularity"),
        BLOCK.to_string()
    );
    let url = reply.header("x-goog-upload-url");
    let id = reply.header("x-guploader-uploadid");
    let expected = format!(
        "http://{}/v0/b/{BUCKET}/o?name=user_uploads%2FU1%2F%C3%BC%20b.webm&upload_id={id}\
         &upload_protocol=resumable",
        router.address
    );
    assert_eq!(url, expected);
    assert_eq!(reply.header("x-goog-upload-control-url"), url);
    assert!(id.len() >= 22, "{id} can be guessed");
    let exposed = reply.header("access-control-expose-headers");
    for header in [
        "x-goog-upload-url",
        "x-goog-upload-status",
        "x-goog-upload-size-received",
    ] {
        assert!(exposed.contains(header), "{exposed}");
    }
    assert_eq!(send(router.get(&object(NAME))).await.status, 404);
}

#[tokio::test]
async fn behind_tls_the_url_is_that_of_the_edge() {
    let router = Launch::new()
        .env("TRUSTED_PROXIES", "127.0.0.1")
        .start()
        .await;
    let call = start_call(&router, None)
        .header("x-forwarded-proto", "https")
        .header("host", "files.example.com");
    let reply = send(call).await;
    let url = reply.header("x-goog-upload-url");
    assert!(url.starts_with("https://files.example.com/v0/b/"), "{url}");
}

/// The sequence of `uploadBytesResumable` for 3 MiB: chunks that double.
#[tokio::test]
async fn what_came_in_chunks_is_one_object() {
    let router = Router::start().await;
    let file = content(12 * BLOCK);
    let target = start(&router, Some(file.len())).await;
    for (from, to) in [(0, 1), (1, 3), (3, 7)] {
        let (from, to) = (from * BLOCK, to * BLOCK);
        let reply = chunk(&router, &target, "upload", from, &file[from..to]).await;
        must_be_active(&reply, to);
    }
    let from = 7 * BLOCK;
    let reply = chunk(&router, &target, "upload, finalize", from, &file[from..]).await;
    let answer = finished(&reply, file.len());
    assert_eq!(answer["contentType"], "video/webm");
    assert_eq!(answer["metadata"], json!({"k": "v"}));
    assert_eq!(answer["downloadTokens"].as_str().unwrap().len(), 36);
    assert_eq!(
        answer["contentDisposition"],
        "inline; filename*=utf-8''%C3%BC%20b.webm"
    );
    assert_eq!(send(router.get(&object(NAME))).await.json(), answer);
    must_hold(&router, &file).await;
    router.nothing_staged().await;
}

/// Every upload of its SDK is one of these: PUT, other names of the headers, no token with a chunk.
#[tokio::test]
async fn an_upload_from_ios_is_taken() {
    let router = Router::start().await;
    let path = escaped(NAME);
    let call = router
        .post(&format!(
            "{}/{path}?uploadType=resumable&name={path}",
            objects()
        ))
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .header("x-goog-upload-content-type", "video/webm")
        .header("x-goog-upload-content-length", "5")
        .body(r#"{"metadata":{"k":"v"}}"#);
    let reply = send(call).await;
    must_be_active(&reply, 0);
    let target = target(&router, reply.header("x-goog-upload-url"));
    let call = router
        .call("PUT", &target)
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "upload, finalize")
        .header("x-goog-upload-content-length", "5")
        .header("x-goog-upload-offset", "0");
    let answer = finished(&call.body("hello").send().await, 5);
    assert_eq!(answer["contentType"], "video/webm");
    must_hold(&router, b"hello").await;
}

/// A stream of unknown length, and a token with every request.
#[tokio::test]
async fn an_upload_from_android_is_taken() {
    let router = Router::start().await;
    let file = content(BLOCK + 7);
    let call = router
        .post(&format!(
            "{}?name={}&uploadType=resumable",
            objects(),
            escaped(NAME)
        ))
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .header("x-goog-upload-header-content-type", "video/webm")
        .body("{}");
    let reply = send(call).await;
    let target = target(&router, reply.header("x-goog-upload-url"));
    for (words, from, to) in [
        ("upload", 0, BLOCK),
        ("upload, finalize", BLOCK, file.len()),
    ] {
        let call = command(&router, &target, words)
            .header("x-goog-upload-protocol", "resumable")
            .header("x-goog-upload-offset", from.to_string());
        let reply = send(call.body(&file[from..to])).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    must_hold(&router, &file).await;
}
