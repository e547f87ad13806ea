//! Downloads: the bytes, in whole or in part, and what is said about them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{media, send, upload};
use crate::harness::{Router, Token};

const NAME: &str = "user_uploads/U1/ü b.txt";
const FILE: &[u8] = b"0123456789";

#[tokio::test]
async fn a_download_says_what_cloud_storage_would() {
    let router = Router::start().await;
    let said = json!({"contentType": "text/plain", "contentLanguage": "de"});
    let answer = upload(&router, NAME, said, FILE).await;
    let reply = send(router.get(&media(NAME))).await;
    assert_eq!((reply.status, &*reply.body), (200, FILE));
    let (crc32c, md5) = (&answer["crc32c"], &answer["md5Hash"]);
    let hash = format!(
        "crc32c={},md5={}",
        crc32c.as_str().unwrap(),
        md5.as_str().unwrap()
    );
    let etag = format!("\"{}\"", answer["etag"].as_str().unwrap());
    for (header, expected) in [
        ("accept-ranges", "bytes"),
        ("content-type", "text/plain"),
        ("content-length", "10"),
        ("content-language", "de"),
        (
            "content-disposition",
            "inline; filename*=utf-8''%C3%BC%20b.txt",
        ),
        ("cache-control", "private, max-age=0"),
        ("x-goog-generation", answer["generation"].as_str().unwrap()),
        ("x-goog-metageneration", "1"),
        ("x-goog-storage-class", "STANDARD"),
        ("x-goog-hash", &hash),
        ("etag", &etag),
        ("x-content-type-options", "nosniff"),
        ("content-encoding", ""),
    ] {
        assert_eq!(reply.header(header), expected, "{header}");
    }
    let head = send(router.call("HEAD", &media(NAME))).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for header in ["content-length", "content-type", "etag", "x-goog-hash"] {
        assert_eq!(head.header(header), reply.header(header), "{header}");
    }
}

#[tokio::test]
async fn a_part_is_sent_to_who_asks_for_one() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), FILE).await;
    for (range, status, body, content_range) in [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        // `getBytes` with a maximum asks for one byte more than that.
        ("bytes=0-100", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
    ] {
        let reply = send(router.get(&media(NAME)).header("range", range)).await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (status, body),
            "{range}"
        );
        assert_eq!(reply.header("content-range"), content_range, "{range}");
    }
}

#[tokio::test]
async fn an_entity_tag_names_one_version() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), FILE).await;
    let first = send(router.get(&media(NAME)))
        .await
        .header("etag")
        .to_owned();
    assert_eq!(send(router.get(&media(NAME))).await.header("etag"), first);
    let call = router
        .get(&media(NAME))
        .header("if-none-match", first.as_str());
    assert_eq!(send(call).await.status, 304);
    upload(&router, NAME, json!({}), FILE).await;
    assert_ne!(send(router.get(&media(NAME))).await.header("etag"), first);
    let resumed = router
        .get(&media(NAME))
        .header("range", "bytes=5-")
        .header("if-range", first);
    let reply = send(resumed).await;
    assert_eq!((reply.status, &*reply.body), (200, FILE));
}

#[tokio::test]
async fn what_a_user_uploaded_runs_nothing_in_the_name_of_this_origin() {
    let router = Router::start().await;
    for (media_type, file) in [
        ("text/html", "<script>alert(1)</script>"),
        ("image/svg+xml", "<svg><script>alert(1)</script></svg>"),
        ("application/xml", "<x/>"),
    ] {
        let said = json!({"contentType": media_type, "contentDisposition": "inline"});
        upload(&router, NAME, said, file.as_bytes()).await;
        for call in [
            router.get(&media(NAME)),
            router.get(&media(NAME)).header("range", "bytes=0-3"),
            router.call("HEAD", &media(NAME)),
        ] {
            let reply = send(call).await;
            let policy = reply.header("content-security-policy");
            let sandboxed = policy.split(';').any(|rule| rule.trim() == "sandbox");
            assert!(sandboxed && !policy.contains("script"), "{reply:?}");
            assert!(policy.contains("default-src 'none'"), "{reply:?}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
        }
    }
}

#[tokio::test]
async fn an_object_that_was_not_uploaded_for_showing_is_an_attachment() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a b", b"x").await;
    let reply = send(router.get(&media("user_uploads/U1/a b"))).await;
    let disposition = reply.header("content-disposition");
    assert_eq!(disposition, "attachment; filename*=utf-8''a%20b");
}

#[tokio::test]
async fn what_an_uploader_says_of_the_bytes_comes_back() {
    let router = Router::start().await;
    let said = json!({
        "contentDisposition": "attachment; filename=\"x.txt\"",
        "cacheControl": "public, max-age=60",
        "contentEncoding": "br",
    });
    upload(&router, NAME, said, FILE).await;
    let reply = send(router.get(&media(NAME))).await;
    for (header, expected) in [
        ("content-disposition", "attachment; filename=\"x.txt\""),
        ("cache-control", "public, max-age=60"),
        ("content-encoding", "br"),
        ("content-type", "application/octet-stream"),
    ] {
        assert_eq!(reply.header(header), expected, "{header}");
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_object_is_decompressed_for_who_cannot() {
    let router = Router::start().await;
    let plain = vec![b'a'; 1_000_000];
    let compressed = gzipped(&plain);
    let said = json!({"contentType": "text/plain", "contentEncoding": "gzip"});
    upload(&router, NAME, said, &compressed).await;

    let call = router
        .get(&media(NAME))
        .header("accept-encoding", "br, gzip");
    let raw = send(call).await;
    assert_eq!(raw.body, compressed);
    assert_eq!(raw.header("content-encoding"), "gzip");
    assert_eq!(raw.header("content-length"), compressed.len().to_string());

    for call in [
        router.get(&media(NAME)),
        router
            .get(&media(NAME))
            .header("accept-encoding", "gzip;q=0"),
        router.get(&media(NAME)).header("range", "bytes=0-3"),
    ] {
        let reply = send(call).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body == plain, "{} bytes", reply.body.len());
        assert_eq!(reply.header("content-encoding"), "");
        assert_eq!(reply.header("content-length"), "");
        assert!(
            reply.header("vary").contains("Accept-Encoding"),
            "{reply:?}"
        );
        assert_ne!(reply.header("etag"), raw.header("etag"));
    }
    let head = send(router.call("HEAD", &media(NAME))).await;
    assert_eq!((head.status, head.header("content-encoding")), (200, ""));
}

#[tokio::test]
async fn what_only_claims_to_be_compressed_is_sent_as_it_is() {
    let router = Router::start().await;
    for file in [FILE, b""] {
        upload(&router, NAME, json!({"contentEncoding": "gzip"}), file).await;
        let reply = send(router.get(&media(NAME))).await;
        assert_eq!((reply.status, &*reply.body), (200, file));
    }
}
