//! Functions that hold the threads they run on.

use crate::server::Server;

const WARNING: &str = "has held a worker for 1 s";

#[tokio::test]
async fn a_function_that_holds_its_worker_is_named_once_and_no_other_is() {
    let server = Server::start().await;
    assert_eq!(server.get("/hold?300").await, 200);
    assert_eq!(server.get("/hold?2500").await, 200);
    let line = server
        .logged(&[WARNING, r#""function":"hold""#, r#""level":"WARN""#])
        .await;
    let request = server
        .logged(&["GET /hold 200", r#""duration_ms":25"#])
        .await;
    let invocation = |line: &str| {
        let (_, rest) = line.split_once(r#""invocation":""#)?;
        rest.get(..24).map(str::to_owned)
    };
    assert_eq!(invocation(&line), invocation(&request), "{line}\n{request}");
    assert_eq!(server.log().matches(WARNING).count(), 1, "{}", server.log());
}

#[tokio::test]
async fn a_process_whose_workers_are_all_held_says_by_whom_and_ends_for_another_to_start() {
    let mut server = Server::start().await;
    let cores = std::thread::available_parallelism().unwrap().get();
    // More than there are workers: what waits behind a held one must not save the process.
    for _ in 0..2 * cores.max(4) {
        server.begin("/hold?300000");
    }
    let status = server.exit().await;
    assert_eq!(status.code(), Some(1), "{}", server.log());
    let log = server.log();
    let accused = log
        .lines()
        .filter(|line| line.contains("holds a worker") && line.contains(r#""function":"hold""#));
    assert_eq!(accused.count(), cores.max(4), "{log}");
    assert!(log.contains("all workers have been held"), "{log}");
}

#[tokio::test]
async fn one_worker_that_is_held_ends_nothing() {
    let server = Server::start().await;
    server.begin("/hold?14000");
    server.logged(&[WARNING]).await;
    server.logged(&["GET /hold 200"]).await;
    assert_eq!(server.get("/hello").await, 200);
    assert!(!server.log().contains("all workers"), "{}", server.log());
}
