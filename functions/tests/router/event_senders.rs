//! Who may tell a function of an event: the holder of EVENT_TOKEN, and the service accounts that the
//! manifest names.

use serde_json::json;

use crate::harness::identity::FORGED;
use crate::harness::{Event, Launch, Reply, Router, Token};

const NAME: &str = "user_uploads/U1/a.webm";
const AUDIENCE: &str = "https://functions.example/process_chunk";
const SENDER: &str = "events@holograms-media.iam.gserviceaccount.com";

/// What Pub/Sub sends on behalf of a service account.
fn sender() -> Token {
    Token::of("113774264463038321964")
        .claim("iss", "https://accounts.google.com")
        .claim("aud", AUDIENCE)
        .email(SENDER)
        .without("firebase")
        .without("auth_time")
        .without("user_id")
}

async fn router() -> Router {
    let senders = format!("{{ audience = \"{AUDIENCE}\", emails = [\"{SENDER}\"] }}");
    Launch::new()
        .set("functions.process_chunk", "senders", &senders)
        .start()
        .await
}

async fn sent_with(router: &Router, token: &str) -> Reply {
    Event::of(NAME).posted(router).bearer(token).send().await
}

#[tokio::test]
async fn a_service_account_of_the_manifest_may_send() {
    let router = router().await;
    let reply = sent_with(&router, &sender().signed()).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    let other_spelling = sender().claim("iss", "accounts.google.com");
    let reply = sent_with(&router, &other_spelling.signed()).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(router.chunks().await.len(), 1);
}

#[tokio::test]
async fn whoever_else_google_vouches_for_may_not() {
    let router = router().await;
    for (what, token) in [
        (
            "another audience",
            sender().claim("aud", "https://elsewhere").signed(),
        ),
        (
            "audiences in a list",
            sender().claim("aud", json!(["https://elsewhere"])).signed(),
        ),
        (
            "another e-mail",
            sender().email("stranger@example.com").signed(),
        ),
        (
            "an unverified e-mail",
            sender().claim("email_verified", false).signed(),
        ),
        (
            "an e-mail verified in words",
            sender().claim("email_verified", "true").signed(),
        ),
        ("no e-mail", sender().without("email").signed()),
        (
            "another issuer",
            sender().claim("iss", "https://accounts.example").signed(),
        ),
        ("no issuer", sender().without("iss").signed()),
        ("an expired token", sender().claim("exp", 1).signed()),
        ("a forged token", sender().signed_with(&FORGED)),
        (
            "an unsigned token",
            sender().header("alg", "none").with_signature(""),
        ),
        ("a user's token", Token::of("U1").email(SENDER).signed()),
    ] {
        let reply = sent_with(&router, &token).await;
        assert_eq!(reply.status, 401, "{what}: {reply:?}");
    }
    assert!(router.chunks().await.is_empty());
}

#[tokio::test]
async fn without_senders_in_the_manifest_only_the_shared_secret_opens() {
    let router = Router::start().await;
    let event = Event::of(NAME);
    let reply = event.posted(&router).send().await;
    reply.refusal(401, "UNAUTHENTICATED");
    for token in [
        sender().signed(),
        Token::of("U1").signed(),
        "an-event-token-of-the-test".to_owned(),
        "an-event-token-of-the-testsX".to_owned(),
    ] {
        let reply = sent_with(&router, &token).await;
        reply.refusal(401, "UNAUTHENTICATED");
    }
    assert!(router.chunks().await.is_empty());
    assert_eq!(event.send(&router).await.status, 204);
    assert_eq!(router.chunks().await.len(), 1);
}

#[tokio::test]
async fn a_router_without_the_shared_secret_takes_no_empty_one() {
    let router = Launch::new().env("EVENT_TOKEN", "").start().await;
    for token in ["", " ", "x"] {
        let reply = sent_with(&router, token).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    assert!(router.chunks().await.is_empty());
}
