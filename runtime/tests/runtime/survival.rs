//! Functions that panic, never yield, or whose callers leave; and a stop in the middle of work.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use runtime::testing::TestServer;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::functions::{WRITTEN, client, server};
use crate::metrics::{counting, until_counted};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_panics_are_a_500_each_and_change_no_other_call() {
    const CALLERS: usize = 10;
    let server = Arc::new(counting().await);
    let get = async |server: &TestServer, client: &reqwest::Client, path| {
        let call = client.get(server.url(path)).send();
        call.await.unwrap().status().as_u16()
    };
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move {
                let client = client();
                for _ in 0..1000 / CALLERS {
                    assert_eq!(get(&server, &client, "/crash").await, 500);
                    assert_eq!(get(&server, &client, "/echo").await, 200);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    until_counted(&server, r#"router_panics_total{function="crash"} 1000"#).await;
    until_counted(&server, r#"router_panics_total{function="echo"} 0"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_middle_of_a_response_cuts_that_response_and_is_counted() {
    let server = counting().await;
    let response = client()
        .get(server.url("/crash_midway"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.expect_err("it came whole");
    until_counted(&server, r#"router_panics_total{function="crash_midway"} 1"#).await;
    until_counted(&server, r#"router_in_flight{function="crash_midway"} 0"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_hangs_up_does_not_cancel_the_function() {
    let server = server().await;
    let before = WRITTEN.load(Ordering::SeqCst);
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = b"POST /write?300 HTTP/1.1\r\nHost: a\r\n\r\n";
    socket.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(socket);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while WRITTEN.load(Ordering::SeqCst) == before {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the write was cancelled"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_lets_work_in_flight_finish() {
    let server = server().await;
    let call = tokio::spawn(client().get(server.url("/sleep?700")).send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let address = server.address();
    server.stop().await.unwrap();
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
    assert!(
        TcpStream::connect(address).await.is_err(),
        "it still listens"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_function_that_never_yields_stops_no_other_call() {
    const CONNECTIONS: usize = 32;
    let server = server().await;
    let client = client();
    // Open connections, idle, as a browser keeps them.
    let open: Vec<_> = (0..CONNECTIONS).map(|_| self::client()).collect();
    for connection in &open {
        assert_eq!(
            connection
                .get(server.url("/echo"))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
    let spinning = tokio::spawn(client.get(server.url("/spin?6000")).send());
    tokio::time::sleep(Duration::from_millis(300)).await;
    for connection in &open {
        let call = connection.get(server.url("/echo")).send();
        let response = tokio::time::timeout(Duration::from_secs(3), call).await;
        assert_eq!(response.expect("it hangs").unwrap().status(), 200);
        assert!(!spinning.is_finished(), "nothing spun any more");
    }
    assert_eq!(spinning.await.unwrap().unwrap().status(), 200);
}
