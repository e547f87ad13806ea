//! As many connections as there are descriptors for.

use std::fs;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::Instant;

use crate::harness::{Launch, Router, Wire, eventually};

/// How often it has said that it cannot accept anybody.
fn complaints(router: &Router) -> u32 {
    let count = router.log().matches("cannot accept a connection").count();
    u32::try_from(count).unwrap()
}

#[tokio::test]
async fn without_descriptors_it_waits_and_serves_whom_it_has() {
    // Whoever runs the tests may limit their own processes alone.
    let launch = Launch::new().arguments(&["serve", "--stay-root"]);
    let router = launch.start().await;
    let mut early = Wire::open(router.address).await;
    early.send(router.get("/hello_world").head()).await;
    assert_eq!(early.answer().await.status, 200);

    let process = router.process().to_string();
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let limit = format!("--nofile={0}:{0}", open + 4);
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &process, &limit]);
    assert!(prlimit.status().await.unwrap().success());
    let mut crowd = Vec::new();
    for _ in 0..12 {
        crowd.push(Wire::open(router.address).await);
    }
    eventually("it says so", async || complaints(&router) > 0).await;
    early.send(router.get("/hello_world").head()).await;
    assert_eq!(early.answer().await.status, 200);

    // It pauses between its attempts.
    let (before, begun) = (complaints(&router), Instant::now());
    eventually("it tries again", async || complaints(&router) > before + 2).await;
    let pauses = begun.elapsed().as_millis() / Duration::from_millis(100).as_millis();
    let attempts = u128::from(complaints(&router) - before);
    assert!(attempts <= pauses + 2, "{attempts} in {pauses} pauses");

    drop(crowd);
    assert_eq!(router.get("/hello_world").send().await.status, 200);
}
