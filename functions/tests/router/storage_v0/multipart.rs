//! Uploads in one request.

use serde_json::json;

use super::{escaped, media, multipart, object, objects, refusal, send, signed_in, upload};
use crate::harness::Router;

const NAME: &str = "user_uploads/U1/a.webm";

#[tokio::test]
async fn an_upload_is_answered_with_the_metadata_of_the_object() {
    let router = Router::start().await;
    let said = json!({"contentType": "text/plain", "metadata": {"k": "ü"}});
    let answer = upload(&router, "user_uploads/U1/ü b.txt", said, b"hello").await;
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    for (key, expected) in [
        ("name", "user_uploads/U1/ü b.txt"),
        ("bucket", "holograms-media.firebasestorage.app"),
        ("metageneration", "1"),
        ("contentType", "text/plain"),
        ("size", "5"),
        ("md5Hash", "XUFAKrxLKna5cZ2REBfFkg=="),
        ("crc32c", "mnG7TA=="),
        ("contentEncoding", "identity"),
        (
            "contentDisposition",
            "inline; filename*=utf-8''%C3%BC%20b.txt",
        ),
        ("storageClass", "STANDARD"),
    ] {
        assert_eq!(text(key), expected, "{key}: {answer}");
    }
    assert_eq!(answer["metadata"], json!({"k": "ü"}));
    assert_eq!(text("generation").len(), 16, "{answer}");
    assert_eq!(text("downloadTokens").len(), 36, "{answer}");
    assert_eq!(text("timeCreated").len(), "2026-11-23T06:29:06.952Z".len());
}

#[tokio::test]
async fn the_bytes_come_back_however_they_look() {
    let router = Router::start().await;
    let large = vec![b'x'; 262_144];
    let boundary = b"\r\n--00047299413842398400893--\r\n\r\n--00047299413842398400893x".as_slice();
    for file in [b"".as_slice(), b"hello", b"\r\n", boundary, &large] {
        upload(&router, NAME, json!({}), file).await;
        let reply = send(router.get(&media(NAME))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.body, file);
    }
}

#[tokio::test]
async fn every_way_of_writing_the_same_form_is_read() {
    let router = Router::start().await;
    let target = format!("{}?name={}", objects(), escaped(NAME));
    let json = "Content-Type: application/json\r\n\r\n{\"contentType\":\"text/plain\"}";
    for (boundary, end) in [
        ("b", ""),
        ("\"b\"", ""),
        ("b", "\r\n"),
        ("\"b\"; x=y", "\r\n"),
    ] {
        let body = format!("--b\r\n{json}\r\n--b\r\nContent-Type: a/b\r\n\r\ndata\r\n--b--{end}");
        let call = router
            .post(&target)
            .header("x-goog-upload-protocol", "multipart")
            .header(
                "content-type",
                format!("multipart/related; boundary={boundary}"),
            );
        let reply = send(call.chunked(body)).await;
        assert_eq!(reply.status, 200, "{boundary} {end:?}: {reply:?}");
        assert_eq!(reply.json()["contentType"], "text/plain");
        assert_eq!(reply.json()["size"], "4");
    }
}

#[tokio::test]
async fn a_broken_form_is_refused_and_leaves_nothing() {
    let router = Router::start().await;
    let target = format!("{}?name={}", objects(), escaped(NAME));
    let one = "--b\r\n\r\n{}\r\n--b--";
    let cut = "--b\r\n\r\n{}\r\n--b\r\n\r\ndata";
    let three = "--b\r\n\r\n{}\r\n--b\r\n\r\ndata\r\n--b\r\n\r\nmore\r\n--b--";
    let no_json = "--b\r\n\r\n{\r\n--b\r\n\r\ndata\r\n--b--";
    let parts = "Unexpected number of parts in request body";
    for (content_type, body, expected) in [
        ("multipart/related; boundary=b", one, parts),
        ("multipart/related; boundary=b", cut, parts),
        ("multipart/related; boundary=b", three, parts),
        (
            "multipart/related; boundary=b",
            no_json,
            "The metadata is not what it should be.",
        ),
        ("text/plain", one, "Bad content type. text/plain"),
        (
            "multipart/form-data; boundary=b",
            one,
            "Bad content type. multipart/form-data; boundary=b",
        ),
    ] {
        let call = router
            .post(&target)
            .header("x-goog-upload-protocol", "multipart")
            .header("content-type", content_type);
        let reply = send(call.body(body)).await;
        assert_eq!(refusal(&reply, 400), expected, "{body:?}");
    }
    router.nothing_staged().await;
    assert_eq!(send(router.get(&object(NAME))).await.status, 404);
}

#[tokio::test]
async fn bytes_with_another_hash_than_was_said_become_no_object() {
    let router = Router::start().await;
    for md5 in [
        "1B2M2Y8AsgTpgAmY7PhCfg==",
        "5d41402abc4b2a76b9719d911017c592",
        "x",
    ] {
        let said = json!({"md5Hash": md5});
        refusal(&send(multipart(&router, NAME, &said, b"hello")).await, 400);
    }
    assert_eq!(send(router.get(&object(NAME))).await.status, 404);
    router.nothing_staged().await;
    let said = json!({"md5Hash": "XUFAKrxLKna5cZ2REBfFkg=="});
    upload(&router, NAME, said, b"hello").await;
}

#[tokio::test]
async fn bytes_alone_are_an_upload_too() {
    let router = Router::start().await;
    let target = format!("{}?name={}", objects(), escaped(NAME));
    let call = router.post(&target).header("content-type", "video/webm");
    let reply = send(call.body("0123456789")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["contentType"], "video/webm");
    assert_eq!(reply.json()["size"], "10");
    assert_eq!(send(router.get(&media(NAME))).await.text(), "0123456789");

    let nameless = router.post(&objects()).header("content-type", "video/webm");
    refusal(&send(nameless.body("0123456789")).await, 400);
}

#[tokio::test]
async fn the_name_may_stand_in_the_metadata_alone() {
    let router = Router::start().await;
    let body = format!("--b\r\n\r\n{{\"name\":\"{NAME}\"}}\r\n--b\r\n\r\ndata\r\n--b--");
    let call = |uid| {
        let call = router
            .post(&objects())
            .header("x-goog-upload-protocol", "multipart")
            .header("content-type", "multipart/related; boundary=b");
        signed_in(call.body(body.clone()), uid)
    };
    refusal(&call("U2").send().await, 403);
    let reply = call("U1").send().await;
    assert_eq!(reply.json()["name"], NAME);
}

#[tokio::test]
async fn an_overwritten_object_keeps_nothing_of_the_former_one() {
    let router = Router::start().await;
    let said = json!({"cacheControl": "no-store", "metadata": {"old": "1"}});
    let first = upload(&router, NAME, said, b"first").await;
    let second = upload(&router, NAME, json!({"metadata": {"new": "2"}}), b"second!").await;
    let generation = |answer: &serde_json::Value| -> i64 {
        answer["generation"].as_str().unwrap().parse().unwrap()
    };
    assert!(generation(&second) > generation(&first));
    assert_eq!(second["metageneration"], "1");
    assert_eq!(second["metadata"], json!({"new": "2"}));
    assert_eq!(second.get("cacheControl"), None);
    assert_ne!(second["downloadTokens"], first["downloadTokens"]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_for_good() {
    let router = crate::harness::Launch::new()
        .set("buckets.chunks", "max_object", "\"1KiB\"")
        .set("buckets.chunks", "quota_per_user", "\"1500B\"")
        .start()
        .await;
    let call = multipart(&router, NAME, &json!({}), &[0; 1025]);
    refusal(&send(call).await, 413);
    upload(&router, NAME, json!({}), &[0; 1000]).await;
    let other = "user_uploads/U1/other";
    // What the SDKs call `storage/quota-exceeded`.
    refusal(
        &send(multipart(&router, other, &json!({}), &[0; 1000])).await,
        402,
    );
    router.nothing_staged().await;
}
