//! Downloads of what the client already has (RFC 9110, section 13).

use crate::harness::router::download_url;
use crate::harness::{Call, Reply, Router, Token};

fn get(router: &Router) -> Call {
    let call = router.get(&download_url("U1", "a.webm"));
    call.bearer(Token::of("U1").signed())
}

async fn uploaded(router: &Router, file: &[u8]) -> Reply {
    let token = Token::of("U1").signed();
    let reply = router.upload("U1", &token, "a.webm", file).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    get(router).send().await
}

#[tokio::test]
async fn a_version_that_the_client_has_is_not_sent_again() {
    let router = Router::start().await;
    let whole = uploaded(&router, b"0123456789").await;
    let etag = whole.header("etag");
    let (weak, list) = (format!("W/{etag}"), format!("\"other\", {etag}"));
    for condition in [etag, &weak, &list, "*"] {
        let reply = get(&router).header("if-none-match", condition).send().await;
        assert_eq!(
            (reply.status, reply.body.len()),
            (304, 0),
            "{condition}: {reply:?}"
        );
        assert_eq!(reply.header("etag"), etag);
    }
    for condition in ["\"other\"", "\"\"", &etag[1..etag.len() - 1]] {
        let reply = get(&router).header("if-none-match", condition).send().await;
        assert_eq!(reply.status, 200, "{condition}: {reply:?}");
    }
}

#[tokio::test]
async fn a_date_serves_where_the_client_has_no_tag() {
    let router = Router::start().await;
    let whole = uploaded(&router, b"0123456789").await;
    let modified = whole.header("last-modified");
    let long_ago = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (condition, status) in [(modified, 304), (long_ago, 200), ("nonsense", 200)] {
        let reply = get(&router)
            .header("if-modified-since", condition)
            .send()
            .await;
        assert_eq!(reply.status, status, "{condition}: {reply:?}");
    }
    let call = get(&router).header("if-none-match", "\"other\"");
    let reply = call.header("if-modified-since", modified).send().await;
    assert_eq!(reply.status, 200, "the tag decides: {reply:?}");
}

#[tokio::test]
async fn a_new_content_has_a_new_tag_and_the_same_request_the_same() {
    let router = Router::start().await;
    let first = uploaded(&router, b"first").await;
    let again = get(&router).send().await;
    assert_eq!(first.header("etag"), again.header("etag"));
    let second = uploaded(&router, b"secnd").await;
    assert_ne!(first.header("etag"), second.header("etag"));
    let call = get(&router).header("if-none-match", first.header("etag"));
    assert_eq!(call.send().await.text(), "secnd");
}

#[tokio::test]
async fn who_wants_another_version_gets_none() {
    let router = Router::start().await;
    let whole = uploaded(&router, b"0123456789").await;
    let (etag, modified) = (whole.header("etag"), whole.header("last-modified"));
    let (weak, list) = (format!("W/{etag}"), format!("\"other\", {etag}"));
    let long_ago = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (header, condition, status) in [
        ("if-match", etag, 200),
        ("if-match", &list, 200),
        ("if-match", "*", 200),
        ("if-match", "\"other\"", 412),
        ("if-match", &weak, 412),
        ("if-unmodified-since", modified, 200),
        ("if-unmodified-since", long_ago, 412),
        ("if-unmodified-since", "nonsense", 200),
    ] {
        for range in ["", "bytes=0-3"] {
            let mut call = get(&router).header(header, condition);
            if !range.is_empty() {
                call = call.header("range", range);
            }
            let reply = call.send().await;
            let expected = if status == 200 && !range.is_empty() {
                206
            } else {
                status
            };
            assert_eq!(reply.status, expected, "{header} {condition}: {reply:?}");
            assert!(status == 200 || reply.body.is_empty(), "{reply:?}");
        }
    }
    let call = get(&router).header("if-match", etag);
    let reply = call.header("if-unmodified-since", long_ago).send().await;
    assert_eq!(reply.status, 200, "the tag decides: {reply:?}");
}
