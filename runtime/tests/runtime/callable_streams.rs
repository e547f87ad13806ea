//! Answers that come piece by piece: callables whose client asks for a stream, and `runtime::stream`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use reqwest::{RequestBuilder, Response};
use runtime::testing::{TestServer, http_client};
use runtime::{Context, Error, ErrorCode, Result, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::callable_functions::{ORIGIN, call, gate, registry, server};

fn streamed(server: &TestServer, path: &str, data: &Value) -> RequestBuilder {
    call(server, path, data).header("accept", "text/event-stream")
}

/// The next event: its key and its value. None comes in two parts, and no two in one.
async fn next(response: &mut Response) -> Option<(String, Value)> {
    let event = response.chunk().await.expect("the stream goes on")?;
    let event = str::from_utf8(&event).unwrap();
    let line = event
        .strip_prefix("data: ")
        .and_then(|rest| rest.strip_suffix("\n\n"))
        .unwrap_or_else(|| panic!("{event:?} is not one event"));
    let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
    assert_eq!(object.len(), 1, "{line}");
    object.into_iter().next()
}

/// All that is left.
async fn rest(mut response: Response) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while let Some(event) = next(&mut response).await {
        events.push(event);
    }
    events
}

fn message(value: Value) -> (String, Value) {
    ("message".to_owned(), value)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_piece_arrives_before_the_next_is_made() {
    let server = server().await;
    let data = json!({"gate": "in order", "to": 3});
    let mut response = streamed(&server, "/count", &data).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["access-control-allow-origin"], ORIGIN);
    for number in 1..=3 {
        gate("in order").add_permits(1);
        assert_eq!(next(&mut response).await, Some(message(json!(number))));
    }
    assert_eq!(rest(response).await, [("result".to_owned(), json!(3))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_never_waits_sends_each_piece_by_itself() {
    let server = server().await;
    gate("open").add_permits(100);
    let data = json!({"gate": "open", "to": 100});
    let response = streamed(&server, "/count", &data).send().await.unwrap();
    let events = rest(response).await;
    assert_eq!(events.len(), 101);
    assert_eq!(events[99], message(json!(100)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_for_http_streams_in_the_same_form() {
    let server = server().await;
    gate("pieces").add_permits(3);
    let request = http_client().get(server.url("/pieces?pieces"));
    let events = rest(request.send().await.unwrap()).await;
    assert_eq!(events[2], message(json!({"piece": 3})));
    assert_eq!(events[3], ("result".to_owned(), json!("done")));
    assert_eq!(events.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_exact_media_type_asks_for_a_stream() {
    let server = server().await;
    for accept in ["text/event-stream, */*", "text/event-stream;q=1", "*/*"] {
        let request = call(&server, "/echo", &json!(1)).header("accept", accept);
        let response = request.send().await.unwrap();
        let media = &response.headers()["content-type"];
        assert_eq!(media, "application/json; charset=utf-8", "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_a_streamed_call_is_one_event_of_a_200() {
    let server = server().await;
    let call = |path, data| streamed(&server, path, &data);
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(
        (0..65).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024])),
    ));
    let get = http_client().get(server.url("/echo"));
    for (status, request) in [
        ("INVALID_ARGUMENT", call("/echo", json!(1)).body("{}")),
        ("INVALID_ARGUMENT", call("/echo", json!(1)).body(chunked)),
        (
            "INVALID_ARGUMENT",
            get.header("accept", "text/event-stream"),
        ),
        (
            "INVALID_ARGUMENT",
            call("/echo", json!("a".repeat(64 << 10))),
        ),
        (
            "INVALID_ARGUMENT",
            call("/echo", json!(1)).header("content-encoding", "br"),
        ),
        ("INVALID_ARGUMENT", call("/shift", json!(1))),
        ("INTERNAL", call("/echo", json!({"@type": "unknown"}))),
        ("UNAUTHENTICATED", call("/guarded", json!(1))),
        ("UNAUTHENTICATED", call("/attested", json!(1))),
        (
            "UNAUTHENTICATED",
            call("/echo", json!(1)).bearer_auth("garbage"),
        ),
        (
            "UNAVAILABLE",
            call("/echo", json!(1)).bearer_auth("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln"),
        ),
        ("NOT_FOUND", call("/unknown", json!(1))),
        (
            "NOT_FOUND",
            call("/demo-project/us-central1/unknown", json!(1)),
        ),
        (
            "DEADLINE_EXCEEDED",
            call("/brief", json!({"gate": "never opened", "to": 1})),
        ),
    ] {
        let response = request.header("origin", ORIGIN).send().await.unwrap();
        assert_eq!(response.status(), 200, "{status}");
        assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let events = rest(response).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].0, "error");
        assert_eq!(events[0].1["status"], status, "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_too_often_is_told_by_an_event() {
    let server = server().await;
    let first = streamed(&server, "/rare", &json!(1)).send().await.unwrap();
    assert_eq!(rest(first).await.last().unwrap().0, "result");
    let refused = streamed(&server, "/rare", &json!(1)).send().await.unwrap();
    assert_eq!(refused.status(), 200);
    let events = rest(refused).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1["status"], "RESOURCE_EXHAUSTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_before_it_is_routed_is_an_event_too() {
    let server = server().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\nAccept: text/event-stream\r\n\r\n";
    socket.write_all(head).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("data: {\"error\":{"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_some_pieces_is_the_last_event() {
    let server = server().await;
    let failed = json!({"code": "ABORTED", "details": [1]});
    let error = json!({"details": [1], "message": "the text", "status": "ABORTED"});
    let internal = json!({"message": "INTERNAL", "status": "INTERNAL"});
    for (path, data, error) in [("/fail", failed, error), ("/crash", json!(null), internal)] {
        let response = streamed(&server, path, &data).send().await.unwrap();
        let events = rest(response).await;
        assert_eq!(
            events,
            [message(json!("before")), ("error".to_owned(), error)]
        );
    }
    gate("opened once").add_permits(1);
    let data = json!({"gate": "opened once", "to": 2});
    let response = streamed(&server, "/brief", &data).send().await.unwrap();
    let events = rest(response).await;
    assert_eq!(events[0], message(json!(1)));
    assert_eq!(events[1].1["status"], "DEADLINE_EXCEEDED");
    assert_eq!(events.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_drops_the_work() {
    let server = server().await;
    gate("left").add_permits(1);
    let data = json!({"gate": "left", "to": 2});
    let mut response = streamed(&server, "/count", &data).send().await.unwrap();
    assert_eq!(next(&mut response).await, Some(message(json!(1))));
    drop(response);
    // The function waits at a gate that nobody opens, for 20 s unless it is dropped.
    let dropped = gate("left dropped");
    let dropped = tokio::time::timeout(std::time::Duration::from_secs(10), dropped.acquire());
    assert!(dropped.await.is_ok(), "the function goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_holds_its_slot_until_its_end_and_who_finds_none_is_told_by_an_event() {
    let server = server().await;
    let data = json!({"gate": "slot", "to": 1});
    let held = streamed(&server, "/one", &data).send().await.unwrap();
    let refused = streamed(&server, "/one", &data).send().await.unwrap();
    assert_eq!(refused.status(), 200);
    let events = rest(refused).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1["status"], "UNAVAILABLE");
    let plain = call(&server, "/one", &data).send().await.unwrap();
    assert_eq!(plain.status(), 503);

    gate("slot").add_permits(1);
    assert_eq!(rest(held).await.len(), 2);
    gate("slot").add_permits(1);
    let next = streamed(&server, "/one", &data).send().await.unwrap();
    assert_eq!(rest(next).await.len(), 2);
}

#[tokio::test]
async fn who_sends_waits_until_the_piece_was_taken() {
    let context = Context::test(&registry(), "count", None).await.unwrap();
    let sent = Arc::new(AtomicU32::new(0));
    let counter = sent.clone();
    let mut body = stream(&context, |context| async move {
        while context.send(&()).await? {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    })
    .into_body();
    for taken in 0..5 {
        assert_eq!(sent.load(Ordering::SeqCst), u32::saturating_sub(taken, 1));
        body.chunk().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn after_each_piece_a_connection_has_nothing_to_take_and_flushes() {
    let context = Context::test(&registry(), "count", None).await.unwrap();
    let mut body = stream(&context, |context| async move {
        while context.send(&()).await? {}
        Ok(())
    })
    .into_body();
    for _ in 0..3 {
        assert!(body.chunk().now_or_never().is_some());
        assert!(body.chunk().now_or_never().is_none());
    }
}

#[tokio::test]
async fn where_nobody_reads_pieces_a_send_is_nothing() {
    let context = Context::test(&registry(), "count", None).await.unwrap();
    assert!(!context.send("piece").await.unwrap());
}

#[tokio::test]
async fn nothing_follows_the_last_event() {
    let context = Context::test(&registry(), "count", None).await.unwrap();
    let (sender, result) = tokio::sync::oneshot::channel();
    let mut body = stream(&context, |context| async move {
        tokio::spawn(async move {
            while let Ok(true) = context.send("more").await {}
            let _ = sender.send(());
        });
        tokio::task::yield_now().await;
        Err::<(), _>(Error::new(ErrorCode::Aborted, "enough"))
    })
    .into_body();
    let mut events = Vec::new();
    while let Some(event) = body.chunk().await {
        events.push(event.unwrap());
    }
    let last = events.pop().unwrap();
    assert!(last.starts_with(b"data: {\"error\":"), "{last:?}");
    assert!(
        events
            .iter()
            .all(|event| event.starts_with(b"data: {\"message\":"))
    );
    result.await.expect("the task is told that nobody reads");
}

#[tokio::test]
async fn a_panic_before_the_first_wait_is_an_event() {
    async fn panics(_context: Context) -> Result<()> {
        panic!("a secret text")
    }
    let context = Context::test(&registry(), "count", None).await.unwrap();
    let event = stream(&context, panics)
        .into_body()
        .collect()
        .await
        .unwrap();
    let expected = "data: {\"error\":{\"message\":\"INTERNAL\",\"status\":\"INTERNAL\"}}\n\n";
    assert_eq!(event, expected);
}
