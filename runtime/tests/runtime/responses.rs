//! What every response carries, whoever made it.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::functions::{client, server};

const ORIGIN: &str = "https://app.example";

#[tokio::test(flavor = "multi_thread")]
async fn every_status_carries_cors_headers_and_a_request_id() {
    let server = server().await;
    for (method, path, status) in [
        (Method::GET, "/echo", 200),
        (Method::GET, "/guarded", 401),
        (Method::GET, "/nope", 404),
        (Method::PUT, "/items/1", 405),
        (Method::GET, "/refuse?exhausted", 429),
        (Method::GET, "/crash", 500),
        (Method::GET, "/refuse?unavailable", 503),
        (Method::GET, "/refuse?by-hand", 503),
        (Method::GET, "/sleep?4000", 504),
    ] {
        let response = ask(&server.url(path), method).await;
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], ORIGIN, "{path}");
        assert_eq!(headers["vary"], "Origin", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-request-id"].len(), 24, "{path}");
        let retry_after = headers.contains_key("retry-after");
        assert_eq!(retry_after, matches!(status, 429 | 503), "{path}");
        let challenge = headers.contains_key("www-authenticate");
        assert_eq!(challenge, status == 401, "{path}");
    }
}

async fn ask(url: &str, method: Method) -> Response {
    let request = client().request(method, url).header("origin", ORIGIN);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_origin_gets_no_permission() {
    let server = server().await;
    for origin in [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil",
        "null",
    ] {
        let request = client().get(server.url("/echo")).header("origin", origin);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin"),
            "{origin}"
        );
        assert_eq!(response.headers()["vary"], "Origin");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_before_any_check_even_where_nothing_is() {
    let server = server().await;
    for path in ["/echo", "/guarded", "/items/7", "/nope"] {
        let response = client()
            .request(Method::OPTIONS, server.url(path))
            .header("origin", ORIGIN)
            .header("access-control-request-method", "DELETE")
            .header("access-control-request-headers", "authorization,x-custom")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 204, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("access-control-allow-origin"), ORIGIN);
        assert_eq!(
            header("access-control-allow-headers"),
            "authorization,x-custom"
        );
        assert_eq!(header("access-control-max-age"), "3600");
        assert!(header("access-control-allow-methods").contains("DELETE"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_its_caller_no_cause() {
    let server = server().await;
    for (path, expected) in [
        ("/crash", json!({"detail": "INTERNAL"})),
        (
            "/refuse",
            json!({"error": {"status": "INTERNAL", "message": "no"}}),
        ),
        (
            "/refuse?not-found",
            json!({"error": {"status": "NOT_FOUND", "message": "no"}}),
        ),
    ] {
        let response = client().get(server.url(path)).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.json::<Value>().await.unwrap(), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_function_takes_and_gives_json() {
    let server = server().await;
    let post = |content_type: &'static str, body: &'static str| {
        let request = client()
            .post(server.url("/sum"))
            .header("content-type", content_type);
        async move { request.body(body).send().await.unwrap() }
    };
    let response = post("application/json; charset=utf-8", r#"{"a":2,"b":3}"#).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({"sum": 5}));
    for (content_type, body) in [
        ("text/plain", r#"{"a":2,"b":3}"#),
        ("application/json", r#"{"a":2}"#),
        ("application/json", "{"),
    ] {
        let response = post(content_type, body).await;
        assert_eq!(response.status(), 400, "{content_type} {body}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["status"], "INVALID_ARGUMENT");
    }
    let response = client().get(server.url("/sum")).send().await.unwrap();
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_with_a_method_has_its_functions_policy_for_every_other_method_too() {
    let server = server().await;
    let url = server.url("/partners/7");
    let ask = |method: Method| {
        client()
            .request(method, &url)
            .header("origin", "https://partner.example")
    };
    let preflight = ask(Method::OPTIONS).header("access-control-request-method", "POST");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    let refused = ask(Method::GET).send().await.unwrap();
    assert_eq!(refused.status(), 405);
    for response in [&preflight, &refused] {
        let origin = &response.headers()["access-control-allow-origin"];
        assert_eq!(origin, "https://partner.example");
    }
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body, json!({"detail": "Method Not Allowed"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_urls_are_for_reading_and_readable_from_a_page() {
    let server = server().await;
    for path in ["/healthz", "/health", "/api/v1/health", "/readyz"] {
        let response = ask(&server.url(path), Method::GET).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
        assert_eq!(ask(&server.url(path), Method::HEAD).await.status(), 200);
        assert_eq!(ask(&server.url(path), Method::DELETE).await.status(), 405);
    }
}
