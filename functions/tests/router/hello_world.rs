//! hello_world: the same page for everybody, whatever is asked.

use crate::harness::{ORIGIN, Reply, Router};

#[track_caller]
fn must_greet(reply: &Reply) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("content-length"), "61");
}

#[tokio::test]
async fn every_method_is_greeted() {
    let router = Router::start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let reply = router.call(method, "/hello_world").send().await;
        must_greet(&reply);
        let greeting = "Hello from Firebase Cloud Functions (Python) by Tria & Flash!";
        assert_eq!(reply.text(), greeting, "{method}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let router = Router::start().await;
    let reply = router.call("HEAD", "/hello_world").send().await;
    must_greet(&reply);
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn a_preflight_reaches_the_function_and_no_cors_header_is_added() {
    let router = Router::start().await;
    let preflight = router
        .call("OPTIONS", "/hello_world")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST");
    let reply = preflight.send().await;
    must_greet(&reply);
    assert_eq!(reply.body.len(), 61);
    for reply in [
        reply,
        router
            .get("/hello_world")
            .header("origin", ORIGIN)
            .send()
            .await,
    ] {
        let added = reply
            .headers
            .keys()
            .find(|name| name.as_str().starts_with("access-control"));
        assert_eq!(added, None, "{reply:?}");
    }
}
