//! What a raw function sees of the URL, for every form of it.

use serde_json::Value;

use crate::functions::{client, server};

async fn seen(base: &str, host: Option<&str>, path: &str) -> (u16, Value) {
    let mut request = client().get(format!("{base}{path}"));
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_sees_the_path_after_its_name_byte_for_byte() {
    let server = server().await;
    let base = server.url("");
    let functions_host = "europe-west1-demo-project.cloudfunctions.net";
    for (host, path, url) in [
        (None, "/echo", "/"),
        (None, "/echo/", "/"),
        (None, "/echo?x=1", "/?x=1"),
        (None, "/echo/?x=1", "/?x=1"),
        (None, "//echo", "/"),
        (None, "///echo/a", "/a"),
        (None, "/echo_again/a", "/a"),
        (None, "/echo/a//b/?q=1&q=2", "/a//b/?q=1&q=2"),
        (None, "/echo//a", "//a"),
        (None, "/echo/q%2Fz?a=%20b", "/q%2Fz?a=%20b"),
        (None, "/demo-project/us-central1/echo", "/"),
        (None, "/demo-project/us-central1//echo/a?b", "/a?b"),
        (None, "/demo-project/europe-west1/echo/a//b", "/a//b"),
        (Some(functions_host), "/echo/a?b=c", "/a?b=c"),
        (
            Some("EUROPE-WEST1-demo-project.CloudFunctions.net:443"),
            "/echo",
            "/",
        ),
        (Some("echo-abc123-ew.a.run.app"), "/echo/a", "/echo/a"),
        (Some("echo-again-abc123-ew.a.run.app"), "/", "/"),
        (
            Some("echo-123456789.europe-west1.run.app"),
            "/x//y",
            "/x//y",
        ),
        (Some("tag---echo-abc123-ew.a.run.app"), "/", "/"),
        (None, "/items/7?x", "/items/7?x"),
        (None, "/files/a//b%2f", "/files/a//b%2f"),
        (None, "/api/echo?x=1", "/api/echo?x=1"),
        (None, "/api//echo", "/api//echo"),
        (None, "/app", "/app"),
        (None, "/app/deep/er", "/app/deep/er"),
    ] {
        let (status, body) = seen(&base, host, path).await;
        assert_eq!(
            (status, body["url"].as_str()),
            (200, Some(url)),
            "{host:?} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_only_resembles_a_function_is_not_found() {
    let server = server().await;
    for (host, path) in [
        (None, "/"),
        (None, "/echox"),
        (None, "/Echo"),
        (None, "/ech%6f"),
        (None, "/demo-project/asia-east1/echo"),
        (None, "/other-project/us-central1/echo"),
        (None, "/demo-project/us-central1"),
        (None, "/a/b/c/echo"),
        (None, "/api/echo/more"),
        (None, "/application"),
        (Some("asia-east1-demo-project.cloudfunctions.net"), "/echo"),
        (Some("europe-west1-other.cloudfunctions.net"), "/echo"),
        (Some("echo-2-abc123-ew.a.run.app"), "/"),
    ] {
        let (status, body) = seen(&server.url(""), host, path).await;
        assert_eq!(status, 404, "{host:?} {path}");
        assert_eq!(body["error"]["status"], "NOT_FOUND", "{host:?} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explicit_route_gives_its_parameters_decoded_once_and_its_methods() {
    let server = server().await;
    let answer = |method: reqwest::Method, path: &'static str| {
        let request = client().request(method, server.url(path));
        async move { request.send().await.unwrap() }
    };
    let body: Value = answer(reqwest::Method::GET, "/items/a%20b%2520")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(body["id"], "a b%20");
    assert_eq!(body["route"], "/items/{id}");
    let body: Value = answer(reqwest::Method::PUT, "/files/x/y")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(body["id"], "x/y");
    assert_eq!(
        answer(reqwest::Method::HEAD, "/items/7").await.status(),
        200
    );
    assert_eq!(
        answer(reqwest::Method::GET, "/items/7/").await.status(),
        200
    );
    let refused = answer(reqwest::Method::PUT, "/items/7").await;
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.headers()["allow"], "GET, HEAD, DELETE");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_reach_the_function_and_the_peer_is_added_to_the_forwarded_ones() {
    let server = server().await;
    let response = client()
        .post(server.url("/echo"))
        .header("x-forwarded-for", "203.0.113.7")
        .header("x-forwarded-proto", "https")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .header(
            "x-cloud-trace-context",
            "4bf92f3577b34da6a3ce929d0e0e4736/1",
        )
        .bearer_auth("untouched")
        .send()
        .await
        .unwrap();
    let headers = response.json::<Value>().await.unwrap()["headers"].clone();
    assert_eq!(headers["x-forwarded-for"], "203.0.113.7, 127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["authorization"], "Bearer untouched");
    assert_eq!(
        headers["x-cloud-trace-context"],
        "4bf92f3577b34da6a3ce929d0e0e4736/1"
    );
    assert!(
        headers["traceparent"]
            .as_str()
            .unwrap()
            .starts_with("00-4bf9")
    );
}
