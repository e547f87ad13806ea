//! Callables, as `httpsCallable` of the Firebase SDKs calls them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder, Response};
use runtime::testing::{TestServer, http_client};
use serde_json::{Value, json};

use crate::callable_functions::{CODES, ORIGIN, call, server};

const BAD_REQUEST: &str = r#"{"error":{"message":"Bad Request","status":"INVALID_ARGUMENT"}}"#;
const UNAUTHENTICATED: &str =
    r#"{"error":{"message":"Unauthenticated","status":"UNAUTHENTICATED"}}"#;
const INTERNAL: &str = r#"{"error":{"message":"INTERNAL","status":"INTERNAL"}}"#;
const INT64: &str = "type.googleapis.com/google.protobuf.Int64Value";
const UINT64: &str = "type.googleapis.com/google.protobuf.UInt64Value";

/// The status and the body.
async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn result(request: RequestBuilder) -> Value {
    let (status, body) = answer(request).await;
    assert_eq!(status, 200, "{body}");
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body["result"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_comes_back_as_the_result() {
    let server = server().await;
    for data in [
        json!(null),
        json!(false),
        json!("día 🌍"),
        json!({"nested": [{"empty": {}}, [], null, 1.5, -3]}),
    ] {
        let response = call(&server, "/echo", &data).send().await.unwrap();
        assert_eq!(
            response.headers()["content-type"],
            "application/json; charset=utf-8"
        );
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["result"]["data"], data);
        assert_eq!(body["result"]["streamed"], false);
    }
    let nothing = answer(call(&server, "/nothing", &json!(null))).await;
    assert_eq!(nothing, (200, r#"{"result":null}"#.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_malformed_is_a_bad_request() {
    const JSON: &str = "application/json";
    let server = server().await;
    for (method, path, media, body) in [
        ("GET", "/echo", JSON, ""),
        ("PUT", "/echo", JSON, r#"{"data":1}"#),
        ("DELETE", "/echo/below", JSON, r#"{"data":1}"#),
        ("OPTIONS", "/echo", JSON, ""),
        ("POST", "/echo", "text/plain", r#"{"data":1}"#),
        ("POST", "/echo", "application/jsonl", r#"{"data":1}"#),
        ("POST", "/echo", "", r#"{"data":1}"#),
        ("POST", "/echo", JSON, ""),
        ("POST", "/echo", JSON, "{}"),
        ("POST", "/echo", JSON, "[]"),
        ("POST", "/echo", JSON, "null"),
        ("POST", "/echo", JSON, r#"{"data":1"#),
        ("POST", "/echo", JSON, r#"{"data":1} {}"#),
        ("POST", "/echo", JSON, r#"{"data":1,"extra":2}"#),
        ("POST", "/echo", JSON, r#"{"Data":1}"#),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = http_client()
            .request(method.clone(), server.url(path))
            .header("content-type", media)
            .body(body);
        let answer = answer(request).await;
        assert_eq!(
            answer,
            (400, BAD_REQUEST.to_owned()),
            "{method} {media} {body}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charset_and_capitals_do_not_matter_in_the_media_type() {
    let server = server().await;
    for media in ["application/json; charset=UTF-8", "Application/JSON;x"] {
        let request = http_client()
            .post(server.url("/echo"))
            .header("content-type", media)
            .body(r#"{"data":7}"#);
        assert_eq!(result(request).await["data"], 7, "{media}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_code_has_its_status_and_the_details_that_the_function_gave() {
    let server = server().await;
    for (code, _, status) in CODES {
        let plain = call(&server, "/fail", &json!({"code": code}));
        let body = format!(r#"{{"error":{{"message":"the text","status":"{code}"}}}}"#);
        assert_eq!(answer(plain).await, (status, body));
        let data = json!({"code": code, "details": {"field": "name", "max": u64::MAX}});
        let (answered, body) = answer(call(&server, "/fail", &data)).await;
        assert_eq!(answered, status);
        let body: Value = serde_json::from_str(&body).unwrap();
        let max = json!({"@type": UINT64, "value": "18446744073709551615"});
        assert_eq!(
            body["error"]["details"],
            json!({"field": "name", "max": max})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_of_64_bits_keep_every_digit_both_ways() {
    let server = server().await;
    let data = json!({
        "signed": {"@type": INT64, "value": "-9223372036854775807"},
        "unsigned": {"@type": UINT64, "value": "18446744073709551615"},
    });
    let shifted = json!({
        "signed": {"@type": INT64, "value": "-9223372036854775806"},
        "unsigned": {"@type": UINT64, "value": "18446744073709551614"},
    });
    assert_eq!(result(call(&server, "/shift", &data)).await, shifted);
    let small = json!({"signed": 1, "unsigned": {"@type": INT64, "value": "5"}});
    let shifted = result(call(&server, "/shift", &small)).await;
    assert_eq!(shifted, json!({"signed": 2, "unsigned": 4}));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_an_unknown_type_are_an_internal_error_and_the_wrong_data_is_not() {
    let server = server().await;
    let unknown = json!([{"@type": "type.googleapis.com/google.protobuf.Duration"}]);
    let unknown = answer(call(&server, "/echo", &unknown)).await;
    assert_eq!(unknown, (500, INTERNAL.to_owned()));
    let (status, body) = answer(call(&server, "/shift", &json!({"signed": "one"}))).await;
    assert_eq!(status, 400);
    assert!(body.contains(r#""status":"INVALID_ARGUMENT""#), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_internal_and_says_nothing() {
    let server = server().await;
    let crashed = answer(call(&server, "/crash", &json!(null))).await;
    assert_eq!(crashed, (500, INTERNAL.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_cut_and_says_so() {
    let server = server().await;
    let data = json!({"gate": "never opened", "to": 1});
    let (status, body) = answer(call(&server, "/brief", &data)).await;
    assert_eq!(status, 504);
    assert!(body.contains(r#""status":"DEADLINE_EXCEEDED""#), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_nobody_and_a_bad_one_is_refused() {
    let server = server().await;
    let call = |path, authorization: &str| {
        let call = call(&server, path, &json!(1));
        match authorization {
            "" => call,
            _ => call.header("authorization", authorization),
        }
    };
    let valid = format!("bearer {}", server.token("ana"));
    assert_eq!(result(call("/echo", "")).await["uid"], json!(null));
    for path in ["/echo", "/guarded"] {
        assert_eq!(result(call(path, &valid)).await["uid"], "ana");
    }
    for path in ["/echo", "/guarded"] {
        for bad in ["Bearer garbage", "Bearer ", "Bearer", "Basic YTpi"] {
            let refused = answer(call(path, bad)).await;
            assert_eq!(refused, (401, UNAUTHENTICATED.to_owned()), "{path} {bad}");
        }
    }
    let anonymous = answer(call("/guarded", "")).await;
    assert_eq!(anonymous, (401, UNAUTHENTICATED.to_owned()));
    assert_eq!(result(call("/open", "Bearer garbage")).await["data"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_checked_now_is_not_called_bad() {
    let server = server().await;
    // {"alg":"RS256","kid":"k"}, which the keys would be fetched for.
    let token = "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln";
    let response = call(&server, "/echo", &json!(1))
        .header("authorization", token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["status"], "UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_is_looked_at_before_the_token_and_the_body_after_it() {
    let server = server().await;
    let request = |media| {
        http_client()
            .post(server.url("/echo"))
            .header("authorization", "Basic YTpi")
            .header("content-type", media)
            .body("{}")
    };
    assert_eq!(answer(request("text/plain")).await.0, 400);
    assert_eq!(answer(request("application/json")).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_asks_for_app_check_its_token_is_not_looked_at() {
    let server = server().await;
    // The last one is what the SDK sends when it got none.
    for sent in [&*unsigned(APP), "", "eyJlcnJvciI6IlVOS05PV05fRVJST1IifQ=="] {
        let request = call(&server, "/echo", &json!(1))
            .header("x-firebase-appcheck", sent)
            .header("firebase-instance-id-token", "device:1");
        let result = result(request).await;
        assert_eq!(result["app"], json!(null));
        assert_eq!(result["instance_id"], "device:1");
    }
}

const APP: &str = "1:1234567890:web:321abc";

/// A token of App Check as `router dev` accepts it.
fn unsigned(app: &str) -> String {
    let claims = json!({
        "iss": "https://firebaseappcheck.googleapis.com/1234567890",
        "aud": ["projects/1234567890", "projects/demo-project"],
        "sub": app, "iat": 0, "exp": 3600,
    });
    let encode = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", encode(json!({"alg": "none"})), encode(claims))
}

#[tokio::test(flavor = "multi_thread")]
async fn where_app_check_is_required_the_app_is_known_or_refused() {
    let server = server().await;
    let asked = |token: &str| {
        call(&server, "/attested", &json!(1)).header("x-firebase-appcheck", token.to_owned())
    };
    assert_eq!(result(asked(&unsigned(APP))).await["app"], APP);

    let refused = (401, UNAUTHENTICATED.to_owned());
    assert_eq!(
        answer(call(&server, "/attested", &json!(1))).await,
        refused,
        "none"
    );
    let signed = format!("{}c2lnbmF0dXJl", unsigned(APP));
    let junk = "eyJlcnJvciI6IlVOS05PV05fRVJST1IifQ==";
    for token in [junk, "", &signed, &unsigned("")] {
        assert_eq!(answer(asked(token)).await, refused, "{token}");
    }
    let twice = asked(&unsigned(APP)).header("x-firebase-appcheck", unsigned(APP));
    assert_eq!(answer(twice).await, refused, "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_url_form_reaches_it_and_none_redirects() {
    let server = server().await;
    for path in [
        "/echo",
        "/echo/",
        "/echo/below/it",
        "//echo",
        "/echo?version=2",
        "/demo-project/us-central1/echo",
        "/demo-project/us-central1/echo/",
        "/api/call",
    ] {
        assert_eq!(
            result(call(&server, path, &json!(5))).await["data"],
            5,
            "{path}"
        );
    }
    let by_host = call(&server, "/echo", &json!(5))
        .header("host", "us-central1-demo-project.cloudfunctions.net");
    assert_eq!(result(by_host).await["data"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_allows_post_and_the_headers_that_were_asked_for() {
    const ASKED: &str = "authorization,content-type,firebase-instance-id-token,x-firebase-appcheck";
    let server = server().await;
    for path in ["/echo", "//echo", "/api/call", "/guarded"] {
        let request = http_client()
            .request(Method::OPTIONS, server.url(path))
            .header("origin", ORIGIN)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", ASKED);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 204, "{path}");
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], ORIGIN);
        assert_eq!(headers["access-control-allow-methods"], "POST");
        assert_eq!(headers["access-control-allow-headers"], ASKED);
    }
}

/// Every way in which a call can fail, by its status.
fn failures(server: &TestServer) -> Vec<(u16, RequestBuilder)> {
    let call = |path, data| call(server, path, &data);
    vec![
        (400, call("/shift", json!(1))),
        (400, call("/echo", json!(1)).body("{}")),
        (401, call("/guarded", json!(1))),
        (404, call("/unknown", json!(1))),
        (413, call("/echo", json!("a".repeat(64 << 10)))),
        (
            415,
            call("/echo", json!(1)).header("content-encoding", "br"),
        ),
        (429, call("/fail", json!({"code": "RESOURCE_EXHAUSTED"}))),
        (500, call("/crash", json!(1))),
        (
            504,
            call("/brief", json!({"gate": "never opened", "to": 1})),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_can_read_every_failure() {
    let server = server().await;
    for (status, request) in failures(&server) {
        let response: Response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        let origin = &response.headers()["access-control-allow-origin"];
        assert_eq!(origin, ORIGIN, "{status}");
        let body: Value = response.json().await.unwrap();
        assert!(body["error"]["status"].is_string(), "{status}: {body}");
    }
}
