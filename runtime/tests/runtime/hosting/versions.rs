//! What is sent of a file: all, a part, or nothing to who has it.

use std::fs;

use super::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_a_file_is_not_sent_it_again() {
    let site = Site::start("").await;
    let first = site.get("/app.js").await.headers().clone();
    let (etag, date) = (
        first["etag"].to_str().unwrap(),
        first["last-modified"].to_str().unwrap(),
    );
    let weak = format!("\"x\", W/{etag}");
    let never = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (headers, status) in [
        (&[("if-none-match", etag)][..], 304),
        (&[("if-none-match", &*weak)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\""), ("if-none-match", etag)], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-modified-since", date)], 304),
        (&[("if-modified-since", never)], 200),
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", date)],
            200,
        ),
        (&[("if-modified-since", "yesterday")], 200),
    ] {
        let response = site.send(reqwest::Method::GET, "/app.js", headers).await;
        assert_eq!(response.status(), status, "{headers:?}");
        assert_eq!(response.headers()["etag"], etag);
        assert_eq!(response.headers()["cache-control"], "max-age=31536000");
        let body = response.text().await.unwrap();
        assert_eq!(body.is_empty(), status == 304, "{headers:?}");
    }
    fs::write(site.public().join("app.js"), "run(2)").unwrap();
    assert_ne!(site.get("/app.js").await.headers()["etag"], etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_a_file_is_sent_and_head_sends_nothing() {
    let site = Site::start("").await;
    let etag = site.get("/a%20b.txt").await.headers()["etag"].clone();
    let etag = etag.to_str().unwrap();
    for (headers, status, range, text) in [
        (
            &[("range", "bytes=2-4")][..],
            206,
            Some("bytes 2-4/10"),
            "234",
        ),
        (&[("range", "bytes=-3")], 206, Some("bytes 7-9/10"), "789"),
        (&[("range", "bytes=10-")], 416, Some("bytes */10"), ""),
        (&[("range", "bytes=0-1,3-4")], 200, None, "0123456789"),
        (
            &[("range", "bytes=2-4"), ("if-range", etag)],
            206,
            Some("bytes 2-4/10"),
            "234",
        ),
        (
            &[("range", "bytes=2-4"), ("if-range", "\"old\"")],
            200,
            None,
            "0123456789",
        ),
    ] {
        let response = site.send(reqwest::Method::GET, "/a%20b.txt", headers).await;
        assert_eq!(response.status(), status, "{headers:?}");
        let found = response.headers().get("content-range");
        let found = found.map(|range| range.to_str().unwrap());
        assert_eq!(found, range, "{headers:?}");
        assert_eq!(response.text().await.unwrap(), text, "{headers:?}");
    }
    let part = ("range", "bytes=2-4");
    let head = site
        .send(reqwest::Method::HEAD, "/a%20b.txt", &[part])
        .await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(head.headers()["accept-ranges"], "bytes");
    assert_eq!(head.text().await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_arrives_whole() {
    let site = Site::start("").await;
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|at| (at % 251) as u8).collect();
    fs::write(site.public().join("large.bin"), &bytes).unwrap();
    let response = site.get("/large.bin").await;
    assert_eq!(response.headers()["content-length"], "3000001");
    assert!(response.bytes().await.unwrap() == bytes);
}
