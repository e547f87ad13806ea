//! Functions that panic, never yield, or whose callers leave; and a stop in the middle of work.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::functions::{WRITTEN, client, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_500_for_that_call_alone() {
    let server = server().await;
    let client = client();
    for _ in 0..50 {
        assert_eq!(
            client
                .get(server.url("/crash"))
                .send()
                .await
                .unwrap()
                .status(),
            500
        );
        assert_eq!(
            client
                .get(server.url("/echo"))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
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
