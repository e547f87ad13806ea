//! How often a caller may call.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use runtime::testing::{Environment, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::functions::{client, server, server_with};

const ORIGIN: &str = "https://app.example";

fn ask(server: &TestServer, uid: Option<&str>) -> RequestBuilder {
    let request = client()
        .get(server.url("/limited"))
        .header("origin", ORIGIN);
    match uid {
        Some(uid) => request.bearer_auth(server.token(uid)),
        None => request,
    }
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

/// Asks until all three are gone, and once more.
async fn exhaust(server: &TestServer, uid: Option<&str>) -> Response {
    for _ in 0..3 {
        assert_eq!(status(ask(server, uid)).await, 200);
    }
    ask(server, uid).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_burst_a_caller_is_told_when_to_come_again_and_others_go_on() {
    let server = server().await;
    let refused = exhaust(&server, Some("ann")).await;
    assert_eq!(refused.status(), 429);
    let header = |name: &str| refused.headers()[name].to_str().unwrap();
    assert_eq!(header("access-control-allow-origin"), ORIGIN);
    assert!(header("access-control-expose-headers").contains("retry-after"));
    // A third of an hour, less what the four requests took.
    let wait: u64 = header("retry-after").parse().unwrap();
    assert!((1_000..=1_200).contains(&wait), "{wait}");
    let body: Value = refused.json().await.unwrap();
    let text = "Too many requests. Please try again later.";
    assert_eq!(body, json!({"detail": text}));

    assert_eq!(status(ask(&server, Some("bob"))).await, 200);
    assert_eq!(status(ask(&server, None)).await, 200);
    assert_eq!(status(ask(&server, Some("ann"))).await, 429);
    assert_eq!(status(client().get(server.url("/echo"))).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_valid_token_is_counted_by_address_and_cannot_make_one_up() {
    let server = server().await;
    assert_eq!(exhaust(&server, None).await.status(), 429);
    for request in [
        ask(&server, None).header("x-forwarded-for", "203.0.113.7"),
        ask(&server, None).header("cf-connecting-ip", "203.0.113.7"),
        ask(&server, None).bearer_auth("nonsense"),
    ] {
        assert_eq!(status(request).await, 429);
    }
    assert_eq!(status(ask(&server, Some("ann"))).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_every_client_has_a_count_of_their_own() {
    let server = server_with(&Environment {
        trusted_proxies: Some("127.0.0.1"),
        ..Environment::default()
    })
    .await;
    let from = |forwarded: &str| ask(&server, None).header("x-forwarded-for", forwarded);
    for _ in 0..3 {
        assert_eq!(status(from("203.0.113.7")).await, 200);
    }
    for forwarded in ["203.0.113.7", "198.51.100.1, 203.0.113.7"] {
        assert_eq!(status(from(forwarded)).await, 429, "{forwarded}");
    }
    assert_eq!(status(from("203.0.113.8")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_per_address_counts_all_callers_at_one_together() {
    let server = server().await;
    let request = |uid: &str| {
        client()
            .get(server.url("/limited_by_address"))
            .bearer_auth(server.token(uid))
    };
    assert_eq!(status(request("ann")).await, 200);
    assert_eq!(status(request("bob")).await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_counts_for_nobody() {
    let server = server().await;
    for _ in 0..5 {
        let preflight = client()
            .request(Method::OPTIONS, server.url("/limited"))
            .header("origin", ORIGIN)
            .header("access-control-request-method", "GET");
        assert_eq!(status(preflight).await, 204);
    }
    assert_eq!(exhaust(&server, None).await.status(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_too_many_is_refused_before_its_body_is_asked_for() {
    let server = server().await;
    assert_eq!(exhaust(&server, None).await.status(), 429);
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head =
        b"POST /limited HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    socket.write_all(head).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 429");
}
