//! Clients that hold what they do not use. Each is given up after 10 to 30 seconds, which is how long these
//! tests take, all at once.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::functions::{FLOODING, client, server};

/// Longer than any client is waited for.
const FOREVER: Duration = Duration::from_secs(90);
const SECOND: Duration = Duration::from_secs(1);

/// Sends `opening`, then `drop` once a second; returns what came back when the server closed.
async fn dribble(address: SocketAddr, opening: &str, drop: &str) -> String {
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    to.write_all(opening.as_bytes()).await.unwrap();
    let dribbling = async {
        while to.write_all(drop.as_bytes()).await.is_ok() {
            tokio::time::sleep(SECOND).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let closed = async {
        tokio::select! {
            _ = from.read_to_end(&mut answer) => {}
            () = dribbling => {}
        }
    };
    timeout(FOREVER, closed).await.expect("it stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_too_slow_is_given_up_and_the_others_are_served() {
    let server = server().await;
    let address = server.address();
    let head = "GET /echo HTTP/1.1\r\nHost: a\r\n";
    let post = "POST /read HTTP/1.1\r\nHost: a\r\n";
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    let twice = format!("{head}\r\n{head}");
    let slow = async {
        tokio::join!(
            dribble(address, "", ""),
            dribble(address, "\r\n\r\n", ""),
            dribble(address, head, "X: y\r\n"),
            dribble(address, &twice, "X: y\r\n"),
            dribble(address, &chunked, "1\r\nx\r\n"),
        )
    };
    let others = async {
        loop {
            let response = client().get(server.url("/echo")).send().await.unwrap();
            assert_eq!(response.status(), 200);
            tokio::time::sleep(SECOND).await;
        }
    };
    let (silent, blank, head, second, body) = tokio::select! {
        answers = slow => answers,
        () = others => unreachable!("it never ends"),
    };
    assert_eq!((&*silent, &*blank, &*head), ("", "", ""));
    assert_eq!(second.matches("HTTP/1.1 200").count(), 1, "{second}");
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_given_up() {
    let server = server().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /flood?counts HTTP/1.1\r\nHost: a\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut first = [0; 1024];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(FLOODING.load(Ordering::SeqCst), 1);
    let given_up = async {
        while FLOODING.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(SECOND / 10).await;
        }
    };
    timeout(FOREVER, given_up).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_but_steadily_gets_everything() {
    let server = server().await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut piece = vec![0; 512 << 10];
    for _ in 0..40 {
        socket.read_exact(&mut piece).await.unwrap();
        tokio::time::sleep(SECOND).await;
    }
}
