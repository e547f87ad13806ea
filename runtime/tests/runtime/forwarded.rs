//! Where a request comes from, and under which URL, as functions are told.

use runtime::testing::{Environment, TestServer};
use serde_json::{Value, json};

use crate::functions::{client, registry, server, server_with};

/// All that a proxy could say.
const HEADERS: [(&str, &str); 4] = [
    ("x-forwarded-for", "198.51.100.1, 203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "app.example"),
    ("cf-connecting-ip", "203.0.113.9"),
];

async fn whence(server: &TestServer) -> Value {
    let mut request = client().get(server.url("/whence"));
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_trusted_proxy_no_header_changes_who_or_where() {
    for trusted_proxies in [None, Some("192.0.2.0/24, ::1")] {
        let server = server_with(&Environment {
            trusted_proxies,
            ..Environment::default()
        })
        .await;
        let origin = format!("http://{}", server.address());
        let expected = json!({"address": "127.0.0.1", "origin": origin});
        assert_eq!(whence(&server).await, expected, "{trusted_proxies:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed() {
    let server = server_with(&Environment {
        trusted_proxies: Some("127.0.0.0/8"),
        ..Environment::default()
    })
    .await;
    let expected = json!({"address": "203.0.113.7", "origin": "https://app.example"});
    assert_eq!(whence(&server).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_render_cloudflare_names_the_client_and_the_host_is_the_requests_own() {
    let server = server_with(&Environment {
        on_render: true,
        ..Environment::default()
    })
    .await;
    let origin = format!("https://{}", server.address());
    let expected = json!({"address": "203.0.113.9", "origin": origin});
    assert_eq!(whence(&server).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_that_the_client_used_is_the_origins() {
    let server = server().await;
    let request = client().get(server.url("/whence"));
    let answer = request.header("host", "us.example:8080").send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["origin"], "http://us.example:8080");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_proxies_that_cannot_be_meant_keeps_the_server_from_starting() {
    for (on_render, list, reason) in [
        (false, "10.0.0.0/33", "behind the slash"),
        (false, "proxy.internal", "is no address"),
        (false, "0.0.0.0/0", "is everybody"),
        (true, "10.0.0.0/8", "Unset it"),
    ] {
        let environment = Environment {
            on_render,
            trusted_proxies: Some(list),
            ..Environment::default()
        };
        let started = TestServer::start_with(&registry(), &environment).await;
        let text = started.err().expect("a refusal").to_string();
        assert!(text.starts_with("TRUSTED_PROXIES"), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}
