//! Requests in HTTP/2 are answered as those in HTTP/1.1 are.

use std::collections::BTreeSet;

use http::Version;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::http2::{
    DATA, END_HEADERS, END_STREAM, Frames, HEADERS, Http2, RST_STREAM, field, frame, request,
};
use crate::harness::router::{download_url, upload_url};
use crate::harness::{Launch, ORIGIN, Provider, Reply, Router, Token, Wire, eventually, form};

use super::{begun_upload, others_are_served, started};

const MIB: usize = 1024 * 1024;
/// Of a file that fits into a window.
const LENGTH: usize = 50_000;

#[tokio::test]
async fn it_is_spoken_where_it_is_asked_for_and_http_1_beside_it() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    for _ in 0..3 {
        let reply = client.get("/hello_world").await;
        assert_eq!(reply.status, 200);
        assert!(reply.text().starts_with("Hello from"), "{reply:?}");
    }
    // However the first bytes arrive, also when they could begin either.
    for request in [router.get("/hello_world"), router.post("/hello_world")] {
        let mut wire = Wire::open(router.address).await;
        for byte in request.head() {
            wire.send([byte]).await;
        }
        assert_eq!(wire.answer().await.status, 200);
    }
    let mut wire = Wire::open(router.address).await;
    wire.send("PRI * HTTP/2.0\r\n\r\nXX").await;
    if let Some(reply) = wire.last_answer().await {
        assert!(matches!(reply.status, 400 | 505), "{reply:?}");
    }
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn it_is_off_unless_a_variable_says_1() {
    for value in ["", "0"] {
        let router = Launch::new().env("H2C", value).start().await;
        let mut client = Frames::open(router.address).await;
        let seen = client.end().await;
        assert_eq!(seen.frames, [0; 10], "{value:?}: {seen:?}");
        assert_eq!(router.get("/hello_world").send().await.status, 200);
    }
    for value in ["yes", "true", "2"] {
        let output = Launch::new().env("H2C", value).output().await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("H2C is"), "{text}");
    }
}

/// What is of one connection alone has no place in HTTP/2 (RFC 9113 §8.2.2); `date` and the length come from
/// the same hand.
fn names(reply: &Reply) -> BTreeSet<&str> {
    let of_the_connection = ["connection", "transfer-encoding"];
    let names = reply.headers.keys().map(http::HeaderName::as_str);
    names
        .filter(|name| !of_the_connection.contains(name))
        .collect()
}

#[tokio::test]
async fn every_answer_carries_the_same_headers() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    let token = Token::of("U1").signed();
    let bearer = format!("Bearer {token}");
    for (method, target, headers, status) in [
        ("GET", "/hello_world", &[] as &[(&str, &str)], 200),
        ("GET", "/nope", &[("origin", ORIGIN)], 404),
        ("TRACE", "/hello_world", &[], 405),
        ("POST", "/auth_sync", &[("origin", ORIGIN)], 401),
        (
            "POST",
            "/auth_sync",
            &[("authorization", &*bearer), ("content-encoding", "gzip")],
            415,
        ),
        (
            "OPTIONS",
            "/auth_sync",
            &[
                ("origin", ORIGIN),
                ("access-control-request-method", "POST"),
            ],
            204,
        ),
        ("GET", "/healthz", &[], 200),
    ] {
        let mut one = router.call(method, target);
        let mut two = client.request(method, target);
        for (name, value) in headers {
            one = one.header(name, *value);
            two = two.header(*name, *value);
        }
        let one = one.send().await;
        let two = client.send(two, Vec::new()).await;
        assert_eq!((one.status, two.status), (status, status), "{target}");
        assert_eq!(names(&one), names(&two), "{method} {target}");
        assert_eq!(one.body, two.body, "{target}");
        assert!(!two.headers.contains_key("connection"), "{two:?}");
    }
}

#[tokio::test]
async fn head_says_what_get_would_and_nothing_follows_it() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    let mut frames = Frames::open(router.address).await;
    let targets = [
        ("/hello_world", 200),
        ("/healthz", 200),
        ("/nope", 404),
        ("/auth_sync", 405),
    ];
    for (stream, (target, status)) in (1..).step_by(2).zip(targets) {
        let get = client.get(target).await;
        let head = client.request("HEAD", target);
        let head = client.send(head, Vec::new()).await;
        assert_eq!((get.status, head.status), (status, status), "{target}");
        assert_eq!(names(&get), names(&head), "{target}");
        assert!(!get.body.is_empty() && head.body.is_empty(), "{target}");
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), length, "{target}");

        let head = request("HEAD", target);
        let flags = END_HEADERS | END_STREAM;
        frames.send(frame(HEADERS, flags, stream, &head)).await;
    }
    eventually("all are answered", async || {
        frames.seen().frames[usize::from(HEADERS)] == targets.len()
    })
    .await;
    let seen = frames.settled().await;
    assert_eq!(seen.bodiless, targets.len(), "{seen:?}");
    assert_eq!(seen.frames[usize::from(DATA)], 0, "{seen:?}");
}

#[tokio::test]
async fn a_file_goes_up_and_comes_down_again() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    let bearer = format!("Bearer {}", Token::of("U1").signed());
    let file: Vec<u8> = (0..3 * MIB).map(|at| (at % 251) as u8).collect();
    let upload = client
        .request("POST", &upload_url("U1"))
        .header("authorization", &bearer)
        .header("content-type", form::content_type());
    let reply = client.send(upload, form::file("a.webm", &file)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let download = client
        .request("GET", &download_url("U1", "a.webm"))
        .header("authorization", &bearer);
    let reply = client.send(download, Vec::new()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-length"), file.len().to_string());
    assert!(reply.body == file, "another content");
}

#[tokio::test]
async fn an_sdk_that_streams_gets_each_piece() {
    let provider = Provider::start().await;
    let router = provider.launch().env("H2C", "1").start().await;
    let speaker = provider.streams();
    let client = Http2::open(router.address).await;
    let call = client
        .request("POST", "/tria_chat")
        .header(
            "authorization",
            format!("Bearer {}", Token::of("U1").signed()),
        )
        .header("content-type", "application/json")
        .header("accept", "text/event-stream");
    let body = json!({"data": {"text": "ping"}}).to_string();
    let speaking = async {
        speaker.says("po").await;
        speaker.says("ng").await;
        speaker.ends().await;
    };
    let (reply, ()) = tokio::join!(client.send(call, body.into_bytes()), speaking);
    let pieces = "data: {\"message\":\"po\"}\n\ndata: {\"message\":\"ng\"}\n\n";
    let result = "data: {\"result\":{\"response\":\"pong\"}}\n\n";
    assert_eq!(reply.text(), format!("{pieces}{result}"));
}

#[tokio::test]
async fn a_hundred_requests_go_over_one_connection_at_once() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let client = client.clone();
        let target = format!("/auth_sync?{number}");
        calls.spawn(async move {
            let token = Token::of(&format!("U{number}")).signed();
            let call = client.request("POST", &target);
            let call = call.header("authorization", format!("Bearer {token}"));
            client.send(call, b"{}".to_vec()).await
        });
    }
    // The function has 80 places; nobody else is kept from theirs.
    let replies = calls.join_all().await;
    let count = |status| {
        replies
            .iter()
            .filter(|reply| reply.status == status)
            .count()
    };
    assert!(count(201) >= 80, "{}", count(201));
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(!reply.header("retry-after").is_empty(), "{reply:?}");
    }
    assert_eq!(client.get("/hello_world").await.status, 200);
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    let own = router.address.to_string();
    for (hosts, status) in [
        (&[] as &[&str], 200),
        (&[&*own], 200),
        (&["other.example"], 400),
        (&[&*own, &*own], 400),
        (&[&*own, "other.example"], 400),
    ] {
        let mut call = client.request("GET", "/hello_world");
        for host in hosts {
            call = call.header("host", *host);
        }
        let reply = client.send(call, Vec::new()).await;
        assert_eq!(reply.status, status, "{hosts:?}: {reply:?}");
    }
    // The client writes no authority for a request that it has from HTTP/1.1.
    for (host, status) in [(None, 400), (Some("a b"), 400), (Some("us.example"), 200)] {
        let mut call = http::Request::get("/hello_world").version(Version::HTTP_11);
        if let Some(host) = host {
            call = call.header("host", host);
        }
        let reply = client.send(call, Vec::new()).await;
        assert_eq!(reply.status, status, "{host:?}: {reply:?}");
    }
    let user = http::Request::get("http://user@us.example/hello_world");
    let reply = client.send(user, Vec::new()).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    // Each host runs the functions of its own.
    let call = http::Request::get("http://asia-east1-x.cloudfunctions.net/hello_world");
    assert_eq!(client.send(call, Vec::new()).await.status, 404);
}

#[tokio::test]
async fn nobody_is_turned_into_a_tunnel() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    let call = http::Request::builder().method("CONNECT");
    let reply = client.send(call.uri("example.com:443"), Vec::new()).await;
    assert_eq!(reply.status, 405, "{reply:?}");
    assert_eq!(client.get("/hello_world").await.status, 200);
}

#[tokio::test]
async fn a_head_has_32_kibibytes_and_100_fields() {
    let router = started().await;
    let client = Http2::open(router.address).await;
    for (fields, bytes, status) in [
        (99, 1, 200),
        (100, 1, 431),
        (1, 31 << 10, 200),
        (1, 33 << 10, 431),
    ] {
        let mut call = client.request("GET", "/hello_world");
        for number in 0..fields {
            call = call.header(format!("x-{number}"), "y".repeat(bytes));
        }
        let reply = client.send(call, Vec::new()).await;
        assert_eq!(reply.status, status, "{fields} {bytes}: {reply:?}");
    }
    assert_eq!(client.get("/hello_world").await.status, 200);
}

#[tokio::test]
async fn a_body_that_nobody_wants_ends_its_stream_and_no_other() {
    let launch = Launch::new().set("functions.hello_world", "max_body", "\"1KiB\"");
    let router = launch.env("H2C", "1").start().await;
    let client = Http2::open(router.address).await;
    for (target, status) in [
        ("/hello_world", 413),
        ("/nope", 404),
        (&*upload_url("U1"), 401),
    ] {
        let call = client.request("POST", target);
        let reply = client.send(call, vec![0; 4 * MIB]).await;
        assert_eq!(reply.status, status, "{target}: {reply:?}");
    }
    assert!(!client.is_closed());
    assert_eq!(client.get("/hello_world").await.status, 200);

    // What goes on sending is told to stop.
    let mut frames = Frames::open(router.address).await;
    frames
        .send(frame(HEADERS, END_HEADERS, 1, &request("POST", "/nope")))
        .await;
    frames.send(frame(DATA, 0, 1, b"more")).await;
    eventually("the stream is reset", async || {
        frames.seen().frames[usize::from(RST_STREAM)] == 1
    })
    .await;
    assert_eq!(frames.settled().await.goaway, None);
}

#[tokio::test]
async fn a_body_is_as_long_as_it_says_and_as_it_may_be() {
    let launch = Launch::new().set("functions.chunks", "max_body", "\"1MiB\"");
    let router = launch.env("H2C", "1").start().await;
    let client = Http2::open(router.address).await;
    let bearer = format!("Bearer {}", Token::of("U1").signed());
    let upload = || {
        client
            .request("POST", &upload_url("U1"))
            .header("authorization", &bearer)
            .header("content-type", form::content_type())
    };
    let reply = client
        .send(upload(), form::file("a.webm", &vec![0; MIB]))
        .await;
    assert!(!reply.detail(413).is_empty());
    router.nothing_staged().await;

    // Shorter and longer than it says: a malformed request (RFC 9113 §8.1.1).
    for (length, body) in [("10", "short"), ("2", "long")] {
        let fields = [
            request("POST", "/auth_sync"),
            field("content-length", length),
        ];
        let mut frames = Frames::open(router.address).await;
        frames
            .send(frame(HEADERS, END_HEADERS, 1, &fields.concat()))
            .await;
        frames
            .send(frame(DATA, END_STREAM, 1, body.as_bytes()))
            .await;
        let seen = frames.settled().await;
        assert!(
            seen.ended || seen.frames[usize::from(RST_STREAM)] > 0,
            "{length}: {seen:?}"
        );
    }
    others_are_served(&router).await;
}

#[tokio::test]
async fn no_log_shows_what_a_request_holds_however_malformed_it_is() {
    const SECRET: &str = "sent-by-a-caller-5f0d";
    let launch = Launch::new().env("H2C", "1").env("LOG_LEVEL", "trace");
    let router = launch.start().await;
    let mut client = Frames::open(router.address).await;
    for (stream, target, name) in [
        (1, format!("/hello_world?token={SECRET}"), "authorization"),
        (3, format!("/hello world?token={SECRET}"), "authorization"),
        (5, "/hello_world".to_owned(), "Authorization"),
        (7, "/hello_world".to_owned(), ":authorization"),
    ] {
        let fields = [request("GET", &target), field(name, SECRET)].concat();
        let flags = END_HEADERS | END_STREAM;
        client.send(frame(HEADERS, flags, stream, &fields)).await;
    }
    client.settled().await;
    others_are_served(&router).await;
    assert!(!router.log().contains(SECRET), "{}", router.log());
}

#[tokio::test]
async fn a_stop_finishes_what_was_begun_and_says_goodbye() {
    let mut router = started().await;
    let idle = Http2::open(router.address).await;
    assert_eq!(idle.get("/hello_world").await.status, 200);
    let mut busy = Frames::open(router.address).await;
    let content = form::file("a.webm", &[7; LENGTH]);
    let (first, last) = content.split_at(LENGTH - 1000);
    busy.send(begun_upload("U1")).await;
    for piece in first.chunks(16_000) {
        busy.send(frame(DATA, 0, 1, piece)).await;
    }
    eventually("the upload is being written", async || {
        !router.staged().is_empty()
    })
    .await;

    router.terminate().await;
    eventually("goodbye is said", async || {
        busy.seen().goaway == Some(0) && idle.is_closed()
    })
    .await;
    busy.send(frame(DATA, END_STREAM, 1, last)).await;
    eventually("the upload is answered", async || {
        busy.seen().frames[usize::from(HEADERS)] == 1
    })
    .await;
    drop(busy);
    assert!(router.exit().await.success(), "{}", router.log());
    assert_uploaded(&router);
}

fn assert_uploaded(router: &Router) {
    let stored = std::fs::read(router.disk().join("user_chunks/U1/a.webm")).unwrap();
    assert_eq!(stored, [7; LENGTH]);
}
