//! Byte ranges of a download (RFC 9110, section 14).

use crate::harness::router::download_url;
use crate::harness::{Reply, Router, Token};

const FILE: &[u8] = b"0123456789";

async fn router() -> Router {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", FILE).await;
    router
}

async fn get(router: &Router, headers: &[(&str, &str)]) -> Reply {
    let call = router.get(&download_url("U1", "a.webm"));
    let call = call.bearer(Token::of("U1").signed());
    let call = headers
        .iter()
        .fold(call, |call, (name, value)| call.header(name, *value));
    call.send().await
}

#[tokio::test]
async fn one_range_is_answered_with_that_part() {
    let router = router().await;
    for (range, part, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=0-9", "0123456789", "bytes 0-9/10"),
        ("bytes=9-9", "9", "bytes 9-9/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=0-", "0123456789", "bytes 0-9/10"),
        ("bytes=5-100", "56789", "bytes 5-9/10"),
        ("bytes=5-18446744073709551615", "56789", "bytes 5-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
    ] {
        let reply = get(&router, &[("range", range)]).await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (206, part),
            "{range}"
        );
        assert_eq!(reply.header("content-range"), content_range, "{range}");
        assert_eq!(
            reply.header("content-length"),
            part.len().to_string(),
            "{range}"
        );
    }
}

#[tokio::test]
async fn a_range_past_the_end_is_told_the_size() {
    let router = router().await;
    for range in ["bytes=50-60", "bytes=10-", "bytes=10-10", "bytes=-0"] {
        let reply = get(&router, &[("range", range)]).await;
        assert_eq!(reply.status, 416, "{range}: {reply:?}");
        assert_eq!(reply.header("content-range"), "bytes */10", "{range}");
        assert!(!reply.text().contains("789"), "{range}");
    }
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"").await;
    let reply = get(&router, &[("range", "bytes=0-0")]).await;
    assert_eq!(
        (reply.status, reply.header("content-range")),
        (416, "bytes */0")
    );
}

#[tokio::test]
async fn a_range_that_is_none_is_passed_over() {
    let router = router().await;
    for range in [
        "bytes=4-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=99999999999999999999999-",
        "items=0-1",
        "2-4",
        // Several ranges may be answered with the whole file.
        "bytes=0-1,3-4",
    ] {
        let reply = get(&router, &[("range", range)]).await;
        let overflowing = range.len() > 25 && reply.status == 416;
        assert!(reply.status == 200 || overflowing, "{range}: {reply:?}");
        assert!(overflowing || reply.body == FILE, "{range}: {reply:?}");
    }
}

#[tokio::test]
async fn a_range_counts_only_for_the_version_it_was_asked_of() {
    let router = router().await;
    let whole = get(&router, &[]).await;
    let (etag, modified) = (whole.header("etag"), whole.header("last-modified"));
    let weak = format!("W/{etag}");
    for (condition, status) in [
        (etag, 206),
        ("\"another\"", 200),
        (&weak, 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("nonsense", 200),
    ] {
        let headers = [("range", "bytes=2-4"), ("if-range", condition)];
        let reply = get(&router, &headers).await;
        assert_eq!(reply.status, status, "{condition}: {reply:?}");
    }
    // A date that recent is no proof of sameness, so both answers are right (RFC 9110, 8.8.2.2).
    let reply = get(&router, &[("range", "bytes=2-4"), ("if-range", modified)]).await;
    assert!(matches!(reply.status, 200 | 206), "{reply:?}");

    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"abcdefghij").await;
    let reply = get(&router, &[("range", "bytes=2-4"), ("if-range", etag)]).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "abcdefghij"));
}
