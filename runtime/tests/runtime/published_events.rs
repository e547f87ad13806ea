//! Events that functions publish, from `context.publish` to the functions that subscribe to them.

use std::sync::Mutex;
use std::time::Duration;

use runtime::testing::{TestServer, http_client as client};
use runtime::{
    AuthError, CloudEvent, Context, Error, ErrorCode, EventFunction, Function, HttpFunction as _,
    Migrations, Registry, Result,
};
use serde_json::{Value, json};

const MANIFEST: &str = r#"
manifest = 1

[project]
id      = "demo-project"
regions = ["europe-west1"]

[defaults]
cors    = "none"
timeout = "20s"

[functions.send]
http   = {}
auth   = "none"
public = true

[functions.mail]
event = { type = "order.paid" }
auth  = "required"

[functions.stock]
event = { type = "order.paid" }
auth  = "required"

[functions.closed]
event   = { type = "order.paid" }
auth    = "required"
enabled = false

[functions.check]
event = { type = "order.checked" }
auth  = "required"
retry = { attempts = 3, backoff = "10ms..20ms", window = "1h" }

[functions.pass_on]
event = { type = "order.mailed" }
auth  = "required"

[functions.archive]
event = { type = "order.passed-on" }
auth  = "required"

[functions.one_at_a_time]
event       = { type = "order.queued" }
auth        = "required"
concurrency = 1
"#;

fn registry() -> Registry {
    let none = Migrations {
        postgres: &[],
        sqlite: &[],
    };
    Registry::new(MANIFEST, none)
        .function("send", send.into_function())
        .function("mail", event(receive))
        .function("stock", event(receive))
        .function("closed", event(receive))
        .function("check", event(receive))
        .function("pass_on", event(pass_on))
        .function("archive", event(receive))
        .function("one_at_a_time", event(receive))
}

fn event<Data>(function: impl EventFunction<Data>) -> Function {
    function.into_function()
}

async fn send(context: Context, event: CloudEvent<Value>) -> Result<&'static str> {
    context.publish(event).await?;
    Ok("published")
}

async fn pass_on(context: Context, event: CloudEvent<Value>) -> Result<()> {
    let id = format!("{}/passed-on", event.id);
    let next = CloudEvent::new(id, "//pass_on", "order.passed-on", event.data);
    context.publish(next).await
}

struct Received {
    attempt: u32,
    caller: Option<AuthError>,
    event: CloudEvent<Order>,
}

static RECEIVED: Mutex<Vec<Received>> = Mutex::new(Vec::new());

#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(default)]
struct Order {
    number: u32,
    /// So many attempts fail.
    failures: u32,
    /// The first attempt never ends.
    hangs: bool,
}

impl Default for Order {
    fn default() -> Self {
        let (number, failures, hangs) = (7, 0, false);
        Self {
            number,
            failures,
            hangs,
        }
    }
}

async fn receive(context: Context, event: CloudEvent<Order>) -> Result<()> {
    let (attempt, order) = (context.attempt(), event.data.clone());
    let caller = context.caller().err();
    RECEIVED.lock().unwrap().push(Received {
        attempt,
        caller,
        event,
    });
    if order.hangs && attempt == 1 {
        std::future::pending::<()>().await;
    }
    match attempt <= order.failures {
        true => Err(Error::new(ErrorCode::Unavailable, "not yet")),
        false => Ok(()),
    }
}

/// The attempts at events of this id, as `look` sees them.
fn attempts<T>(id: &str, look: impl Fn(&Received) -> T) -> Vec<T> {
    let received = RECEIVED.lock().unwrap();
    let of_id = received.iter().filter(|it| it.event.id == id);
    of_id.map(look).collect()
}

/// Publishes and returns the status of the answer.
async fn publish(server: &TestServer, id: &str, kind: &str, data: Value) -> u16 {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "//shop", "type": kind, "tenant": "t1",
        "data": data,
    });
    let request = client().post(server.url("/send")).json(&event);
    request.send().await.unwrap().status().as_u16()
}

/// What the ledger says of an event: each function with the state of its delivery and the attempts.
fn deliveries(server: &TestServer, id: &str) -> Option<Vec<(String, String, u32)>> {
    let ledger = server.folder().join(".ledger/ledger.sqlite3");
    let ledger = rusqlite::Connection::open(ledger).unwrap();
    let event = "SELECT count(*) FROM events WHERE id = ?1";
    let known: u32 = ledger.query_row(event, [id], |row| row.get(0)).unwrap();
    let sql = "SELECT function, state, attempts FROM deliveries
        JOIN events ON number = deliveries.event WHERE id = ?1 ORDER BY function";
    let mut statement = ledger.prepare(sql).unwrap();
    let deliveries = statement
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    (known == 1).then(|| deliveries.collect::<Result<_, _>>().unwrap())
}

/// Waits until no function has the event before it.
async fn settled(server: &TestServer, id: &str) -> Vec<(String, String, u32)> {
    eventually(|| {
        let deliveries = deliveries(server, id)?;
        let settled = deliveries.iter().all(|(_, state, _)| state != "pending");
        settled.then_some(deliveries)
    })
    .await
}

async fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(tokio::time::Instant::now() < patience, "it never happened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn done(function: &str, attempts: u32) -> (String, String, u32) {
    (function.to_owned(), "done".to_owned(), attempts)
}

async fn server() -> TestServer {
    TestServer::start(&registry()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_enabled_function_that_names_the_type_receives_what_was_published() {
    let server = server().await;
    let data = json!({"number": 42});
    assert_eq!(publish(&server, "all-1", "order.paid", data).await, 200);
    let told = settled(&server, "all-1").await;
    assert_eq!(told, [done("mail", 1), done("stock", 1)]);

    let received = attempts("all-1", |it| it.event.clone());
    assert_eq!(received.len(), 2);
    for event in received {
        assert_eq!((&*event.source, &*event.kind), ("//shop", "order.paid"));
        assert_eq!(event.extension("tenant"), Some("t1"));
        assert_eq!(event.data.number, 42);
        assert_eq!(event.datacontenttype.as_deref(), Some("application/json"));
        assert!(event.time.is_some());
    }
    let callers = attempts("all-1", |it| it.caller);
    assert_eq!(
        callers,
        [Some(AuthError::Missing), Some(AuthError::Missing)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again_under_the_same_id() {
    let server = server().await;
    let data = json!({"failures": 2});
    publish(&server, "fails-1", "order.checked", data).await;
    assert_eq!(settled(&server, "fails-1").await, [done("check", 3)]);
    assert_eq!(attempts("fails-1", |it| it.attempt), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_last_attempt_it_is_a_dead_letter() {
    let server = server().await;
    let data = json!({"failures": 100});
    publish(&server, "dead-1", "order.checked", data).await;
    let dead = ("check".to_owned(), "dead".to_owned(), 3);
    assert_eq!(settled(&server, "dead-1").await, [dead]);
    assert_eq!(attempts("dead-1", |it| it.attempt), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_twice_is_delivered_once() {
    let server = server().await;
    for _ in 0..3 {
        let status = publish(&server, "twice-1", "order.paid", json!({})).await;
        assert_eq!(status, 200);
        settled(&server, "twice-1").await;
    }
    assert_eq!(attempts("twice-1", |it| it.attempt), [1, 1]);
    let other = publish(&server, "twice-1", "order.mailed", json!({})).await;
    assert_eq!(other, 409, "another event must not vanish");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_function_publishes_in_its_turn() {
    let server = server().await;
    publish(&server, "chain-1", "order.mailed", json!({"number": 9})).await;
    let id = "chain-1/passed-on";
    eventually(|| deliveries(&server, id)).await;
    assert_eq!(settled(&server, id).await, [done("archive", 1)]);
    assert_eq!(attempts(id, |it| it.event.data.number), [9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_survives_a_kill_before_and_during_its_delivery() {
    let server = server().await;
    let hangs = json!({"hangs": true});
    publish(&server, "killed-1", "order.queued", hangs).await;
    eventually(|| attempts("killed-1", |it| it.attempt).pop()).await;
    // The first has the only slot.
    publish(&server, "killed-2", "order.queued", json!({})).await;
    let waiting = deliveries(&server, "killed-2").unwrap();
    assert_eq!(waiting[0].2, 0, "nobody has tried");

    let server = server.restart(&registry()).await.unwrap();
    for (id, attempt) in [("killed-1", 2), ("killed-2", 1)] {
        let told = settled(&server, id).await;
        assert_eq!(told, [done("one_at_a_time", attempt)], "{id}");
    }
    assert_eq!(attempts("killed-1", |it| it.attempt), [1, 2]);
    assert_eq!(attempts("killed-2", |it| it.attempt), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_nobody_subscribes_to_is_recorded_for_nobody() {
    let server = server().await;
    let status = publish(&server, "unheard-1", "order.lost", json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(deliveries(&server, "unheard-1"), Some(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_published_is_not_recorded() {
    let server = server().await;
    let kind = "google.cloud.storage.object.v1.finalized";
    let long = json!({"text": "x".repeat(512 * 1024)});
    for (id, kind, data, status) in [
        ("refused-1", kind, json!({}), 400),
        ("refused-2", "order.paid", long, 413),
    ] {
        assert_eq!(publish(&server, id, kind, data).await, status, "{id}");
        assert_eq!(deliveries(&server, id), None, "{id}");
    }
}
