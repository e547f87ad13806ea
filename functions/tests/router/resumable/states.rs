//! What an upload still takes when it is active, finished or cancelled, and from whom.

use serde_json::json;

use super::{
    BLOCK, NAME, chunk, command, content, finished, must_hold, query, standing, stands, start,
    start_call,
};
use crate::harness::{Launch, Router, Token};
use crate::storage_v0::{escaped, object, objects, refusal, send, signed_in};

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

/// A connection ends while the server makes the object, and the SDK sends the last chunk again at once.
#[tokio::test]
async fn a_last_chunk_that_comes_again_meanwhile_finds_the_upload_finished() {
    let router = Router::start().await;
    let file = content(8 * BLOCK + 5);
    let target = start(&router, Some(file.len())).await;
    chunk(&router, &target, "upload", 0, &file[..8 * BLOCK]).await;
    let last = || {
        chunk(
            &router,
            &target,
            "upload, finalize",
            8 * BLOCK,
            &file[8 * BLOCK..],
        )
    };
    let replies = futures_util::future::join_all((0..8).map(|_| last())).await;
    let made: Vec<_> = replies
        .iter()
        .filter(|reply| reply.status == 200)
        .map(|reply| finished(reply, file.len()))
        .collect();
    assert!(!made.is_empty());
    assert!(made.iter().all(|answer| *answer == made[0]), "{made:?}");
    // Whoever was sent away was overtaken before there was an object, and can ask.
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        refusal(reply, 409);
        assert_eq!(standing(reply).0, "active");
    }
    assert_eq!(router.ledger("SELECT kind FROM events").len(), 1);
    must_hold(&router, &file).await;
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
    for offset in ["-1", "+0", "NaN", "1e3", "", "0, 0", "99999999999999999999"] {
        let call = command(&router, &target, "upload").header("x-goog-upload-offset", offset);
        refusal(&call.body("x").send().await, 400);
    }
    assert_eq!(query(&router, &target).await, stands("active", 0));
}

#[tokio::test]
async fn only_a_start_needs_no_upload() {
    let router = Router::start().await;
    for words in [
        "query",
        "cancel",
        "upload",
        "finalize",
        "upload, finalize",
        "start, upload",
        "x",
    ] {
        let call = router
            .post(&format!("{}?name={}", objects(), escaped(NAME)))
            .header("x-goog-upload-protocol", "resumable")
            .header("x-goog-upload-command", words);
        let reply = send(call.body("{}")).await;
        refusal(&reply, 400);
        assert_eq!(reply.header("x-goog-upload-url"), "");
    }
    router.nothing_staged().await;
}

#[tokio::test]
async fn who_is_denied_is_denied_at_the_start() {
    let router = Router::start().await;
    let reply = signed_in(start_call(&router, None), "U2").send().await;
    assert_eq!(refusal(&reply, 403), "Permission denied.");
    assert_eq!(reply.header("x-goog-upload-url"), "");
    refusal(&start_call(&router, None).send().await, 401);
    let named_in_the_body = || {
        router
            .post(&objects())
            .header("x-goog-upload-command", "start")
            .body(json!({"name": NAME}).to_string())
    };
    refusal(&signed_in(named_in_the_body(), "U2").send().await, 403);
    router.nothing_staged().await;
    assert_eq!(send(named_in_the_body()).await.status, 200);
    refusal(
        &send(
            router
                .post(&objects())
                .header("x-goog-upload-command", "start"),
        )
        .await,
        400,
    );
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
async fn the_id_of_an_upload_is_all_it_takes_to_go_on() {
    let router = Router::start().await;
    let path = start(&router, Some(5)).await;
    let call = command(&router, &path, "upload, finalize")
        .header("x-goog-upload-offset", "0")
        .bearer(Token::of("U2").claim("exp", 1).signed());
    finished(&call.body("hello").send().await, 5);
}
