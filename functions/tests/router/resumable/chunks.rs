//! Which bytes of which request become the object, whatever happened on the way.

use serde_json::json;

use super::{
    BLOCK, NAME, chunk, command, content, finished, must_be_active, must_hold, query, standing,
    stands, start, start_call, target,
};
use crate::harness::{Router, Wire, eventually};
use crate::storage_v0::{object, refusal, send};

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
async fn an_upload_of_other_bytes_than_were_meant_is_over() {
    let router = Router::start().await;
    for (md5, status) in [
        ("XUFAKrxLKna5cZ2REBfFkg==", 200),
        ("1B2M2Y8AsgTpgAmY7PhCfg==", 400),
    ] {
        let said = json!({"md5Hash": md5}).to_string();
        let reply = send(start_call(&router, Some(5)).body(said)).await;
        let target = target(&router, reply.header("x-goog-upload-url"));
        let reply = chunk(&router, &target, "upload, finalize", 0, b"hello").await;
        assert_eq!(reply.status, status, "{reply:?}");
        let state = if status == 200 { "final" } else { "cancelled" };
        assert_eq!(reply.header("x-goog-upload-status"), state);
        assert_eq!(query(&router, &target).await.0, state);
    }
    assert_eq!(router.ledger("SELECT kind FROM events").len(), 1);
    refusal(
        &send(start_call(&router, None).body(r#"{"md5Hash":"x"}"#)).await,
        400,
    );
    router.nothing_staged().await;
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
