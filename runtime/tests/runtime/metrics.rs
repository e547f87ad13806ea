//! What the process counted, and who may read it.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use runtime::testing::{Environment, TestServer};

use crate::functions::{client, server, server_with};

const TOKEN: &str = "the test server's admin token";

pub(crate) async fn counting() -> TestServer {
    server_with(&Environment {
        admin_token: Some(TOKEN),
        ..Environment::default()
    })
    .await
}

async fn ask(server: &TestServer, method: Method, token: Option<&str>) -> Response {
    let request = client().request(method, server.url("/metrics"));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    request.send().await.unwrap()
}

async fn page(server: &TestServer) -> String {
    let response = ask(server, Method::GET, Some(TOKEN)).await;
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

async fn get(server: &TestServer, path: &str) -> u16 {
    let response = client().get(server.url(path)).send().await.unwrap();
    response.status().as_u16()
}

/// Waits for a line that says what happens beside the requests.
pub(crate) async fn until_counted(server: &TestServer, line: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !page(server).await.lines().any(|found| found == line) {
        assert!(Instant::now() < deadline, "never: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_admin_token_there_is_no_such_url() {
    let server = server().await;
    let nothing = client().get(server.url("/nothing")).send().await.unwrap();
    let expected = (nothing.status(), nothing.text().await.unwrap());
    for token in [None, Some(""), Some(TOKEN)] {
        let response = ask(&server, Method::GET, token).await;
        assert_eq!(response.status(), 404, "{token:?}");
        let found = (response.status(), response.text().await.unwrap());
        assert_eq!(found, expected, "{token:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_holder_of_the_admin_token_may_read() {
    let server = counting().await;
    let user = server.token("ann");
    let longer = format!("{TOKEN}!");
    let shorter = &TOKEN[1..];
    for token in [None, Some(&*user), Some(&*longer), Some(shorter)] {
        let response = ask(&server, Method::GET, token).await;
        assert_eq!(response.status(), 401, "{token:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert!(!response.text().await.unwrap().contains("router_"));
    }
    let response = ask(&server, Method::GET, Some(TOKEN)).await;
    assert_eq!(response.status(), 200);
    let media = &response.headers()["content-type"];
    assert_eq!(media, "text/plain; version=0.0.4");
    assert_eq!(ask(&server, Method::HEAD, Some(TOKEN)).await.status(), 200);
    assert_eq!(ask(&server, Method::POST, Some(TOKEN)).await.status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_is_counted_by_function_and_class() {
    let server = counting().await;
    for (path, status) in [
        ("/limited", 200),
        ("/limited", 200),
        ("/limited", 200),
        ("/limited", 429),
        ("/crash", 500),
        ("/guarded", 401),
        ("/nothing", 404),
        ("/tally", 200),
        ("/tally", 200),
    ] {
        assert_eq!(get(&server, path).await, status, "{path}");
    }
    let page = page(&server).await;
    for line in [
        "# TYPE router_requests_total counter",
        r#"router_requests_total{function="limited",status="2xx"} 3"#,
        r#"router_requests_total{function="limited",status="4xx"} 1"#,
        r#"router_requests_total{function="crash",status="5xx"} 1"#,
        r#"router_requests_total{function="guarded",status="4xx"} 1"#,
        r#"router_requests_total{function="echo",status="2xx"} 0"#,
        r#"router_requests_total{function="",status="4xx"} 1"#,
        r#"router_rate_limited_total{function="limited"} 1"#,
        r#"router_rate_limited_total{function="limited_by_address"} 0"#,
        r#"router_in_flight{function="limited"} 0"#,
        "# TYPE tallies_total counter",
        r#"tallies_total{function="tally",cause="asked"} 2"#,
    ] {
        let found = page.lines().filter(|found| *found == line).count();
        assert_eq!(found, 1, "{line}\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_now_and_what_became_of_events_is_told() {
    let server = counting().await;
    let long = client().get(server.url("/hold?15000"));
    let call = tokio::spawn(long.send());
    until_counted(&server, r#"router_in_flight{function="hold"} 1"#).await;
    call.abort();

    let url = server.url("/change/u/ann/metrics/fails-once");
    let put = client().put(url).body("x").send().await.unwrap();
    assert_eq!(put.status(), 200);
    for outcome in ["retried", "done"] {
        let function = "tell_finalized";
        let line =
            format!(r#"router_deliveries_total{{function="{function}",outcome="{outcome}"}} 1"#);
        until_counted(&server, &line).await;
    }
}
