//! Which ID tokens count: each rule broken alone, at two doors that word their refusals differently.

mod claims;
mod form;
mod header;
mod signature;

use serde_json::json;

use crate::harness::identity::now;
use crate::harness::router::{download_url, refused};
use crate::harness::{PROJECT, Router, Token};

/// Asks both doors, as `U1`.
///
/// # Panics
/// When either lets the token in, or words the refusal in another way than its contract.
async fn must_be_refused(router: &Router, flaw: &str, token: &str) {
    let reply = router.sync(token).await;
    let body = refused("Invalid or expired token.");
    assert_eq!((reply.status, reply.json()), (401, body), "{flaw}");
    assert_eq!(reply.header("www-authenticate"), "Bearer", "{flaw}");

    let reply = router.download("U1", token, "absent.webm").await;
    assert_eq!(reply.status, 401, "{flaw}: {reply:?}");
    let body = json!({"detail": "Invalid or expired token."});
    assert_eq!(reply.json(), body, "{flaw}");
    assert_eq!(reply.header("www-authenticate"), "Bearer", "{flaw}");
}

/// # Panics
/// Unless both doors take `token` for one of the user `uid`.
async fn must_be_accepted(router: &Router, which: &str, token: &str, uid: &str) {
    let reply = router.sync(token).await;
    assert!(matches!(reply.status, 200 | 201), "{which}: {reply:?}");
    assert_eq!(reply.json()["user_id"], uid, "{which}");
    let reply = router.download(uid, token, "absent.webm").await;
    assert_eq!(reply.status, 404, "{which}: {reply:?}");
}

#[tokio::test]
async fn a_token_that_follows_every_rule_is_accepted() {
    let router = Router::start().await;
    let longest = "x".repeat(128);
    let accepted = [
        ("plain", Token::of("U1"), "U1"),
        (
            "expired within the leeway",
            Token::of("U1").claim("exp", now() - 10),
            "U1",
        ),
        (
            "issued by a clock slightly ahead",
            Token::of("U1").claim("iat", now() + 10),
            "U1",
        ),
        ("with the longest uid", Token::of(&longest), &longest),
        (
            "with claims of its own",
            Token::of("U1").claim("admin", true),
            "U1",
        ),
        (
            "without a type",
            Token::of("U1").without_header("typ"),
            "U1",
        ),
        (
            "with a key that it does not need",
            Token::of("U1").header("jku", "http://127.0.0.1:9/jwks"),
            "U1",
        ),
        (
            "of a tenant",
            Token::of("U1").claim("firebase", json!({"tenant": "t1"})),
            "U1",
        ),
    ];
    for (which, token, uid) in accepted {
        must_be_accepted(&router, which, &token.signed(), uid).await;
    }
}

#[tokio::test]
async fn no_token_is_written_to_the_log() {
    let router = Router::start().await;
    let good = Token::of("U1").signed();
    let bad = Token::of("U1").claim("aud", "other-project").signed();
    for token in [&good, &bad] {
        router.sync(token).await;
        router
            .get(&download_url("U1", "a.webm"))
            .bearer(token)
            .send()
            .await;
    }
    let log = router.log();
    for token in [&good, &bad] {
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(
            !log.contains(&token[..60]) && !log.contains(signature),
            "{log}"
        );
    }
}

#[tokio::test]
async fn a_uid_has_up_to_128_characters_of_any_kind() {
    let router = Router::start().await;
    for uid in ["🌍".repeat(128), "é/../.. \"\\".repeat(12), "0".to_owned()] {
        let reply = router.sync(&Token::of(&uid).signed()).await;
        assert_eq!(reply.status, 201, "{uid}: {reply:?}");
        assert_eq!(reply.json()["user_id"], uid);
    }
    for uid in [String::new(), "🌍".repeat(129)] {
        must_be_refused(&router, "too long or empty", &Token::of(&uid).signed()).await;
    }
}

/// Whatever else Google signs, with a key that this service would take.
#[tokio::test]
async fn a_token_of_another_kind_is_no_id_token() {
    let router = Router::start().await;
    let account = "firebase-adminsdk@holograms-media.iam.gserviceaccount.com";
    let custom =
        "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit";
    let like_none = |issuer: &str| {
        let token = Token::of("U1").claim("iss", issuer);
        token
            .without("firebase")
            .without("auth_time")
            .without("user_id")
    };
    let cookie = format!("https://session.firebase.google.com/{PROJECT}");
    for (kind, token) in [
        ("a session cookie", Token::of("U1").claim("iss", cookie)),
        (
            "a custom token",
            like_none(account)
                .claim("sub", account)
                .claim("aud", custom)
                .claim("uid", "U1"),
        ),
        (
            "a token of App Check",
            like_none("https://firebaseappcheck.googleapis.com/1234567890").claim(
                "aud",
                json!(["projects/1234567890", format!("projects/{PROJECT}")]),
            ),
        ),
        (
            "an OIDC token of Google's",
            like_none("https://accounts.google.com")
                .email(account)
                .claim("azp", "1234567890"),
        ),
        (
            "an OIDC token of Google's for this project",
            like_none("accounts.google.com").email(account),
        ),
    ] {
        must_be_refused(&router, kind, &token.signed()).await;
    }
    assert!(router.users().await.is_empty());
}
