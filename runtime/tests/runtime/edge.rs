//! Requests that no function ever sees, over raw sockets.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::functions::{client, server};

/// All that comes back before the server closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_servers_could_read_differently_is_refused_and_the_connection_closed() {
    let server = server().await;
    for (request, status) in [
        ("GET /echo HTTP/1.1\r\n\r\n", "400"),
        ("GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET /echo HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("GET http://a!b/echo HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("TRACE /echo HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx",
            "400",
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            "400",
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        (
            "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("GET /echo HTTP/1.1\nHost: a\n\n", "400"),
        ("GET /echo HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400"),
        ("GET /echo HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", "400"),
    ] {
        let answer = exchange(server.address(), request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request:?}: {answer}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            1,
            "{request:?}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_request_of_a_connection_is_looked_at_like_the_first() {
    let server = server().await;
    let good = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let bad =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    for _ in 0..3 {
        socket.write_all(good.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = socket.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    }
    socket.write_all(bad.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_more_than_32_kibibytes_or_100_fields_is_refused() {
    let server = server().await;
    let with = |fields: String| {
        format!("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
    };
    for (request, status) in [
        (with(format!("X: {}\r\n", "x".repeat(31 << 10))), "200"),
        (with(format!("X: {}\r\n", "x".repeat(33 << 10))), "431"),
        (with(format!("X: {}\r\n", "x".repeat(100 << 10))), "431"),
        (with("X: y\r\n".repeat(98)), "200"),
        (with("X: y\r\n".repeat(99)), "431"),
    ] {
        let answer = exchange(server.address(), &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{}: {answer}",
            request.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_target_overrules_the_host_header() {
    let server = server().await;
    let answer = exchange(
        server.address(),
        "GET http://asia-east1-x.cloudfunctions.net/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dot_segments_reach_the_function_as_they_were_sent() {
    let server = server().await;
    let request = "GET /echo/..%2f/%2e%2e/../x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = exchange(server.address(), request).await;
    assert!(answer.contains(r#""url":"/..%2f/%2e%2e/../x""#), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_http_1_0_needs_no_host() {
    let server = server().await;
    let answer = exchange(server.address(), "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_leaves_its_client_the_time_to_read_why() {
    let server = server().await;
    // The size is looked at before the caller.
    for (path, status) in [("/nope", 404), ("/read", 413), ("/guarded", 413)] {
        for _ in 0..5 {
            let request = client().post(server.url(path)).body(vec![0; 4 << 20]);
            let response = request.send().await.expect(path);
            assert_eq!(response.status(), status, "{path}");
        }
    }
}
