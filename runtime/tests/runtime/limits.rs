//! Bytes, seconds, slots.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::functions::{READ_CALLED, client, server};
use crate::metrics;

const MAX_BODY: usize = 64 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_declared_or_not_and_the_exact_limit_is_not() {
    let server = server().await;
    let url = server.url("/read");
    let post = |body: reqwest::Body| client().post(&url).body(body).send();

    let before = READ_CALLED.load(Ordering::SeqCst);
    let declared = post(vec![0; MAX_BODY + 1].into()).await.unwrap();
    assert_eq!(declared.status(), 413);
    assert_eq!(
        READ_CALLED.load(Ordering::SeqCst),
        before,
        "the function ran"
    );

    let pieces = |count: usize| {
        let pieces = (0..count).map(|_| Ok::<_, std::io::Error>(vec![0u8; 1024]));
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
    };
    assert_eq!(post(pieces(65)).await.unwrap().status(), 413);
    for body in [pieces(64), vec![0; MAX_BODY].into()] {
        let response = post(body).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), MAX_BODY.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_body_is_not_read() {
    let server = server().await;
    let request = client()
        .post(server.url("/read"))
        .header("content-encoding", "gzip");
    assert_eq!(request.body("x").send().await.unwrap().status(), 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_sending_gets_408() {
    let server = server().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf";
    socket.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_continue_is_sent_before_a_refusal() {
    let server = server().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head =
        b"POST /guarded HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    socket.write_all(head).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
}

/// A client may take the answer for leave to send nothing of the body, or have sent it already.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_an_answer_that_leaves_a_body_unread() {
    let server = server().await;
    for (request, status) in [
        ("GET /healthz", "200"),
        ("POST /healthz", "405"),
        ("POST /nowhere", "404"),
        ("POST /guarded", "401"),
    ] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_slots_a_function_answers_503_and_others_go_on() {
    let server = metrics::counting().await;
    let client = client();
    let long = client.get(server.url("/hold?4000"));
    let busy: Vec<_> = (0..2)
        .map(|_| tokio::spawn(long.try_clone().expect("no body").send()))
        .collect();
    metrics::until_counted(&server, r#"router_in_flight{function="hold"} 2"#).await;
    let third = server.url("/hold?0");
    let refused = client.get(&third).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let other = client.get(server.url("/echo")).send().await.unwrap();
    assert_eq!(other.status(), 200);
    for call in busy {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(client.get(&third).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_held_until_the_last_byte_of_a_streamed_response() {
    let server = server().await;
    let streaming = client()
        .get(server.url("/stream?1000"))
        .send()
        .await
        .unwrap();
    assert_eq!(streaming.status(), 200);
    let second = client().get(server.url("/stream")).send().await.unwrap();
    assert_eq!(second.status(), 503);
    assert_eq!(streaming.text().await.unwrap(), "piece\n".repeat(10));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while client()
        .get(server.url("/stream"))
        .send()
        .await
        .unwrap()
        .status()
        != 200
    {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the slot never came back"
        );
    }
}
