//! Functions behind rewrites, as behind Firebase Hosting.

use std::collections::BTreeMap;

use runtime::testing::{TestServer, http_client as client};
use runtime::{
    Context, HeaderValue, HttpFunction as _, Migrations, Registry, Request, Response, Result,
    StatusCode, header, json,
};
use serde_json::{Value, json};

const MANIFEST: &str = r#"
manifest = 1

[project]
id      = "demo-project"
regions = ["europe-west1"]

[cors.app]
origins = ["https://app.example"]

[functions.first]
http   = { routes = ["/explicit/{id}"] }
auth   = "none"
public = true
cors   = "app"

[functions.second]
http   = {}
auth   = "none"
public = true

[functions.guarded]
http = {}
auth = "required"

[functions.off]
http    = {}
auth    = "none"
public  = true
enabled = false

[[rewrites]]
source   = "/api/off"
function = "off"

[[rewrites]]
source   = "/api/first/**"
function = "first"

[[rewrites]]
source   = "/api/**"
function = "second"

[[rewrites]]
regex    = "^/v[0-9]+/(chat|stream)$"
function = "first"

[[rewrites]]
source   = "/{de,en}/page-?.html"
function = "first"

[[rewrites]]
source   = "/locked"
function = "guarded"
"#;

async fn server() -> TestServer {
    let migrations = Migrations {
        postgres: &[],
        sqlite: &[],
    };
    let registry = Registry::new(MANIFEST, migrations)
        .function("first", first.into_function())
        .function("second", second.into_function())
        .function("guarded", first.into_function())
        .function("off", first.into_function());
    TestServer::start(&registry).await.unwrap()
}

async fn first(_context: Context, request: Request) -> Result<Response> {
    answer("first", &request)
}

async fn second(_context: Context, request: Request) -> Result<Response> {
    answer("second", &request)
}

/// What the function sees; and the headers that the query asks for, `name=value`, in its response.
fn answer(function: &str, request: &Request) -> Result<Response> {
    let headers: BTreeMap<&str, Vec<String>> = request
        .headers()
        .keys()
        .map(|name| {
            let values = request.headers().get_all(name).iter();
            let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            (name.as_str(), values.collect())
        })
        .collect();
    let seen = json!({"function": function, "url": request.uri().to_string(), "headers": headers});
    let mut response = json(StatusCode::OK, &seen)?;
    for pair in request.uri().query().unwrap_or_default().split('&') {
        if let Some((name, value)) = pair.split_once('=') {
            let name: header::HeaderName = name.parse().unwrap();
            let value = HeaderValue::from_str(&value.replace('+', " ")).unwrap();
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

async fn get(server: &TestServer, path: &str) -> reqwest::Response {
    client().get(server.url(path)).send().await.unwrap()
}

async fn seen(server: &TestServer, path: &str) -> Option<(String, String)> {
    let response = get(server, path).await;
    if response.status() == 404 {
        return None;
    }
    let body: Value = response.json().await.unwrap();
    let text = |key: &str| body[key].as_str().unwrap().to_owned();
    Some((text("function"), text("url")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rewrite_that_matches_runs_its_function_which_sees_the_whole_path() {
    let server = server().await;
    for (path, expected) in [
        ("/api/first", Some(("first", "/api/first"))),
        ("/api/first/x/y?z=1", Some(("first", "/api/first/x/y?z=1"))),
        ("/api/firsts", Some(("second", "/api/firsts"))),
        ("/api/x//y/?q=1&q=2", Some(("second", "/api/x//y/?q=1&q=2"))),
        ("//api//first/%2F", Some(("first", "//api//first/%2F"))),
        // A function that is switched off has no rewrite.
        ("/api/off", Some(("second", "/api/off"))),
        ("/v1/chat", Some(("first", "/v1/chat"))),
        ("/v12/stream?a", Some(("first", "/v12/stream?a"))),
        ("/v1/chat/", None),
        ("/x/v1/chat", None),
        ("/de/page-1.html", Some(("first", "/de/page-1.html"))),
        ("/fr/page-1.html", None),
        ("/de/page-10.html", None),
        // Rewrites come after explicit routes and before names.
        ("/explicit/api", Some(("first", "/explicit/api"))),
        ("/second/api/first", Some(("second", "/api/first"))),
    ] {
        let expected = expected.map(|(name, url)| (name.to_owned(), url.to_owned()));
        assert_eq!(seen(&server, path).await, expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_functions_knows_no_rewrites() {
    let server = server().await;
    let response = client()
        .get(server.url("/api/first"))
        .header("host", "europe-west1-demo-project.cloudfunctions.net")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_session_cookie_and_the_outer_host_reach_a_rewritten_function() {
    let server = server().await;
    let ask = |path: &str| {
        let request = client()
            .get(server.url(path))
            .header("host", "app.example")
            .header("cookie", "a=1; __session=s; b=2");
        async move {
            let body: Value = request.send().await.unwrap().json().await.unwrap();
            body["headers"].clone()
        }
    };
    let rewritten = ask("/api/first").await;
    assert_eq!(rewritten["cookie"], json!(["__session=s"]));
    assert_eq!(rewritten["x-forwarded-host"], json!(["app.example"]));
    for direct in ["/first", "/explicit/1"] {
        let direct = ask(direct).await;
        assert_eq!(direct["cookie"], json!(["a=1; __session=s; b=2"]));
        assert!(direct.get("x-forwarded-host").is_none(), "{direct}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_answer_is_safe_to_cache_and_a_direct_one_is_the_functions_own() {
    let server = server().await;
    for (query, cache_control, cookie, vary) in [
        (
            "set-cookie=__session=1",
            "private",
            true,
            "Accept-Encoding, Authorization, Cookie",
        ),
        (
            "set-cookie=__session=1&cache-control=public,max-age=60&vary=Origin,cookie",
            "public,max-age=60",
            false,
            "Origin, cookie, Accept-Encoding, Authorization",
        ),
        (
            "set-cookie=__session=1&cache-control=private,max-age=60",
            "private,max-age=60",
            true,
            "Accept-Encoding, Authorization, Cookie",
        ),
    ] {
        let rewritten = get(&server, &format!("/api/x?{query}")).await;
        let headers = rewritten.headers();
        assert_eq!(headers["cache-control"], cache_control, "{query}");
        assert_eq!(headers.contains_key("set-cookie"), cookie, "{query}");
        assert_eq!(headers["vary"], vary, "{query}");

        let direct = get(&server, &format!("/second?{query}")).await;
        let headers = direct.headers();
        let own = query.contains("cache-control");
        assert_eq!(headers.contains_key("cache-control"), own, "{query}");
        assert!(headers.contains_key("set-cookie"), "{query}");
        assert_eq!(headers.contains_key("vary"), query.contains("vary"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_a_rewritten_function_are_private_too_and_cors_goes_on_top() {
    let server = server().await;
    let refused = get(&server, "/locked").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["cache-control"], "private");

    let response = client()
        .get(server.url("/api/first"))
        .header("origin", "https://app.example")
        .send()
        .await
        .unwrap();
    let headers = response.headers();
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://app.example"
    );
    let vary: Vec<_> = headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept-Encoding, Authorization, Cookie", "Origin"]);
}
