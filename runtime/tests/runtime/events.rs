//! Events of objects, from the change that makes them to the function that hears of them.

use std::time::Duration;

use reqwest::Method;
use runtime::testing::{EVENT_TOKEN, TestServer};
use serde_json::{Value, json};

use crate::functions::{TAKEN, Told, client, server, told};

pub(crate) async fn change(server: &TestServer, method: Method, name: &str, body: &'static str) {
    let url = server.url(&format!("/change/{name}"));
    let response = client()
        .request(method, url)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200, "{name}");
}

/// Waits until `count` attempts were made at events of the object.
pub(crate) async fn attempts(name: &str, count: usize) -> Vec<Told> {
    let patience = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let told = told(name);
        if told.len() >= count {
            return told;
        }
        assert!(
            tokio::time::Instant::now() < patience,
            "{name}: {} attempts",
            told.len()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_told_once_with_all_that_cloud_storage_says() {
    let server = server().await;
    let name = "u/U1/told/hello ü";
    change(&server, Method::PUT, "u/U1/told/hello%20%C3%BC", "ignored").await;
    assert!(told(name).is_empty(), "a name is not decoded twice");

    let name = "u/U1/told/hello";
    change(&server, Method::PUT, name, "hello").await;
    let told = attempts(name, 1).await;
    let event = &told[0].event;
    let object = &event.data;
    assert_eq!(event.kind, "google.cloud.storage.object.v1.finalized");
    assert_eq!(
        event.source,
        "//storage.googleapis.com/projects/_/buckets/demo-project.firebasestorage.app"
    );
    assert_eq!(event.subject.as_deref(), Some("objects/u/U1/told/hello"));
    assert_eq!(
        event.extension("bucket"),
        Some("demo-project.firebasestorage.app")
    );
    assert_eq!(event.bucket(), "demo-project.firebasestorage.app");
    assert!(event.time.is_some());
    assert_eq!(object.size, "5");
    assert_eq!(object.md5_hash.as_deref(), Some("XUFAKrxLKna5cZ2REBfFkg=="));
    assert_eq!(object.crc32c.as_deref(), Some("mnG7TA=="));
    assert_eq!(object.metageneration, "1");
    assert_eq!(
        object.generation.len(),
        16,
        "microseconds: {}",
        object.generation
    );
    let created = object.time_created.as_deref().unwrap();
    assert!(created.ends_with('Z') && created.len() == 24, "{created}");
    let json = serde_json::to_value(event).unwrap();
    assert_eq!(json["specversion"], "1.0");
    assert_eq!(json["data"]["kind"], "storage#object");
    assert_eq!(json["data"]["storageClass"], "STANDARD");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_an_object_is_an_event_of_its_kind() {
    let server = server().await;
    let name = "u/U1/changes/a";
    change(&server, Method::PUT, name, "one").await;
    let first = attempts(name, 1).await[0].event.clone();
    change(&server, Method::PATCH, name, "").await;
    attempts(name, 2).await;
    change(&server, Method::PUT, name, "two").await;
    attempts(name, 4).await;
    change(&server, Method::DELETE, name, "").await;
    let told = attempts(name, 5).await;

    let mut kinds: Vec<_> = told
        .iter()
        .map(|told| {
            let kind = told.event.kind.rsplit('.').next().unwrap();
            let data = &told.event.data;
            (
                kind,
                data.size.as_str(),
                data.metageneration.as_str(),
                data.generation.clone(),
            )
        })
        .collect();
    let (old, new) = (first.data.generation, kinds[4].3.clone());
    assert!(new > old);
    // The order of delivery is not promised.
    kinds.sort();
    assert_eq!(
        kinds,
        [
            ("deleted", "3", "1", new.clone()),
            ("deleted", "3", "2", old.clone()),
            ("finalized", "3", "1", old.clone()),
            ("finalized", "3", "1", new),
            ("metadataUpdated", "3", "2", old),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again_with_the_same_id_and_a_greater_wait() {
    let server = server().await;
    for (name, count) in [
        ("u/U1/retry/fails-once", 2),
        ("u/U1/retry/fails-always", 3),
        ("u/U1/retry/panics", 3),
        ("u/U1/retry/fails-for-good", 1),
    ] {
        change(&server, Method::PUT, name, "x").await;
        attempts(name, count).await;
        // Longer than any wait that could follow.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let told = told(name);
        assert_eq!(told.len(), count, "{name}");
        let numbers: Vec<u32> = told.iter().map(|told| told.attempt).collect();
        assert_eq!(numbers, (1..=count as u32).collect::<Vec<_>>(), "{name}");
        assert!(
            told.iter().all(|t| t.event.id == told[0].event.id),
            "{name}"
        );
        for (pair, least) in told.windows(2).zip([100, 200]) {
            let wait = pair[1].at - pair[0].at;
            assert!(wait >= Duration::from_millis(least), "{name}: {wait:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_that_fails_holds_up_no_other() {
    let server = server().await;
    change(&server, Method::PUT, "u/U1/poison/fails-always", "x").await;
    for number in 0..20 {
        let name = format!("u/U1/poison/{number}");
        change(&server, Method::PUT, &name, "x").await;
        attempts(&name, 1).await;
    }
    let poison = told("u/U1/poison/fails-always");
    let others = told("u/U1/poison/19");
    assert!(!poison.is_empty() && others.len() == 1);
}

async fn post(server: &TestServer, path: &str, token: Option<&str>, body: Value) -> u16 {
    let mut request = client()
        .post(server.url(path))
        .header("content-type", "application/cloudevents+json")
        .body(body.to_string());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_taken_over_http_from_who_may_send_it() {
    let server = server().await;
    let event = json!({
        "specversion": "1.0", "id": "sent-1", "source": "//here", "type": "a.b.c",
        "myextension": "kept", "data": {"n": 1},
    });
    for token in [None, Some("wrong"), Some("the test server's event tokeN")] {
        assert_eq!(
            post(&server, "/take", token, event.clone()).await,
            401,
            "{token:?}"
        );
    }
    assert_eq!(post(&server, "/take", Some(EVENT_TOKEN), event).await, 204);
    let taken: Vec<_> = {
        let taken = TAKEN.lock().unwrap();
        taken
            .iter()
            .filter(|event| event.id == "sent-1")
            .cloned()
            .collect()
    };
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].extension("myextension"), Some("kept"));
    assert_eq!(taken[0].data, json!({"n": 1}));
    // No event at all, and one whose data the function does not take.
    assert_eq!(
        post(&server, "/take", Some(EVENT_TOKEN), json!({"x": 1})).await,
        400
    );
    let other = json!({
        "specversion": "1.0", "id": "sent-2", "source": "//here", "type": "a.b.c", "data": {"n": 1},
    });
    assert_eq!(
        post(&server, "/tell_finalized", Some(EVENT_TOKEN), other).await,
        400
    );
    let got = client()
        .get(server.url("/take"))
        .bearer_auth(EVENT_TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(got.status(), 405);
    assert_eq!(got.headers()["allow"], "POST");
}

/// Prints how many events a trivial function drains in a second.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p runtime --test runtime drain -- --ignored --nocapture"]
#[expect(clippy::print_stdout, reason = "the measurement")]
async fn a_backlog_drains() {
    const EVENTS: usize = 10_000;
    let server = server().await;
    change(&server, Method::PUT, "u/U1/backlog/first", "x").await;
    attempts("u/U1/backlog/first", 1).await;
    let ledger = server.folder().join(".ledger/ledger.sqlite3");
    let ledger = rusqlite::Connection::open(ledger).unwrap();
    let backlog = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS})
         INSERT INTO events (id, kind, subject, recorded, event)
         SELECT id || i, kind, subject, recorded, event FROM n, (SELECT * FROM events LIMIT 1);
         INSERT INTO deliveries (event, function, state, attempts, due, since)
         SELECT number, 'tell_finalized', 'pending', 0, recorded, recorded FROM events
         WHERE number NOT IN (SELECT event FROM deliveries);"
    );
    ledger
        .execute_batch(&format!("BEGIN IMMEDIATE; {backlog} COMMIT;"))
        .unwrap();
    let started = std::time::Instant::now();
    // Something that is recorded wakes the worker.
    change(&server, Method::PUT, "u/U1/backlog/last", "x").await;
    let left = || -> i64 {
        let pending = "SELECT count(*) FROM deliveries WHERE state = 'pending'";
        ledger.query_row(pending, [], |row| row.get(0)).unwrap()
    };
    while left() > 0 {
        assert!(started.elapsed() < Duration::from_secs(120));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{EVENTS} events in {seconds:.2} s: {:.0} a second",
        EVENTS as f64 / seconds
    );
}
