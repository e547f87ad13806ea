//! Requests that two servers could read in two ways are read by none.

use crate::harness::router::upload_url;
use crate::harness::{Router, Token, Wire, form};

/// Sends raw bytes and a second request after them.
///
/// # Panics
/// Unless one refusal comes, with one of `statuses`, and then the end of the connection.
async fn must_be_refused(router: &Router, request: &str, statuses: &[u16]) {
    let mut wire = Wire::open(router.address).await;
    let hidden = "GET /hello_world HTTP/1.1\r\nHost: h\r\n\r\n";
    wire.send(format!("{request}{hidden}")).await;
    let reply = wire.answer().await;
    assert!(statuses.contains(&reply.status), "{request:?}: {reply:?}");
    assert!(
        !reply.text().contains("Hello from"),
        "{request:?}: {reply:?}"
    );
    assert!(wire.is_closed().await, "{request:?}");
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let router = Router::start().await;
    for request in [
        "GET /hello_world HTTP/1.1\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: user@a\r\n\r\n",
    ] {
        must_be_refused(&router, request, &[400]).await;
    }
}

#[tokio::test]
async fn a_body_has_one_length() {
    let router = Router::start().await;
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5, 6\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Content-Length: -5\r\n\r\nhello",
        "Content-Length: 0x5\r\n\r\nhello",
        "Content-Length: five\r\n\r\nhello",
        "Content-Length: 99999999999999999999\r\n\r\nhello",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ] {
        let request = format!("POST /hello_world HTTP/1.1\r\nHost: h\r\n{framing}");
        must_be_refused(&router, &request, &[400, 413, 501]).await;
    }
}

/// RFC 9112 §6.3: chunks win over a length, and the connection must end after the answer.
#[tokio::test]
async fn what_follows_a_body_of_two_lengths_is_never_served() {
    let router = Router::start().await;
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let mut wire = Wire::open(router.address).await;
        let request = format!("POST /hello_world HTTP/1.1\r\nHost: h\r\n{framing}\r\n0\r\n\r\n");
        wire.send(request).await;
        wire.send(router.get("/hello_world").head()).await;
        let reply = wire.answer().await;
        assert!(matches!(reply.status, 200 | 400), "{framing}: {reply:?}");
        assert!(wire.is_closed().await, "{framing}");
    }
}

#[tokio::test]
async fn nobody_is_turned_into_a_tunnel_or_a_mirror() {
    let router = Router::start().await;
    for request in [
        "TRACE /hello_world HTTP/1.1\r\nHost: h\r\nCookie: secret\r\n\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        "CONNECT /hello_world HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST /hello_world HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
        "POST /hello_world HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        must_be_refused(&router, request, &[400, 405, 501]).await;
    }
}

#[tokio::test]
async fn an_upgrade_without_a_body_is_passed_over() {
    let router = Router::start().await;
    let call = router.get("/hello_world").header("connection", "upgrade");
    let reply = call.header("upgrade", "h2c").send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn an_encoded_body_is_not_understood() {
    let router = Router::start().await;
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip", "unknown"] {
        let call = router
            .post("/hello_world")
            .header("content-encoding", encoding);
        call.body("x").send().await.refusal(415, "INVALID_ARGUMENT");
    }
    let call = router
        .post(&upload_url("U1"))
        .bearer(Token::of("U1").signed());
    let call = call.header("content-encoding", "gzip");
    assert!(
        !call
            .form(form::file("a", b"x"))
            .send()
            .await
            .detail(415)
            .is_empty()
    );
}

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let router = Router::start().await;
    let many: String = (0..200)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect();
    let long = format!("x-long: {}\r\n", "x".repeat(200_000));
    for headers in [many, long] {
        let request = format!("GET /hello_world HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        must_be_refused(&router, &request, &[431]).await;
    }
}

#[tokio::test]
async fn what_is_not_http_is_not_served() {
    let router = Router::start().await;
    for request in [
        "GET /hello_world\r\n\r\n",
        "GET /hello_world HTTP/3.0\r\nHost: h\r\n\r\n",
        "GET  /hello_world HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /hello world HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: h\r\nx y: 1\r\n\r\n",
        "GET /hello_world HTTP/1.1\r\nHost: h\r\nx: a\0b\r\n\r\n",
    ] {
        must_be_refused(&router, request, &[400, 505]).await;
    }
}

#[tokio::test]
async fn a_connection_that_begins_as_http_2_ends() {
    let router = Router::start().await;
    // The preface, and frames: settings, and a stream that is opened and reset.
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let opened = b"\0\0\x01\x01\x05\0\0\0\x01\x82";
    let reset = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08";
    let mut wire = Wire::open(router.address).await;
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    wire.send([&settings[..], &opened[..], &reset[..]].concat())
        .await;
    if let Some(reply) = wire.last_answer().await {
        assert!(matches!(reply.status, 400 | 505), "{reply:?}");
    }
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn no_body_is_invited_before_its_sender_is_known() {
    let router = Router::start().await;
    let body = form::file("a.webm", b"content");
    let upload = |token: String| {
        let call = router.post(&upload_url("U1")).bearer(token).form_type();
        let call = call.header("expect", "100-continue");
        call.header("content-length", body.len().to_string())
            .body("")
            .head()
    };
    for (token, status) in [
        ("garbage".to_owned(), 401),
        (Token::of("U2").signed(), 403),
        (Token::of("U1").signed(), 100),
    ] {
        let mut wire = Wire::open(router.address).await;
        wire.send(upload(token)).await;
        let reply = wire.answer().await;
        assert_eq!(reply.status, status, "{reply:?}");
        if status == 100 {
            wire.send(&body).await;
            assert_eq!(wire.answer().await.status, 200);
        }
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let router = Router::start().await;
    let mut wire = Wire::open(router.address).await;
    for status in [200, 404, 200] {
        let target = if status == 200 {
            "/hello_world"
        } else {
            "/nope"
        };
        wire.send(router.get(target).head()).await;
        assert_eq!(wire.answer().await.status, status);
    }
    let pipelined = router.get("/hello_world").head().repeat(3);
    wire.send(pipelined).await;
    for _ in 0..3 {
        assert_eq!(wire.answer().await.status, 200);
    }
}
