//! Uploads through the chunk endpoints: what is answered and what then lies on the disk.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use crate::harness::router::upload_url;
use crate::harness::{Router, Token, form};

/// Bytes without a pattern that a bug could keep by accident.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next)
        .take(length.div_ceil(8))
        .flatten()
        .collect();
    bytes.truncate(length);
    bytes
}

#[tokio::test]
async fn an_uploaded_file_lies_in_the_users_folder() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let reply = router.upload("U1", &token, "a.webm", b"0123456789").await;
    let message = "Chunk 'a.webm' uploaded successfully for user 'U1'.";
    reply.must_be(200, &json!({"message": message}));
    let stored = std::fs::read(router.disk().join("user_chunks/U1/a.webm")).unwrap();
    assert_eq!(stored, b"0123456789");
    router.nothing_staged().await;
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let reply = router.upload("U1", &token, "empty.webm", b"").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let reply = router.download("U1", &token, "empty.webm").await;
    assert_eq!((reply.status, reply.body.len()), (200, 0), "{reply:?}");
    assert_eq!(reply.header("content-length"), "0");
}

#[tokio::test]
async fn fifty_megabytes_come_back_as_they_went() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let file = noise(50_000_000);
    let body = form::file("big.webm", &file);
    for (name, call) in [
        (
            "declared",
            router.post(&upload_url("U1")).form(body.clone()),
        ),
        (
            "chunked",
            router.post(&upload_url("U1")).form_type().chunked(body),
        ),
    ] {
        let reply = call.bearer(&token).send().await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let reply = router.download("U1", &token, "big.webm").await;
        assert_eq!(reply.body.len(), file.len(), "{name}");
        let (sent, came) = (digest(&SHA256, &file), digest(&SHA256, &reply.body));
        assert_eq!(came.as_ref(), sent.as_ref(), "{name}");
    }
}

#[tokio::test]
async fn content_that_looks_like_a_boundary_stays_content() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let boundary = String::from_utf8(form::end()).unwrap();
    let boundary = boundary.trim_end();
    for file in [
        format!("{boundary}x"),
        format!("a\r\n{}", &boundary[..boundary.len() - 3]),
        "\r\n\r\n--\r\n".to_owned(),
        "\r\n".to_owned(),
    ] {
        let reply = router.upload("U1", &token, "a.webm", file.as_bytes()).await;
        assert_eq!(reply.status, 200, "{file:?}: {reply:?}");
        let reply = router.download("U1", &token, "a.webm").await;
        assert_eq!(reply.text(), file);
    }
}

#[tokio::test]
async fn a_second_upload_of_a_name_takes_the_place_of_the_first() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    for file in ["a longer first version", "second", ""] {
        let reply = router.upload("U1", &token, "a.webm", file.as_bytes()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(router.download("U1", &token, "a.webm").await.text(), file);
    }
    let files = router.files();
    let versions = files.iter().filter(|path| path.contains("a.webm")).count();
    assert_eq!(versions, 1, "{files:?}");
}

#[tokio::test]
async fn whoever_uploads_at_the_same_time_wins_whole() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let uploads: Vec<_> = (0..16_u8)
        .map(|number| form::file("a.webm", &vec![b'a' + number; 100_000]))
        .map(|body| router.post(&upload_url("U1")).bearer(&token).form(body))
        .map(|call| tokio::spawn(call.send()))
        .collect();
    for upload in uploads {
        let reply = upload.await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let reply = router.download("U1", &token, "a.webm").await;
    assert_eq!(reply.body.len(), 100_000);
    assert!(
        reply.body.iter().all(|byte| *byte == reply.body[0]),
        "two versions mixed"
    );
    router.nothing_staged().await;
}

#[tokio::test]
async fn a_form_without_the_file_is_told_what_is_missing() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let upload = || router.post(&upload_url("U1")).bearer(&token);
    let part = |field, name| [form::part(field, name, b"x"), form::end()].concat();
    for (what, call) in [
        (
            "a part of another name",
            upload().form(part("chunk", Some("a.webm"))),
        ),
        ("a plain field", upload().form(part("file", None))),
        ("an empty form", upload().form(form::end())),
        ("no body", upload()),
        ("no form", upload().body("x")),
        (
            "JSON",
            upload()
                .header("content-type", "application/json")
                .body("{}"),
        ),
    ] {
        let detail = call.send().await.detail(422);
        assert!(detail.contains("file"), "{what}: {detail}");
    }
    router.nothing_staged().await;
    let files = router.files();
    assert!(!files.iter().any(|path| path.contains("U1")), "{files:?}");
}

#[tokio::test]
async fn fields_around_the_file_are_passed_over() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let body = [
        form::part("note", None, b"before"),
        form::part("file", Some("a.webm"), b"content"),
        form::part("note", None, b"after"),
        form::end(),
    ];
    let call = router.post(&upload_url("U1")).bearer(&token);
    let reply = call.form(body.concat()).send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(
        router.download("U1", &token, "a.webm").await.text(),
        "content"
    );
}

#[tokio::test]
async fn the_later_endpoint_stores_under_a_name_of_its_own() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let part = b"Content-Type: video/webm";
    let body = form::file("my file.webm", b"0123456789");
    let body = replace(&body, b"Content-Type: application/octet-stream", part);
    let call = router
        .post("/api/v1/upload_chunk/U1")
        .bearer(&token)
        .form(body);
    let reply = call.send().await;
    assert_eq!(reply.status, 200, "{reply:?}");

    let answer = reply.json();
    let stored = answer["stored_filename"].as_str().unwrap().to_owned();
    let expected = json!({
        "message": "Chunk uploaded successfully. Metadata processing initiated.",
        "user_id": "U1",
        "original_filename": "my file.webm",
        "stored_filename": stored,
        "storage_key": format!("user_chunks/U1/{stored}"),
        "content_type": "video/webm",
        "size": 10,
    });
    assert_eq!(answer, expected);
    let (id, extension) = stored.split_once('.').unwrap();
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(
        (lengths.as_slice(), extension),
        ([8, 4, 4, 4, 12].as_slice(), "webm")
    );

    let file = std::fs::read(router.disk().join("user_chunks/U1").join(&stored)).unwrap();
    assert_eq!(file, b"0123456789");
    let reply = router.download("U1", &token, &stored).await;
    assert_eq!(reply.text(), "0123456789");
}

fn replace(body: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = body
        .windows(old.len())
        .position(|window| window == old)
        .unwrap();
    [&body[..at], new, &body[at + old.len()..]].concat()
}

#[tokio::test]
async fn another_method_is_refused_with_the_one_to_use() {
    let router = Router::start().await;
    let body = json!({"detail": "Method Not Allowed"});
    let token = Token::of("U1").signed();
    for target in ["/api/v1/chunks/upload_chunk/U1", "/api/v1/upload_chunk/U1"] {
        for method in ["GET", "PUT", "DELETE"] {
            let reply = router.call(method, target).bearer(&token).send().await;
            reply.must_be(405, &body);
            assert!(reply.header("allow").contains("POST"), "{reply:?}");
        }
    }
    for method in ["POST", "PUT", "DELETE"] {
        let target = "/api/v1/chunks/download_chunk/U1/a.webm";
        let reply = router.call(method, target).bearer(&token).send().await;
        reply.must_be(405, &body);
        assert!(reply.header("allow").contains("GET"), "{reply:?}");
    }
}
