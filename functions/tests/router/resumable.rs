//! Uploads that take several requests.

use serde_json::{Value, json};

use crate::harness::event::BUCKET;
use crate::harness::{Call, Launch, ORIGIN, Reply, Router, Token, Wire, eventually};
use crate::storage_v0::{escaped, media, object, objects, refusal, send, signed_in};

const NAME: &str = "user_uploads/U1/ü b.webm";
/// What the answers say chunks are multiples of.
const BLOCK: usize = 262_144;

/// Bytes of which each block differs from the others.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 1000 + at) as u8).collect()
}

fn start_call(router: &Router, length: Option<usize>) -> Call {
    let said = json!({"name": NAME, "contentType": "video/webm", "metadata": {"k": "v"}});
    let mut call = router
        .post(&format!("{}?name={}", objects(), escaped(NAME)))
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .header("x-goog-upload-header-content-type", "video/webm")
        .header("content-type", "application/json; charset=utf-8");
    if let Some(length) = length {
        call = call.header("x-goog-upload-header-content-length", length.to_string());
    }
    call.body(said.to_string())
}

/// The path and query of the upload's URL.
async fn start(router: &Router, length: Option<usize>) -> String {
    let reply = send(start_call(router, length)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    target(router, reply.header("x-goog-upload-url"))
}

fn target(router: &Router, url: &str) -> String {
    let origin = format!("http://{}", router.address);
    let target = url.strip_prefix(&origin);
    target
        .unwrap_or_else(|| panic!("{url} is not at {origin}"))
        .to_owned()
}

/// Without a token, as the SDK of iOS sends it.
fn command(router: &Router, target: &str, command: &str) -> Call {
    router.post(target).header("x-goog-upload-command", command)
}

async fn chunk(router: &Router, target: &str, words: &str, offset: usize, bytes: &[u8]) -> Reply {
    let call = command(router, target, words).header("x-goog-upload-offset", offset.to_string());
    call.body(bytes).send().await
}

async fn query(router: &Router, target: &str) -> (String, String) {
    let reply = command(router, target, "query").body("").send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    standing(&reply)
}

fn standing(reply: &Reply) -> (String, String) {
    let status = reply.header("x-goog-upload-status");
    let received = reply.header("x-goog-upload-size-received");
    (status.to_owned(), received.to_owned())
}

fn stands(status: &str, received: usize) -> (String, String) {
    (status.to_owned(), received.to_string())
}

#[track_caller]
fn must_be_active(reply: &Reply, received: usize) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(standing(reply), stands("active", received), "{reply:?}");
}

/// The metadata that a finished upload is answered with.
#[track_caller]
fn finished(reply: &Reply, size: usize) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(standing(reply), stands("final", size), "{reply:?}");
    let answer = reply.json();
    assert_eq!(answer["name"], NAME);
    assert_eq!(answer["size"], size.to_string());
    answer
}

async fn must_hold(router: &Router, file: &[u8]) {
    let reply = send(router.get(&media(NAME))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(
        reply.body == file,
        "{} bytes of {}",
        reply.body.len(),
        file.len()
    );
}

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

#[tokio::test]
async fn an_upload_may_end_without_further_bytes() {
    let router = Router::start().await;
    let file = content(2 * BLOCK);
    let target = start(&router, Some(file.len())).await;
    must_be_active(
        &chunk(&router, &target, "upload", 0, &file).await,
        file.len(),
    );
    let reply = command(&router, &target, "finalize").send().await;
    finished(&reply, file.len());
    must_hold(&router, &file).await;

    let target = start(&router, None).await;
    finished(&chunk(&router, &target, "finalize", 0, b"").await, 0);
    must_hold(&router, b"").await;
}

#[tokio::test]
async fn the_same_chunk_twice_is_there_once() {
    let router = Router::start().await;
    let file = content(4 * BLOCK);
    let target = start(&router, Some(file.len())).await;
    for (from, to, received) in [(0, 1, 1), (0, 1, 1), (0, 2, 2), (1, 3, 3)] {
        let bytes = &file[from * BLOCK..to * BLOCK];
        let reply = chunk(&router, &target, "upload", from * BLOCK, bytes).await;
        must_be_active(&reply, received * BLOCK);
    }
    let from = 2 * BLOCK;
    let reply = chunk(&router, &target, "upload, finalize", from, &file[from..]).await;
    finished(&reply, file.len());
    must_hold(&router, &file).await;
}

#[tokio::test]
async fn a_gap_is_refused_with_where_to_go_on() {
    let router = Router::start().await;
    let file = content(3 * BLOCK);
    let target = start(&router, Some(file.len())).await;
    must_be_active(
        &chunk(&router, &target, "upload", 0, &file[..BLOCK]).await,
        BLOCK,
    );
    for words in ["upload", "upload, finalize"] {
        let reply = chunk(&router, &target, words, 2 * BLOCK, &file[2 * BLOCK..]).await;
        refusal(&reply, 400);
        assert_eq!(standing(&reply), stands("active", BLOCK));
    }
    let reply = chunk(&router, &target, "upload, finalize", BLOCK, &file[BLOCK..]).await;
    finished(&reply, file.len());
    must_hold(&router, &file).await;
}

#[tokio::test]
async fn a_chunk_in_the_midst_that_is_no_multiple_is_refused_not_lost() {
    let router = Router::start().await;
    let file = content(BLOCK + 1000);
    let target = start(&router, None).await;
    let reply = chunk(&router, &target, "upload", 0, &file).await;
    refusal(&reply, 400);
    assert_eq!(standing(&reply), stands("active", BLOCK));
    let reply = chunk(&router, &target, "upload, finalize", BLOCK, &file[BLOCK..]).await;
    finished(&reply, file.len());
    must_hold(&router, &file).await;
}

#[tokio::test]
async fn an_upload_of_another_length_than_declared_is_not_finished() {
    let router = Router::start().await;
    let file = content(2 * BLOCK);
    let target = start(&router, Some(file.len())).await;
    let reply = chunk(&router, &target, "upload, finalize", 0, &file[..BLOCK]).await;
    refusal(&reply, 400);
    assert_eq!(standing(&reply), stands("active", BLOCK));
    assert_eq!(send(router.get(&object(NAME))).await.status, 404);
    let reply = chunk(&router, &target, "upload, finalize", BLOCK, &file[BLOCK..]).await;
    finished(&reply, file.len());
}

#[tokio::test]
async fn the_last_answer_is_given_again() {
    let router = Router::start().await;
    let target = start(&router, Some(5)).await;
    let first = finished(
        &chunk(&router, &target, "upload, finalize", 0, b"hello").await,
        5,
    );
    for (words, offset, bytes) in [
        ("upload, finalize", 0, b"hello".as_slice()),
        ("finalize", 5, b""),
    ] {
        let again = finished(&chunk(&router, &target, words, offset, bytes).await, 5);
        assert_eq!(again, first);
    }
    assert_eq!(query(&router, &target).await, stands("final", 5));
    let finalized = router.ledger("SELECT kind FROM events");
    assert_eq!(finalized.len(), 1, "{finalized:?}");
}

#[tokio::test]
async fn a_finished_upload_takes_nothing_more_and_is_not_cancelled() {
    let router = Router::start().await;
    let target = start(&router, Some(5)).await;
    finished(
        &chunk(&router, &target, "upload, finalize", 0, b"hello").await,
        5,
    );
    let reply = chunk(&router, &target, "upload", 5, b"more").await;
    refusal(&reply, 400);
    assert_eq!(standing(&reply), stands("final", 5));
    refusal(&command(&router, &target, "cancel").send().await, 400);
    must_hold(&router, b"hello").await;
}

#[tokio::test]
async fn a_cancelled_upload_stays_cancelled() {
    let router = Router::start().await;
    let target = start(&router, Some(2 * BLOCK)).await;
    chunk(&router, &target, "upload", 0, &content(BLOCK)).await;
    for _ in 0..2 {
        let reply = command(&router, &target, "cancel").send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("x-goog-upload-status"), "cancelled");
    }
    assert_eq!(query(&router, &target).await.0, "cancelled");
    for words in ["upload", "finalize", "upload, finalize", "finalize"] {
        let reply = chunk(&router, &target, words, BLOCK, &content(BLOCK)).await;
        refusal(&reply, 400);
        assert_eq!(reply.header("x-goog-upload-status"), "cancelled");
    }
    assert_eq!(send(router.get(&object(NAME))).await.status, 404);
    router.nothing_staged().await;
}

#[tokio::test]
async fn an_unknown_upload_and_an_unknown_command_are_refused() {
    let router = Router::start().await;
    let target = format!(
        "{}?name=x&upload_id=unknown&upload_protocol=resumable",
        objects()
    );
    for words in ["query", "cancel", "upload", "finalize", "upload, finalize"] {
        refusal(&command(&router, &target, words).send().await, 404);
    }
    let target = start(&router, None).await;
    for words in ["", "start", "upload, query", "x"] {
        refusal(&command(&router, &target, words).send().await, 400);
    }
    refusal(&router.post(&target).send().await, 400);
    let call = command(&router, &target, "upload").header("x-goog-upload-offset", "x");
    refusal(&call.body("x").send().await, 400);
    assert_eq!(query(&router, &target).await, stands("active", 0));
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

#[tokio::test]
async fn who_is_denied_is_denied_at_the_start() {
    let router = Router::start().await;
    let reply = signed_in(start_call(&router, None), "U2").send().await;
    assert_eq!(refusal(&reply, 403), "Permission denied.");
    assert_eq!(reply.header("x-goog-upload-url"), "");
    refusal(&start_call(&router, None).send().await, 401);
    router.nothing_staged().await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_before_its_first_byte() {
    let router = Launch::new()
        .set("buckets.chunks", "max_object", "\"1MiB\"")
        .set("buckets.chunks", "quota_per_user", "\"512KiB\"")
        .start()
        .await;
    refusal(&send(start_call(&router, Some(2 << 20))).await, 413);
    // What the SDKs call `storage/quota-exceeded`.
    refusal(&send(start_call(&router, Some(1 << 20))).await, 402);
    let reply = send(start_call(&router, Some(1)).header("x-goog-upload-offset", "0")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let malformed = start_call(&router, None).header("x-goog-upload-content-length", "x");
    refusal(&send(malformed).await, 400);

    let target = start(&router, None).await;
    let reply = chunk(&router, &target, "upload, finalize", 0, &content(3 * BLOCK)).await;
    refusal(&reply, 402);
}

#[tokio::test]
async fn of_two_uploads_to_one_object_the_last_to_end_wins() {
    let router = Router::start().await;
    let (one, other) = (content(2 * BLOCK), vec![7; 2 * BLOCK]);
    let first = start(&router, Some(one.len())).await;
    let second = start(&router, Some(other.len())).await;
    chunk(&router, &first, "upload", 0, &one[..BLOCK]).await;
    chunk(&router, &second, "upload", 0, &other[..BLOCK]).await;
    let reply = chunk(&router, &second, "upload, finalize", BLOCK, &other[BLOCK..]).await;
    finished(&reply, other.len());
    must_hold(&router, &other).await;
    let reply = chunk(&router, &first, "upload, finalize", BLOCK, &one[BLOCK..]).await;
    finished(&reply, one.len());
    must_hold(&router, &one).await;
}

#[tokio::test]
async fn a_connection_that_breaks_loses_no_whole_block() {
    let router = Router::start().await;
    let file = content(4 * BLOCK);
    let target = start(&router, Some(file.len())).await;
    let call = command(&router, &target, "upload, finalize").header("x-goog-upload-offset", "0");
    let mut wire = Wire::open(router.address).await;
    wire.send(call.body(file.clone()).head()).await;
    wire.send(&file[..2 * BLOCK + 1000]).await;
    drop(wire);
    eventually("two blocks are there", async || {
        query(&router, &target).await == stands("active", 2 * BLOCK)
    })
    .await;
    let from = 2 * BLOCK;
    let reply = chunk(&router, &target, "upload, finalize", from, &file[from..]).await;
    finished(&reply, file.len());
    must_hold(&router, &file).await;
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let mut router = Router::start().await;
    let file = content(3 * BLOCK);
    let path = start(&router, Some(file.len())).await;
    must_be_active(
        &chunk(&router, &path, "upload", 0, &file[..BLOCK]).await,
        BLOCK,
    );
    router.kill().await;
    let router = router.restart().await;
    assert_eq!(query(&router, &path).await, stands("active", BLOCK));
    let reply = chunk(&router, &path, "upload, finalize", BLOCK, &file[BLOCK..]).await;
    finished(&reply, file.len());
    must_hold(&router, &file).await;
}

#[tokio::test]
async fn the_id_of_an_upload_is_all_it_takes_to_go_on() {
    let router = Router::start().await;
    let path = start(&router, Some(5)).await;
    let call = command(&router, &path, "upload, finalize")
        .header("x-goog-upload-offset", "0")
        .bearer(Token::of("U2").claim("exp", 1).signed());
    finished(&call.body("hello").send().await, 5);
}
