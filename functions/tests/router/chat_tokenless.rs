//! The old page that sends no token: served only where the manifest says so, and trusted in nothing.

use serde_json::{Value, json};

use crate::chat::{chat, says};
use crate::harness::router::refused;
use crate::harness::{Engine, Provider, Reply, Router, Token, on_both_databases};

const PAGE: &str = "/tria_chat_handler_on_request";

on_both_databases!(a_page_without_a_token_is_nobody);

async fn started(engine: Engine) -> (Provider, Router) {
    let provider = Provider::start().await;
    let launch = provider.launch().engine(engine);
    let flags = "{ legacy_anonymous_chat = true }";
    let launch = launch.set("functions.tria_chat_handler", "flags", flags);
    (provider, launch.start().await)
}

/// What chatUI.js sends.
async fn page(router: &Router, body: &str) -> Reply {
    let call = router.post(PAGE).header("content-type", "application/json");
    call.body(body).send().await
}

async fn a_page_without_a_token_is_nobody(engine: Engine) {
    let (provider, router) = started(engine).await;
    let body = json!({"text": "ping", "firebase_user_id": "claimed\0uid", "session_id": "new"});
    page(&router, &body.to_string())
        .await
        .must_be(200, &says("pong"));
    let payload = provider.last_asked().payload.to_string();
    assert!(!payload.contains("claimed"), "{payload}");

    let rows = router.learning_log().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["user_id"], Value::Null);
    assert_eq!(rows[0]["session_id"], Value::Null);
    assert_eq!(
        rows[0]["custom_data"]["claimed_user_id"],
        "claimed\u{fffd}uid"
    );
    assert!(rows[0]["custom_data"]["request_timestamp"].is_string());
    assert!(router.users().await.is_empty());
}

#[tokio::test]
async fn the_page_is_told_which_fields_it_forgot() {
    let (provider, router) = started(Engine::Sqlite).await;
    let (text, user) = (
        "'text' field is missing.",
        "'firebase_user_id' field is missing.",
    );
    for (body, details) in [
        ("{}", vec![text, user]),
        (r#"{"text":"ping"}"#, vec![user]),
        (r#"{"firebase_user_id":"U1"}"#, vec![text]),
    ] {
        let expected = json!({"error": "Missing required fields.", "details": details});
        page(&router, body).await.must_be(400, &expected);
    }
    let expected =
        "Invalid request data. Expected JSON: {'text': '...', 'firebase_user_id': '...'}";
    for body in ["{bad", "[]", ""] {
        page(&router, body)
            .await
            .must_be(400, &json!({"error": expected}));
    }
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn whoever_sends_a_token_is_judged_by_it() {
    let (_provider, router) = started(Engine::Sqlite).await;
    let body = json!({"text": "ping", "firebase_user_id": "someone-else"});
    let reply = chat(&router, &Token::of("U1").signed(), &body).await;
    reply.must_be(200, &says("pong"));
    assert_eq!(router.learning_log().await[0]["user_id"], "U1");
    let reply = chat(&router, "garbage", &body).await;
    reply.must_be(403, &refused("Invalid or expired token."));
}
