//! Functions in processes of their own.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Method;
use runtime::testing::http_client;
use serde_json::{Value, json};

use crate::server::{Server, TOKEN};

/// The id of the process that a function ran in.
async fn process(server: &Server, path: &str) -> u32 {
    let (status, body) = server.send(Method::GET, path, |call| call).await;
    assert_eq!(status, 200, "{body}");
    body.parse().unwrap()
}

/// Waits for a replacement.
async fn another_process(server: &Server, path: &str, before: u32) -> u32 {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let (status, body) = server.send(Method::GET, path, |call| call).await;
        if status == 200 {
            let after = body.parse().unwrap();
            assert_ne!(after, before, "the same process");
            return after;
        }
        assert!(Instant::now() < patience, "{status}: {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_alive(process: u32) -> bool {
    // One that has ended and was not waited for yet has no file behind it.
    std::fs::read_link(Path::new("/proc").join(process.to_string()).join("exe")).is_ok()
}

async fn seen(server: &Server, function: &str, method: Method, body: Vec<u8>) -> Value {
    let path = format!("{function}?q=%41&q=2");
    let (status, text) = server
        .send(method, &path, |call| {
            call.body(body)
                .header("x-twice", "1")
                .header("x-twice", "2")
                .header("x-router-passed", "forged")
                .header("x-router-is-running", "forged")
                .header("authorization", "Basic x")
        })
        .await;
    assert_eq!(status, 201, "{text}");
    let mut seen: Value = serde_json::from_str(&text).unwrap();
    // What a client says under the names of the two processes, no function is told.
    let headers = seen["headers"].as_array_mut().unwrap();
    headers.retain(|header| !header[0].as_str().unwrap().starts_with("x-router-"));
    headers.sort_by_key(|header| header.to_string());
    seen
}

#[tokio::test]
async fn an_isolated_function_sees_what_any_function_sees() {
    let server = Server::start().await;
    let large = vec![7; 5 << 20];
    for (one, other, method, body) in [
        ("/mirror/", "/mirror_isolated/", Method::GET, Vec::new()),
        (
            "/mirror/a//b%2Fc/",
            "/mirror_isolated/a//b%2Fc/",
            Method::PUT,
            vec![1; 10],
        ),
        (
            "/mirrors/x%20y",
            "/isolated/mirrors/x%20y",
            Method::POST,
            large,
        ),
    ] {
        let mut expected = seen(&server, one, method.clone(), body.clone()).await;
        let found = seen(&server, other, method, body).await;
        let url = expected["url"].as_str().unwrap();
        expected["url"] = json!(url.replace("/mirrors/", "/isolated/mirrors/"));
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn its_responses_are_those_of_any_function() {
    let server = Server::start().await;
    let client = http_client();
    let mut told = Vec::new();
    for function in ["mirror", "mirror_isolated"] {
        for method in [Method::GET, Method::HEAD] {
            let call = client.request(method, server.url(&format!("/{function}")));
            let response = call.send().await.unwrap();
            let mut headers: Vec<_> = response
                .headers()
                .iter()
                .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect();
            headers.sort();
            told.push((response.status(), headers));
        }
    }
    assert_eq!(told[0], told[2]);
    assert_eq!(told[1], told[3]);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_as_ever() {
    let server = Server::start().await;
    let refusal = async |function: &str| {
        let pieces = (0..9).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1 << 20]));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let path = format!("/{function}");
        server
            .send(Method::POST, &path, |call| call.body(body))
            .await
    };
    let expected = refusal("mirror").await;
    assert_eq!(expected.0, 413);
    assert_eq!(refusal("mirror_isolated").await, expected);
}

#[tokio::test]
async fn its_failures_are_those_of_any_function() {
    let server = Server::start().await;
    for (query, status, text) in [
        ("", 404, "There is no such thing."),
        ("?status", 507, "The disk is full."),
        ("?method", 405, "Use PUT."),
        ("?panic", 500, "INTERNAL"),
    ] {
        let (found, body) = server
            .send(Method::GET, &format!("/fail{query}"), |call| call)
            .await;
        assert_eq!(found, status, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, json!({"detail": text}));
    }
    let response = http_client()
        .get(server.url("/fail?status"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    let response = http_client()
        .get(server.url("/fail?method"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["allow"], "PUT");
    server
        .logged(&[
            "the function panicked: a secret text",
            r#""function":"fail""#,
        ])
        .await;
    let (_, metrics) = server
        .send(Method::GET, "/metrics", |call| call.bearer_auth(TOKEN))
        .await;
    assert!(
        metrics.contains("router_panics_total{function=\"fail\"} 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn it_has_the_database_and_its_own_secrets_and_no_environment() {
    let server = Server::start().await;
    let (status, body) = server.send(Method::GET, "/store", |call| call).await;
    assert_eq!(status, 200, "{body}");
    let expected = json!({
        "rows": [{"answer": 42}],
        "own": "a secret of its own",
        "missing": null,
        "other": true,
        "environment": ["MALLOC_ARENA_MAX"],
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
}

#[tokio::test]
async fn an_event_is_taken_or_refused_by_its_process() {
    let server = Server::start().await;
    for (data, status) in [(json!(7), 204), (json!("seven"), 400)] {
        let event = json!({
            "specversion": "1.0", "id": "1", "source": "//test", "type": "test", "data": data,
        });
        let (found, body) = server
            .send(Method::POST, "/take", |call| {
                call.bearer_auth(TOKEN)
                    .header("content-type", "application/cloudevents+json")
                    .body(event.to_string())
            })
            .await;
        assert_eq!(found, status, "{body}");
    }
}

#[tokio::test]
async fn one_that_leaks_memory_ends_at_its_limit_and_is_replaced() {
    let server = Server::start().await;
    let before = process(&server, "/leak?nothing").await;
    assert_eq!(server.get("/leak").await, 500);
    assert_eq!(server.get("/hello").await, 200);
    server
        .logged(&["process ended: signal: 6", r#""function":"leak""#])
        .await;
    another_process(&server, "/leak?nothing", before).await;
}

#[tokio::test]
async fn one_that_loops_is_killed_at_its_deadline_and_keeps_nobody_from_answering() {
    let server = Server::start().await;
    let before = process(&server, "/spin?0").await;
    let path = "/spin?3600000";
    let spinning = server.send(Method::GET, path, |call| call);
    let others = async {
        for _ in 0..20 {
            assert_eq!(server.get("/hello").await, 200);
            assert_eq!(server.get("/mirror_isolated").await, 201);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ((status, body), ()) = tokio::join!(spinning, others);
    assert_eq!(status, 504, "{body}");
    server
        .logged(&["process killed", "did not end at its deadline"])
        .await;
    server
        .logged(&["process ended: signal: 9", r#""function":"spin""#])
        .await;
    assert!(!is_alive(before));
    another_process(&server, "/spin?0", before).await;
}

#[tokio::test]
async fn one_that_waits_for_too_long_ends_alone() {
    let server = Server::start().await;
    let before = process(&server, "/spin?0").await;
    let (status, _) = server.send(Method::GET, "/spin?sleep", |call| call).await;
    assert_eq!(status, 504);
    // Longer than it would have taken to kill it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(process(&server, "/spin?0").await, before);
}

#[tokio::test]
async fn one_that_dies_fails_what_it_was_doing_and_is_replaced() {
    let server = Server::start().await;
    let before = process(&server, "/die?not").await;
    let other = process(&server, "/spin?0").await;
    let waiting = server.send(Method::GET, "/die?slowly", |call| call);
    let dying = async {
        server
            .logged(&["process started", r#""function":"die""#])
            .await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.get("/die").await
    };
    let ((waited, _), died) = tokio::join!(waiting, dying);
    assert_eq!((waited, died), (500, 500));
    server
        .logged(&["the function's process ended: signal: 6"])
        .await;
    another_process(&server, "/die?not", before).await;
    assert_eq!(
        process(&server, "/spin?0").await,
        other,
        "another function's process"
    );
}

#[tokio::test]
async fn it_is_started_when_it_is_needed_and_ends_with_the_router() {
    let mut server = Server::start().await;
    assert!(
        !server.log().contains("process started"),
        "{}",
        server.log()
    );
    let child = process(&server, "/die?not").await;
    assert_eq!(process(&server, "/die?not").await, child);
    assert!(is_alive(child));
    server.kill().await;
    let patience = Instant::now() + Duration::from_secs(30);
    while is_alive(child) {
        assert!(Instant::now() < patience, "it outlives the router");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn nobody_else_can_start_such_a_process() {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_faulty"))
        .args(["child", "--parent", "1", "--memory", "1000000000"])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("the router"), "{text}");
}
