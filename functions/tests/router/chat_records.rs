//! What a chat leaves behind: one row of the learning log, written once, whatever fails meanwhile.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::chat::{chat, says};
use crate::harness::event::EVENT_TOKEN;
use crate::harness::postgres::Cluster;
use crate::harness::provider::{API_KEY, Answer};
use crate::harness::{Engine, Provider, Router, Token, Wire, eventually, on_both_databases};

on_both_databases!(
    a_chat_is_one_row_of_the_learning_log,
    an_asker_who_was_never_synced_exists_afterwards,
    whoever_the_body_names_the_row_is_the_callers,
    a_summary_ends_after_a_hundred_code_points,
    a_text_that_no_database_can_store_is_answered_and_recorded,
    a_failure_of_the_model_is_on_record_too,
    a_database_without_its_tables_costs_nobody_the_answer,
    a_reply_that_is_told_of_twice_is_one_row,
    the_longest_exchange_is_recorded_later_too,
    replies_of_long_ago_are_no_longer_remembered,
);

async fn started(engine: Engine) -> (Provider, Router) {
    let provider = Provider::start().await;
    let router = provider.launch().engine(engine).start().await;
    (provider, router)
}

fn token() -> String {
    Token::of("U1").email("u1@example.com").signed()
}

fn ping() -> Value {
    json!({"text": "ping"})
}

async fn a_chat_is_one_row_of_the_learning_log(engine: Engine) {
    let (_provider, router) = started(engine).await;
    chat(&router, &token(), &ping())
        .await
        .must_be(200, &says("pong"));

    let rows = router.learning_log().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    for (column, value) in [
        ("user_id", json!("U1")),
        ("session_id", Value::Null),
        ("event_type", json!("tria_chat_interaction")),
        ("bot_affected_id", json!("ChatBot_MistralMedium_v1")),
        ("summary_text", json!("User: ping... | Tria: pong...")),
        ("prompt_text", json!("ping")),
        ("tria_response_text", json!("pong")),
        ("model_used", json!("mistral-medium-latest")),
        ("feedback_score", Value::Null),
    ] {
        assert_eq!(row[column], value, "{column}: {row}");
    }
    let custom = row["custom_data"].as_object().unwrap();
    assert_eq!(custom.keys().collect::<Vec<_>>(), ["request_timestamp"]);
    let asked = custom["request_timestamp"].as_str().unwrap();
    assert!(asked.ends_with("+00:00"), "{asked}");
    let asked: jiff::Timestamp = asked.parse().unwrap();
    let logged: jiff::Timestamp = row["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(asked <= logged, "{row}");
    assert!((jiff::Timestamp::now() - logged).get_hours() == 0, "{row}");
    assert!(router.rows("SELECT * FROM chat_history").await.is_empty());
}

async fn an_asker_who_was_never_synced_exists_afterwards(engine: Engine) {
    let (_provider, router) = started(engine).await;
    for _ in 0..2 {
        chat(&router, &token(), &ping())
            .await
            .must_be(200, &says("pong"));
    }
    let users = router.users().await;
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(users[0].email.as_deref(), Some("u1@example.com"));
    assert_eq!(router.learning_log().await.len(), 2);
}

async fn whoever_the_body_names_the_row_is_the_callers(engine: Engine) {
    let (_provider, router) = started(engine).await;
    let body = json!({"text": "ping", "firebase_user_id": "someone-else"});
    chat(&router, &token(), &body)
        .await
        .must_be(200, &says("pong"));
    let rows = router.learning_log().await;
    assert_eq!(rows[0]["user_id"], "U1", "{rows:?}");
    assert!(!format!("{rows:?}").contains("someone-else"), "{rows:?}");
    assert_eq!(router.users().await.len(), 1);
}

async fn a_summary_ends_after_a_hundred_code_points(engine: Engine) {
    let (provider, router) = started(engine).await;
    let (text, answer) = ("Привет👋🏽 ".repeat(20), "ё👩‍🚀".repeat(40));
    provider.always(Answer::says(&answer));
    let reply = chat(&router, &token(), &json!({"text": text})).await;
    reply.must_be(200, &says(&answer));
    let rows = router.learning_log().await;
    let first = |text: &str| text.chars().take(100).collect::<String>();
    let summary = format!("User: {}... | Tria: {}...", first(&text), first(&answer));
    assert_eq!(rows[0]["summary_text"], summary);
    assert_eq!(rows[0]["prompt_text"], text);
    assert_eq!(rows[0]["tria_response_text"], answer);
}

async fn a_text_that_no_database_can_store_is_answered_and_recorded(engine: Engine) {
    let (provider, router) = started(engine).await;
    provider.always(Answer::says("a\0b"));
    let reply = chat(&router, &token(), &json!({"text": "c\0d"})).await;
    reply.must_be(200, &says("a\0b"));
    assert_eq!(provider.last_asked().messages()[1].1, "c\0d");
    let rows = router.learning_log().await;
    assert_eq!(rows[0]["prompt_text"], "c\u{fffd}d");
    assert_eq!(rows[0]["tria_response_text"], "a\u{fffd}b");
}

async fn a_failure_of_the_model_is_on_record_too(engine: Engine) {
    let (provider, router) = started(engine).await;
    provider.always(Answer::Fails(401));
    let text = "Error: LLM API request failed with status 401.";
    chat(&router, &token(), &ping())
        .await
        .must_be(200, &says(text));
    let rows = router.learning_log().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["tria_response_text"], text);
    assert_eq!(
        rows[0]["summary_text"],
        format!("User: ping... | Tria: {text}...")
    );
    assert!(!format!("{rows:?}").contains(API_KEY));
}

async fn a_database_without_its_tables_costs_nobody_the_answer(engine: Engine) {
    let (_provider, router) = started(engine).await;
    chat(&router, &token(), &ping())
        .await
        .must_be(200, &says("pong"));
    let rename = "ALTER TABLE tria_learning_log RENAME TO lost";
    router.behind_its_back(rename).await;
    for _ in 0..3 {
        chat(&router, &token(), &ping())
            .await
            .must_be(200, &says("pong"));
    }
    let rename = "ALTER TABLE lost RENAME TO tria_learning_log";
    router.behind_its_back(rename).await;
    eventually("every chat is recorded", async || {
        router.learning_log().await.len() == 4
    })
    .await;
}

async fn a_reply_that_is_told_of_twice_is_one_row(engine: Engine) {
    let (_provider, router) = started(engine).await;
    let replied = json!({
        "reply_id": "3b241101-e2bb-4255-8caf-4136c566a962",
        "asker": {"user": {"uid": "U7", "email": null}},
        "session_id": "0d1a4f5e-8d4b-4f0e-9df5-6f1f0a4a1c11",
        "text": "ping",
        "reply": "pong",
        "is_answered": true,
        "asked": "2026-01-01T00:00:00Z",
        "answered": "2026-01-01T00:00:01Z",
    });
    let tell = || {
        let call = router.post("/tria_chat_log").header("ce-id", "1");
        call.header("ce-specversion", "1.0")
            .header("ce-source", "//holograms.media/tria")
            .header("ce-type", "media.holograms.tria.replied")
            .header("content-type", "application/json")
            .bearer(EVENT_TOKEN)
            .body(replied.to_string())
    };
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(tell().send())).collect();
    for call in calls {
        let reply = call.await.unwrap();
        assert_eq!(reply.status, 204, "{reply:?}");
    }
    assert_eq!(router.learning_log().await.len(), 1);
    assert_eq!(router.rows("SELECT * FROM chat_history").await.len(), 2);
    assert_eq!(
        router.rows("SELECT * FROM user_chat_sessions").await.len(),
        1
    );
    assert_eq!(router.users().await.len(), 1);
}

async fn the_longest_exchange_is_recorded_later_too(engine: Engine) {
    let (provider, router) = started(engine).await;
    chat(&router, &token(), &ping()).await;
    router
        .behind_its_back("ALTER TABLE tria_learning_log RENAME TO lost")
        .await;
    // Each of them takes six bytes in JSON, the answer's and the event's.
    let (text, answer) = ("\u{1}".repeat(10_000), "\u{1}".repeat(64_000));
    provider.always(Answer::says(&format!("a{answer}z")));
    let reply = chat(&router, &token(), &json!({"text": text})).await;
    reply.must_be(200, &says(&format!("a{answer}z")));
    router
        .behind_its_back("ALTER TABLE lost RENAME TO tria_learning_log")
        .await;
    eventually("the chat is recorded", async || {
        router.learning_log().await.len() == 2
    })
    .await;
}

async fn replies_of_long_ago_are_no_longer_remembered(engine: Engine) {
    let (_provider, router) = started(engine).await;
    for _ in 0..2 {
        chat(&router, &token(), &ping()).await;
    }
    let remembered = "SELECT reply_id FROM recorded_replies";
    assert_eq!(router.rows(remembered).await.len(), 2);
    let long_ago = "UPDATE recorded_replies SET recorded_at = '2020-01-01T00:00:00.000000Z'";
    router.behind_its_back(long_ago).await;
    chat(&router, &token(), &ping()).await;
    assert_eq!(router.rows(remembered).await.len(), 1);
    assert_eq!(router.learning_log().await.len(), 3);
}

#[tokio::test]
async fn a_row_that_the_database_refuses_is_not_quoted() {
    let (_provider, router) = started(Engine::Postgres).await;
    // The first question makes the tables.
    chat(&router, &token(), &ping()).await;
    let strict = "ALTER TABLE tria_learning_log
                  ADD CONSTRAINT strict CHECK (prompt_text NOT LIKE '%private%')";
    router.behind_its_back(strict).await;
    let reply = chat(&router, &token(), &json!({"text": "private matters"})).await;
    reply.must_be(200, &says("pong"));
    let errors = "SELECT error FROM deliveries WHERE error LIKE '%strict%'";
    eventually("the record is refused", async || {
        !router.ledger(errors).is_empty()
    })
    .await;
    let told = format!("{:?} {}", router.ledger(errors), router.log());
    assert!(told.contains("23514"), "{told}");
    assert!(!told.contains("private matters"), "{told}");
}

#[tokio::test]
async fn a_router_that_is_killed_while_the_database_is_away_loses_no_chat() {
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    let provider = Provider::start().await;
    let mut router = provider.launch().database(database).start().await;
    chat(&router, &token(), &ping()).await;
    cluster.stop();
    chat(&router, &token(), &ping())
        .await
        .must_be(200, &says("pong"));
    router.kill().await;
    cluster.restart();
    let router = router.restart().await;
    eventually("the chat is recorded", async || {
        router.learning_log().await.len() == 2
    })
    .await;
    eventually("the ledger has nothing left to tell", async || {
        let open = "SELECT 1 FROM deliveries WHERE state = 'pending'";
        router.ledger(open).is_empty()
    })
    .await;
    assert_eq!(router.learning_log().await.len(), 2);
}

#[tokio::test]
async fn a_database_that_is_away_costs_nobody_the_answer_and_no_row() {
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    let provider = Provider::start().await;
    let router = provider.launch().database(database).start().await;
    chat(&router, &token(), &ping())
        .await
        .must_be(200, &says("pong"));

    cluster.stop();
    for answer in ["first", "second"] {
        provider.always(Answer::says(answer));
        chat(&router, &token(), &ping())
            .await
            .must_be(200, &says(answer));
    }
    cluster.restart();
    eventually("every chat is recorded", async || {
        router.learning_log().await.len() == 3
    })
    .await;
    eventually("the ledger has nothing left to tell", async || {
        let open = "SELECT 1 FROM deliveries WHERE state = 'pending'";
        router.ledger(open).is_empty()
    })
    .await;
    let rows = router.learning_log().await;
    let mut replies: Vec<_> = rows
        .iter()
        .map(|row| row["tria_response_text"].as_str().unwrap())
        .collect();
    replies.sort_unstable();
    assert_eq!(replies, ["first", "pong", "second"]);
}

#[tokio::test]
async fn a_database_that_never_answers_holds_nobodys_answer_back() {
    // The kernel completes the handshakes; nobody ever reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("postgresql://owner@{address}/app?sslmode=disable");
    let provider = Provider::start().await;
    let router = provider
        .launch()
        .env("NEON_DATABASE_URL", url)
        .start()
        .await;
    chat(&router, &token(), &ping())
        .await
        .must_be(200, &says("pong"));
    let waiting = router.ledger("SELECT function FROM deliveries WHERE state = 'pending'");
    assert_eq!(waiting, [json!({"function": "tria_chat_log"})]);
}

#[tokio::test]
async fn a_chat_whose_client_hangs_up_is_recorded() {
    let (provider, router) = started(Engine::Sqlite).await;
    let speaker = provider.streams();
    let call = crate::chat::chat_to(&router, "/tria_chat_handler", &token());
    let call = call.body(ping().to_string());
    let mut wire = Wire::open(router.address).await;
    wire.send(call.head()).await;
    wire.send(ping().to_string()).await;
    provider.was_asked(1).await;
    drop(wire);
    speaker
        .sends(r#"{"choices":[{"message":{"content":"pong"}}]}"#)
        .await;
    drop(speaker);
    eventually("the chat is recorded", async || {
        router.learning_log().await.len() == 1
    })
    .await;
}
