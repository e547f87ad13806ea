//! auth_sync: every signed-in user ends up in `users`, once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::router::refused;
use crate::harness::{Engine, Launch, PROJECT, REGION, Router, Token, on_both_databases};

on_both_databases!(
    a_new_user_is_created_and_a_known_one_left_as_it_is,
    every_old_address_syncs_the_same_user,
    the_request_body_is_ignored,
    twenty_calls_at_once_create_one_user,
    a_token_without_an_email_creates_a_user_without_one,
    two_users_with_one_email_are_both_accepted,
    a_uid_may_hold_any_character,
);

fn created(uid: &str) -> Value {
    json!({"status": "success", "message": "User created", "user_id": uid})
}

fn known(uid: &str) -> Value {
    json!({
        "status": "success",
        "message": "User already exists and is synced",
        "user_id": uid,
    })
}

async fn on(engine: Engine) -> Router {
    Launch::new().engine(engine).start().await
}

async fn a_new_user_is_created_and_a_known_one_left_as_it_is(engine: Engine) {
    let router = on(engine).await;
    let token = Token::of("U1").email("u1@example.com").signed();

    router.sync(&token).await.must_be(201, &created("U1"));
    let users = router.users().await;
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(users[0].user_id, "U1");
    assert_eq!(users[0].email.as_deref(), Some("u1@example.com"));

    let moved = Token::of("U1").email("new@example.com").signed();
    router.sync(&token).await.must_be(200, &known("U1"));
    router.sync(&moved).await.must_be(200, &known("U1"));
    assert_eq!(router.users().await, users);
}

async fn every_old_address_syncs_the_same_user(engine: Engine) {
    let router = on(engine).await;
    let token = Token::of("U1").signed();
    router.sync(&token).await.must_be(201, &created("U1"));
    let emulator = format!("/{PROJECT}/{REGION}/auth_sync");
    for target in ["/auth_sync_user", emulator.as_str(), "//auth_sync"] {
        let reply = router.post(target).bearer(&token).body("{}").send().await;
        reply.must_be(200, &known("U1"));
    }
}

async fn the_request_body_is_ignored(engine: Engine) {
    let router = on(engine).await;
    let token = Token::of("U1").signed();
    let post = || router.post("/auth_sync").bearer(&token);
    post().send().await.must_be(201, &created("U1"));
    for body in ["", "not json", "[1, 2]", "\0"] {
        let reply = post().header("content-type", "text/plain").body(body);
        reply.send().await.must_be(200, &known("U1"));
    }
    post().chunked("{}").send().await.must_be(200, &known("U1"));
}

async fn twenty_calls_at_once_create_one_user(engine: Engine) {
    let router = on(engine).await;
    let token = Token::of("U1").email("u1@example.com").signed();
    let calls: Vec<_> = (0..20)
        .map(|_| router.post("/auth_sync").bearer(&token).body("{}"))
        .map(|call| tokio::spawn(call.send()))
        .collect();
    let mut answers = BTreeMap::new();
    for call in calls {
        *answers.entry(call.await.unwrap().status).or_insert(0) += 1;
    }
    assert_eq!(answers, BTreeMap::from([(200, 19), (201, 1)]));
    assert_eq!(router.users().await.len(), 1);
}

async fn a_token_without_an_email_creates_a_user_without_one(engine: Engine) {
    let router = on(engine).await;
    for uid in ["phone", "anonymous"] {
        let reply = router.sync(&Token::of(uid).signed()).await;
        reply.must_be(201, &created(uid));
    }
    let emails: Vec<_> = router
        .users()
        .await
        .into_iter()
        .map(|user| user.email)
        .collect();
    assert_eq!(emails, [None, None]);
}

async fn two_users_with_one_email_are_both_accepted(engine: Engine) {
    let router = on(engine).await;
    for uid in ["U1", "U2"] {
        let token = Token::of(uid).email("shared@example.com").signed();
        router.sync(&token).await.must_be(201, &created(uid));
        router.sync(&token).await.must_be(200, &known(uid));
    }
    let emails: Vec<_> = router
        .users()
        .await
        .into_iter()
        .map(|user| user.email)
        .collect();
    assert_eq!(emails, [Some("shared@example.com".to_owned()), None]);
}

async fn a_uid_may_hold_any_character(engine: Engine) {
    let router = on(engine).await;
    let longest = "ü".repeat(128);
    for uid in ["'; DROP TABLE users; --", "../U1", "a b", &longest] {
        let reply = router.sync(&Token::of(uid).signed()).await;
        reply.must_be(201, &created(uid));
    }
    assert_eq!(router.users().await.len(), 4);
}

#[tokio::test]
async fn another_method_than_post_is_refused_in_the_functions_own_words() {
    let router = Router::start().await;
    let body = refused("Method Not Allowed. Please use POST.");
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let call = router
            .call(method, "/auth_sync")
            .bearer(Token::of("U1").signed());
        let reply = call.send().await;
        reply.must_be(405, &body);
        assert!(reply.header("allow").contains("POST"), "{reply:?}");
    }
    let reply = router.call("HEAD", "/auth_sync").send().await;
    assert_eq!((reply.status, reply.body.len()), (405, 0));
    assert!(router.users().await.is_empty());
}

#[tokio::test]
async fn a_call_without_a_bearer_token_is_told_what_to_send() {
    let router = Router::start().await;
    let text = "Authorization header missing or malformed. Expected 'Bearer <token>'.";
    let token = Token::of("U1").signed();
    let (basic, joined) = (format!("Basic {token}"), format!("Bearer{token}"));
    router
        .post("/auth_sync")
        .body("{}")
        .send()
        .await
        .must_be(401, &refused(text));
    for value in ["Basic x", &basic, "Bearer", "Bearer ", "", &token, &joined] {
        let call = router.post("/auth_sync").header("authorization", value);
        call.body("{}").send().await.must_be(401, &refused(text));
    }
    assert!(router.users().await.is_empty());
}

#[tokio::test]
async fn the_bearer_scheme_is_read_without_regard_to_case_and_spaces() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer   "] {
        let call = router
            .post("/auth_sync")
            .header("authorization", format!("{scheme}{token}"));
        let status = call.send().await.status;
        assert!(matches!(status, 200 | 201), "{scheme:?}: {status}");
    }
    let call = router
        .post("/auth_sync")
        .header("authorization", "Bearer  x");
    let reply = call.send().await;
    reply.must_be(401, &refused("Invalid or expired token."));
}

#[tokio::test]
async fn a_call_with_two_authorization_headers_is_not_served() {
    let router = Router::start().await;
    let call = router.post("/auth_sync").bearer(Token::of("U1").signed());
    let reply = call.bearer(Token::of("U2").signed()).send().await;
    assert!(matches!(reply.status, 400 | 401), "{reply:?}");
    assert!(router.users().await.is_empty());
}
