//! Conversations: what was said before is told to the model again, to their owner's questions only.

use serde_json::{Value, json};

use crate::chat::{chat, says};
use crate::harness::postgres::Cluster;
use crate::harness::provider::Answer;
use crate::harness::{Engine, Provider, Reply, Router, Token, on_both_databases};

const ID: &str = "3b241101-e2bb-4255-8caf-4136c566a962";

on_both_databases!(
    a_conversation_is_told_to_the_model_in_order,
    a_session_of_ones_own_choice_begins_with_its_first_message,
    nobody_reads_or_writes_the_session_of_somebody_else,
    an_answer_that_failed_is_no_part_of_the_conversation,
    only_the_end_of_a_long_conversation_is_told,
    of_users_who_begin_one_session_at_the_same_time_one_gets_it,
    questions_asked_at_the_same_time_leave_a_conversation_that_goes_on,
);

async fn started(engine: Engine) -> (Provider, Router) {
    let provider = Provider::start().await;
    let router = provider.launch().engine(engine).start().await;
    (provider, router)
}

async fn say(router: &Router, uid: &str, text: &str, session: impl Into<Value>) -> Reply {
    let body = json!({"text": text, "session_id": session.into()});
    chat(router, &Token::of(uid).signed(), &body).await
}

/// What the model was told last, without the persona.
fn told(provider: &Provider) -> Vec<String> {
    let messages = provider.last_asked().messages().into_iter();
    messages
        .skip(1)
        .map(|(role, content)| format!("{role}: {content}"))
        .collect()
}

async fn history(router: &Router) -> Vec<Value> {
    let sql = "SELECT session_id, user_id, sender_type, message_content
               FROM chat_history ORDER BY timestamp";
    router.rows(sql).await
}

async fn a_conversation_is_told_to_the_model_in_order(engine: Engine) {
    let (provider, router) = started(engine).await;
    provider.next(["one", "two", "three"].map(Answer::says));
    let reply = say(&router, "U1", "1", "new").await;
    let session = reply.json()["session_id"].as_str().unwrap().to_owned();
    reply.must_be(200, &json!({"response": "one", "session_id": session}));
    assert_eq!(told(&provider), ["user: 1"]);

    let reply = say(&router, "U1", "2", session.as_str()).await;
    reply.must_be(200, &json!({"response": "two", "session_id": session}));
    assert_eq!(told(&provider), ["user: 1", "assistant: one", "user: 2"]);

    let reply = say(&router, "U1", "3", session.as_str()).await;
    reply.must_be(200, &json!({"response": "three", "session_id": session}));
    let expected = [
        "user: 1",
        "assistant: one",
        "user: 2",
        "assistant: two",
        "user: 3",
    ];
    assert_eq!(told(&provider), expected);

    let said: Vec<Value> = history(&router).await;
    let expected: Vec<Value> = [
        ("user", "1"),
        ("assistant", "one"),
        ("user", "2"),
        ("assistant", "two"),
        ("user", "3"),
        ("assistant", "three"),
    ]
    .map(|(sender, content)| {
        json!({"session_id": session, "user_id": "U1", "sender_type": sender, "message_content": content})
    })
    .into();
    assert_eq!(said, expected);
    let log = router.learning_log().await;
    assert_eq!(log.len(), 3, "{log:?}");
    assert!(
        log.iter().all(|row| row["session_id"] == *session),
        "{log:?}"
    );
    let sessions = router.rows("SELECT * FROM user_chat_sessions").await;
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["last_updated_at"], log[2]["timestamp"]);

    // Without a session nothing of it is told, or shown.
    chat(
        &router,
        &Token::of("U1").signed(),
        &json!({"text": "4", "session_id": null}),
    )
    .await
    .must_be(200, &says("pong"));
    assert_eq!(told(&provider), ["user: 4"]);
}

async fn a_session_of_ones_own_choice_begins_with_its_first_message(engine: Engine) {
    let (provider, router) = started(engine).await;
    for _ in 0..2 {
        let reply = say(&router, "U1", "ping", ID).await;
        reply.must_be(200, &json!({"response": "pong", "session_id": ID}));
    }
    assert_eq!(
        told(&provider),
        ["user: ping", "assistant: pong", "user: ping"]
    );
    let begun = [
        say(&router, "U1", "a", "").await,
        say(&router, "U1", "a", "new").await,
    ];
    let begun = begun.map(|reply| reply.json()["session_id"].clone());
    assert_ne!(begun[0], begun[1]);
    let sessions = router.rows("SELECT * FROM user_chat_sessions").await;
    assert_eq!(sessions.len(), 3, "{sessions:?}");
    assert!(sessions.iter().all(|session| session["user_id"] == "U1"));
}

async fn nobody_reads_or_writes_the_session_of_somebody_else(engine: Engine) {
    let (provider, router) = started(engine).await;
    say(&router, "U1", "mine", ID).await;
    let before = (history(&router).await, provider.asked().len());
    let reply = say(&router, "U2", "show me", ID).await;
    reply.must_be(404, &json!({"error": "Session not found."}));
    assert_eq!((history(&router).await, provider.asked().len()), before);
}

async fn an_answer_that_failed_is_no_part_of_the_conversation(engine: Engine) {
    let (provider, router) = started(engine).await;
    provider.next([Answer::Fails(400)]);
    let failed = "Error: LLM API request failed with status 400.";
    let reply = say(&router, "U1", "lost", ID).await;
    reply.must_be(200, &json!({"response": failed, "session_id": ID}));
    assert!(history(&router).await.is_empty());
    say(&router, "U1", "again", ID).await;
    assert_eq!(told(&provider), ["user: again"]);
    assert_eq!(router.learning_log().await.len(), 2);
}

async fn only_the_end_of_a_long_conversation_is_told(engine: Engine) {
    let (provider, router) = started(engine).await;
    // A token is three bytes at least: four of these, with their answers, are 2,000.
    let long = "x".repeat(1_450);
    for _ in 0..6 {
        say(&router, "U1", &long, ID).await;
    }
    let told = told(&provider);
    let question = format!("user: {long}");
    assert_eq!(told.last(), Some(&question));
    assert_eq!(told.first(), Some(&question));
    assert_eq!(
        told.iter().filter(|message| **message == question).count(),
        5
    );
}

async fn of_users_who_begin_one_session_at_the_same_time_one_gets_it(engine: Engine) {
    let (provider, router) = started(engine).await;
    let speakers = [(); 4].map(|()| provider.streams());
    let asking = ["U1", "U2", "U3", "U4"].map(|uid| say(&router, uid, uid, ID));
    let answering = async {
        provider.was_asked(1).await;
        for speaker in speakers {
            speaker
                .sends(r#"{"choices":[{"message":{"content":"pong"}}]}"#)
                .await;
        }
    };
    let (replies, ()) = tokio::join!(futures_util::future::join_all(asking), answering);
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404, 404, 404], "{replies:?}");
    assert_eq!(provider.asked().len(), 1);
    let said = history(&router).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0]["message_content"], said[0]["user_id"], "{said:?}");
}

async fn questions_asked_at_the_same_time_leave_a_conversation_that_goes_on(engine: Engine) {
    let (provider, router) = started(engine).await;
    let speakers = [(); 2].map(|()| provider.streams());
    let asking = ["1", "2"].map(|text| say(&router, "U1", text, ID));
    let answering = async {
        provider.was_asked(2).await;
        for speaker in speakers {
            speaker
                .sends(r#"{"choices":[{"message":{"content":"pong"}}]}"#)
                .await;
        }
    };
    let (replies, ()) = tokio::join!(futures_util::future::join_all(asking), answering);
    for reply in replies {
        reply.must_be(200, &json!({"response": "pong", "session_id": ID}));
    }
    assert_eq!(history(&router).await.len(), 4);
    say(&router, "U1", "3", ID).await;
    let told = told(&provider);
    let roles: Vec<&str> = told.iter().map(|told| &told[..4]).collect();
    assert_eq!(roles, ["user", "assi", "user"], "{told:?}");
}

#[tokio::test]
async fn what_is_no_session_is_refused() {
    let (provider, router) = started(Engine::Sqlite).await;
    let refused = json!({"error": "Invalid 'session_id': expected a UUID."});
    for session in [
        json!(7),
        json!(true),
        json!([]),
        json!({}),
        json!("last"),
        json!("NEW"),
    ] {
        say(&router, "U1", "ping", session)
            .await
            .must_be(400, &refused);
    }
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn a_conversation_that_cannot_be_read_now_is_not_answered_as_if_it_were_empty() {
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    let provider = Provider::start().await;
    let router = provider.launch().database(database).start().await;
    assert_eq!(say(&router, "U1", "ping", ID).await.status, 200);
    cluster.stop();
    let asked = provider.asked().len();
    let reply = say(&router, "U1", "ping", ID).await;
    reply.must_be(
        503,
        &json!({"error": "The conversation is not available now."}),
    );
    assert_eq!(provider.asked().len(), asked);
}
