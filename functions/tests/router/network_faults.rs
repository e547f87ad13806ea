//! A network that fails between the router and its database: what callers are told, and that nothing is done twice.

use serde_json::{Value, json};

use crate::chat::{chat, says};
use crate::harness::postgres::Database;
use crate::harness::router::refused;
use crate::harness::{Event, Launch, Provider, Reply, Router, Token, eventually};
use runtime::testing::{Fault, FaultProxy};

/// The moments at which nobody can tell whether a write took effect: it did not arrive, or its answer did not.
fn lost(text: &'static str) -> [Fault; 2] {
    [Fault::LoseRequest(text), Fault::LoseAnswer(text)]
}

/// A router whose database is far, and has its tables.
async fn far(launch: Launch) -> (Router, FaultProxy) {
    let database = Database::new().await;
    let proxy = FaultProxy::before(database.front()).await;
    let database = database.through(proxy.port());
    let soon = r#"{ attempts = 100, backoff = "50ms..500ms", window = "1h" }"#;
    let launch = launch.set("functions.process_chunk", "retry", soon);
    let router = launch.database(database).start().await;
    assert_eq!(sync(&router, "first").await.status, 201);
    (router, proxy)
}

async fn sync(router: &Router, uid: &str) -> Reply {
    router.sync(&Token::of(uid).signed()).await
}

#[track_caller]
fn must_be_a_database_error(reply: &Reply) {
    reply.must_be(500, &refused("A database error occurred."));
}

async fn count(router: &Router, table: &str) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM {table}");
    router.rows(&sql).await[0]["n"].as_i64().unwrap()
}

async fn attempts_at_the_only_event(router: &Router) -> Value {
    eventually("the event is settled", async || {
        let open = "SELECT 1 FROM deliveries WHERE state <> 'done'";
        router.ledger(open).is_empty()
    })
    .await;
    let rows = router.ledger("SELECT attempts FROM deliveries");
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0]["attempts"].clone()
}

#[tokio::test]
async fn a_user_whose_creation_is_in_doubt_is_created_once() {
    for (fault, then) in lost("INSERT INTO users").into_iter().zip([201, 200]) {
        let (router, proxy) = far(Launch::new()).await;
        proxy.does(fault);
        must_be_a_database_error(&sync(&router, "U1").await);
        assert_eq!(proxy.fault(), Fault::None, "it was lost");
        assert_eq!(sync(&router, "U1").await.status, then, "{fault:?}");
        assert_eq!(count(&router, "users WHERE user_id = 'U1'").await, 1);
    }
}

#[tokio::test]
async fn a_chunk_whose_record_is_in_doubt_is_recorded_once() {
    for fault in lost("COMMIT") {
        let (router, proxy) = far(Launch::new()).await;
        proxy.does(fault);
        let token = Token::of("U1").signed();
        let reply = router.upload("U1", &token, "a.webm", b"0123456789").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(attempts_at_the_only_event(&router).await, 2, "{fault:?}");
        assert_eq!(router.chunks().await.len(), 1);
        assert_eq!(router.learning_log().await.len(), 1);
    }
}

#[tokio::test]
async fn a_chunk_from_outside_whose_record_is_in_doubt_is_recorded_once() {
    for fault in lost("COMMIT") {
        let (router, proxy) = far(Launch::new()).await;
        proxy.does(fault);
        let event = Event::of("user_uploads/U1/a.webm");
        event.send(&router).await.refusal(503, "UNAVAILABLE");
        assert_eq!(event.send(&router).await.status, 204, "{fault:?}");
        assert_eq!(router.chunks().await.len(), 1);
        assert_eq!(router.learning_log().await.len(), 1);
    }
}

#[tokio::test]
async fn a_chat_whose_record_is_in_doubt_is_answered_and_recorded_once() {
    for fault in lost("COMMIT") {
        let provider = Provider::start().await;
        let (router, proxy) = far(provider.launch()).await;
        proxy.does(fault);
        let token = Token::of("U1").signed();
        let reply = chat(&router, &token, &json!({"text": "ping"})).await;
        reply.must_be(200, &says("pong"));
        // The event that was left of it, and no second attempt at that.
        assert_eq!(attempts_at_the_only_event(&router).await, 1, "{fault:?}");
        assert_eq!(router.learning_log().await.len(), 1);
        assert_eq!(count(&router, "recorded_replies").await, 1);
        assert_eq!(count(&router, "users WHERE user_id = 'U1'").await, 1);
    }
}

#[tokio::test]
async fn a_conversation_whose_beginning_is_in_doubt_begins_once() {
    const SESSION: &str = "3b241101-e2bb-4255-8caf-4136c566a962";
    for fault in lost("COMMIT") {
        let provider = Provider::start().await;
        let (router, proxy) = far(provider.launch()).await;
        let token = Token::of("U1").signed();
        let say = async || {
            let question = json!({"text": "ping", "session_id": SESSION});
            chat(&router, &token, &question).await
        };
        proxy.does(fault);
        let away = json!({"error": "The conversation is not available now."});
        say().await.must_be(503, &away);
        let answer = json!({"response": "pong", "session_id": SESSION});
        say().await.must_be(200, &answer);
        assert_eq!(count(&router, "user_chat_sessions").await, 1, "{fault:?}");
        assert_eq!(count(&router, "chat_history").await, 2);
        assert_eq!(provider.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_network_that_fails_in_the_midst_of_calls_is_told_as_ever_and_is_over_when_it_is_over() {
    for fault in [Fault::Silent, Fault::Slow(20)] {
        let (router, proxy) = far(Launch::new()).await;
        proxy.does(fault);
        must_be_a_database_error(&sync(&router, "U1").await);
        assert_eq!(router.get("/healthz").send().await.status, 200);
        assert_eq!(router.get("/hello_world").send().await.status, 200);
        proxy.does(Fault::None);
        eventually("users are synced again", async || {
            sync(&router, "U1").await.status < 300
        })
        .await;
        assert_eq!(count(&router, "users WHERE user_id = 'U1'").await, 1);
    }
}

#[tokio::test]
async fn a_network_that_is_only_slow_is_waited_for() {
    let (router, proxy) = far(Launch::new()).await;
    proxy.does(Fault::Late(std::time::Duration::from_millis(200)));
    assert_eq!(sync(&router, "U1").await.status, 201);
}

/// As Neon's does after five minutes without a call.
#[tokio::test]
async fn the_first_callers_of_a_sleeping_database_are_answered_when_it_is_awake() {
    for (asleep, attempts) in [(Fault::Silent, 2), (Fault::Reset, 3)] {
        let (router, proxy) = far(Launch::new()).await;
        proxy.does_to_the_open(Fault::Reset);
        eventually("the connection is gone", async || {
            router.log().contains("a database connection was lost")
        })
        .await;
        proxy.does(asleep);
        let before = proxy.accepted();
        let callers: Vec<_> = (0..20)
            .map(|number| {
                let token = Token::of(&format!("U{number}")).signed();
                let call = router.post("/auth_sync").bearer(token).body("{}");
                tokio::spawn(call.send())
            })
            .collect();
        eventually("it is tried again", async || {
            proxy.accepted() >= before + attempts
        })
        .await;
        proxy.does(Fault::None);
        for caller in callers {
            let reply = caller.await.unwrap();
            assert_eq!(reply.status, 201, "{asleep:?}: {reply:?}");
        }
        assert_eq!(count(&router, "users").await, 1 + 20);
    }
}
