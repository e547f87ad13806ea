//! Uploads while the database is away: they are kept, and their rows come when it comes back.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::postgres::{Cluster, Database};
use crate::harness::{Event, Launch, Router, Token, eventually};

/// Nobody listens there on a machine that runs tests.
const NOWHERE: &str = "postgresql://owner:hunter2@127.0.0.1:9/app?sslmode=disable";
const SOON: &str = r#"{ attempts = 100, backoff = "50ms..500ms", window = "1h" }"#;

async fn with_retry(database: Database, retry: &str) -> Router {
    Launch::new()
        .database(database)
        .set("functions.process_chunk", "retry", retry)
        .start()
        .await
}

async fn upload(router: &Router, name: &str) {
    let token = Token::of("U1").signed();
    let reply = router.upload("U1", &token, name, b"0123456789").await;
    assert_eq!(reply.status, 200, "{name}: {reply:?}");
}

/// How many deliveries are in `state`, after how many attempts at most.
fn deliveries(router: &Router, state: &str) -> (i64, i64) {
    let sql = "SELECT count(*) AS n, coalesce(max(attempts), 0) AS most FROM deliveries";
    let rows = router.ledger(&format!("{sql} WHERE state = '{state}'"));
    let number = |column: &str| rows[0][column].as_i64().unwrap();
    (number("n"), number("most"))
}

#[tokio::test]
async fn an_event_from_outside_is_refused_so_that_its_sender_tries_again() {
    let router = Launch::new()
        .env("NEON_DATABASE_URL", NOWHERE)
        .start()
        .await;
    let reply = Event::of("user_uploads/U1/a.webm").send(&router).await;
    reply.refusal(503, "UNAVAILABLE");
    assert!(!router.log().contains("hunter2"), "{}", router.log());
}

#[tokio::test]
async fn an_upload_without_the_database_is_recorded_once_it_is_back() {
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    let router = with_retry(database, SOON).await;
    cluster.stop();
    upload(&router, "a.webm").await;
    eventually("it was tried more than once", async || {
        deliveries(&router, "pending").1 > 1
    })
    .await;
    cluster.restart();
    eventually("it is delivered", async || {
        deliveries(&router, "done").0 == 1
    })
    .await;
    assert_eq!(router.chunks().await.len(), 1);
    assert_eq!(router.learning_log().await.len(), 1);
    // However often it was tried, it was one event.
    assert_eq!(
        router.ledger("SELECT count(*) AS n FROM events"),
        [json!({"n": 1})]
    );
}

#[tokio::test]
async fn an_event_that_fails_too_often_is_kept_as_a_dead_letter() {
    let retry = r#"{ attempts = 2, backoff = "50ms..100ms", window = "1h" }"#;
    let mut router = Launch::new()
        .env("NEON_DATABASE_URL", NOWHERE)
        .set("functions.process_chunk", "retry", retry)
        .start()
        .await;
    upload(&router, "a.webm").await;
    eventually("it is given up", async || {
        deliveries(&router, "dead") == (1, 2)
    })
    .await;
    eventually("the operator is told", async || {
        router.log().contains("event given up: UNAVAILABLE")
    })
    .await;
    // It outlives the process.
    router.kill().await;
    let router = router.restart().await;
    assert_eq!(deliveries(&router, "dead"), (1, 2));
    assert!(!router.log().contains("hunter2"), "{}", router.log());
}

#[tokio::test]
async fn a_database_that_comes_and_goes_under_load_loses_nothing() {
    const OUTAGES: usize = 20;
    const CLIENTS: usize = 4;
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    let router = with_retry(database, SOON).await;
    upload(&router, "first.webm").await;

    let (stop, stopping) = tokio::sync::watch::channel(false);
    let clients = (0..CLIENTS).map(|client| {
        let (router, stopping) = (&router, stopping.clone());
        async move {
            let mut uploaded = 0;
            while !*stopping.borrow() {
                upload(router, &format!("{client}-{uploaded}.webm")).await;
                uploaded += 1;
            }
            uploaded
        }
    });
    let outages = async {
        for _ in 0..OUTAGES {
            // Each outage meets events that were delivered, and events that cannot be.
            let (delivered, _) = deliveries(&router, "done");
            eventually("events are delivered", async || {
                deliveries(&router, "done").0 > delivered
            })
            .await;
            cluster = apart(cluster, Cluster::stop).await;
            let (waiting, _) = deliveries(&router, "pending");
            eventually("uploads are accepted and their events wait", async || {
                let (pending, attempts) = deliveries(&router, "pending");
                pending > waiting && attempts > 1
            })
            .await;
            cluster = apart(cluster, Cluster::restart).await;
        }
        stop.send(true).unwrap();
        cluster
    };
    let (uploaded, _cluster) = tokio::join!(futures_util::future::join_all(clients), outages);

    let uploaded = 1 + uploaded.into_iter().sum::<usize>();
    loop {
        let (delivered, _) = deliveries(&router, "done");
        if delivered == i64::try_from(uploaded).unwrap() {
            break;
        }
        eventually("more is delivered", async || {
            deliveries(&router, "done").0 > delivered
        })
        .await;
    }
    let chunks = router.chunks().await;
    let log = router.learning_log().await;
    let logged: BTreeSet<_> = log
        .iter()
        .map(|line| line["summary_text"].as_str())
        .collect();
    assert_eq!(chunks.len(), uploaded);
    assert_eq!((log.len(), logged.len()), (uploaded, uploaded));
}

/// Works on the cluster while everybody else goes on.
async fn apart(mut cluster: Cluster, work: fn(&mut Cluster)) -> Cluster {
    let working = tokio::task::spawn_blocking(move || {
        work(&mut cluster);
        cluster
    });
    working.await.unwrap()
}
