//! `app_check = "required"`: which of App Check's tokens count, at a door that asks for nothing else.

use serde_json::{Value, json};

use crate::harness::identity::{FORGED, SECOND, now};
use crate::harness::{Answer, Launch, PROJECT, Reply, Router, Token};

const APP: &str = "1:1234567890:web:321abc";

/// What App Check gives an app.
fn attestation() -> Token {
    Token::of(APP)
        .claim("iss", "https://firebaseappcheck.googleapis.com/1234567890")
        .claim("aud", audiences())
        .without("auth_time")
        .without("user_id")
        .without("firebase")
}

/// The project's number and its id, as Google lists them.
fn audiences() -> Value {
    json!(["projects/1234567890", format!("projects/{PROJECT}")])
}

/// Serves `hello_world` to apps alone.
async fn guarded() -> Router {
    Launch::new()
        .set("functions.hello_world", "app_check", "\"required\"")
        .start()
        .await
}

async fn greeted(router: &Router, token: &str) -> Reply {
    let call = router.get("/hello_world");
    call.header("x-firebase-appcheck", token).send().await
}

/// # Panics
/// Unless the refusal is the one that every other is.
fn must_be_refused(reply: &Reply, flaw: &str) {
    let refusal = json!({"error": {"status": "UNAUTHENTICATED", "message": "Unauthenticated"}});
    assert_eq!((reply.status, reply.json()), (401, refusal), "{flaw}");
    assert_eq!(reply.header("www-authenticate"), "Bearer", "{flaw}");
}

#[tokio::test]
async fn an_app_is_let_in_and_whoever_is_none_is_not() {
    let router = guarded().await;
    for (which, token) in [
        ("plain", attestation()),
        (
            "with the id of the project alone",
            attestation().claim("aud", json!([format!("projects/{PROJECT}")])),
        ),
        (
            "expired within the leeway",
            attestation().claim("exp", now() - 10),
        ),
        ("to be used once", attestation().claim("jti", "token-1")),
    ] {
        let reply = greeted(&router, &token.signed()).await;
        assert_eq!(reply.status, 200, "{which}: {reply:?}");
    }
    must_be_refused(&router.get("/hello_world").send().await, "no header");
    let good = attestation().signed();
    let twice = router
        .get("/hello_world")
        .header("x-firebase-appcheck", &*good)
        .header("x-firebase-appcheck", &*good);
    must_be_refused(&twice.send().await, "two headers");
    let bearer = router.get("/hello_world").bearer(good);
    must_be_refused(&bearer.send().await, "in another header");
}

#[tokio::test]
async fn a_token_that_breaks_one_rule_is_refused() {
    let router = guarded().await;
    let token = attestation;
    let user = Token::of("U1");
    let flaws = [
        ("junk", "eyJlcnJvciI6IlVOS05PV05fRVJST1IifQ==".to_owned()),
        ("empty", String::new()),
        ("an ID token", user.signed()),
        (
            "aud: a string",
            token().claim("aud", format!("projects/{PROJECT}")).signed(),
        ),
        (
            "aud: another project",
            token().claim("aud", json!(["projects/other"])).signed(),
        ),
        (
            "aud: without `projects/`",
            token().claim("aud", json!([PROJECT])).signed(),
        ),
        ("aud: missing", token().without("aud").signed()),
        (
            "iss: of users",
            token()
                .claim("iss", format!("https://securetoken.google.com/{PROJECT}"))
                .signed(),
        ),
        (
            "iss: another host",
            token()
                .claim("iss", "https://firebaseappcheck.googleapis.com.example/1")
                .signed(),
        ),
        ("iss: missing", token().without("iss").signed()),
        ("sub: empty", token().claim("sub", "").signed()),
        ("sub: missing", token().without("sub").signed()),
        ("sub: a number", token().claim("sub", 1).signed()),
        ("exp: past", token().claim("exp", now() - 40).signed()),
        ("exp: missing", token().without("exp").signed()),
        (
            "exp: a string",
            token().claim("exp", (now() + 3600).to_string()).signed(),
        ),
        ("iat: to come", token().claim("iat", now() + 90).signed()),
        ("nbf: to come", token().claim("nbf", now() + 90).signed()),
        ("typ: missing", token().without_header("typ").signed()),
        ("typ: another", token().header("typ", "at+jwt").signed()),
        (
            "alg: none",
            token().header("alg", "none").with_signature(""),
        ),
        (
            "alg: HS256",
            token().header("alg", "HS256").with_hmac(b"secret"),
        ),
        ("kid: missing", token().without_header("kid").signed()),
        ("kid: unknown", token().signed_by(&SECOND)),
        ("a forged signature", token().signed_with(&FORGED)),
        (
            "a critical extension",
            token().header("crit", json!(["exp"])).signed(),
        ),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&greeted(&router, &token).await, flaw);
    }
}

#[tokio::test]
async fn it_does_not_take_the_place_of_the_users_token() {
    let router = Launch::new()
        .set("functions.auth_sync", "app_check", "\"required\"")
        .start()
        .await;
    let (app, user) = (attestation().signed(), Token::of("U1").signed());
    let sync = |user: &str| {
        let call = router.post("/auth_sync").bearer(user);
        call.header("x-firebase-appcheck", &*app).body("{}")
    };
    assert_eq!(sync(&user).send().await.status, 201);
    assert_eq!(sync(&app).send().await.status, 401);
    // In the words of the function's other refusals.
    let unattested = router.sync(&user).await;
    assert_eq!(unattested.status, 401, "{unattested:?}");
    let words = json!({"status": "error", "message": "Unauthenticated"});
    assert_eq!(unattested.json(), words);
    assert_eq!(router.users().await.len(), 1);
}

#[tokio::test]
async fn nobody_looks_at_it_where_it_is_not_asked_for() {
    let router = Router::start().await;
    assert_eq!(greeted(&router, "junk").await.status, 200);
    assert_eq!(router.keys.fetches(), 0);
}

#[tokio::test]
async fn without_its_keys_no_app_is_called_an_impostor() {
    let router = guarded().await;
    router.keys.answers(Answer::Failure);
    let reply = greeted(&router, &attestation().signed()).await;
    reply.refusal(503, "UNAVAILABLE");
    let wait: u32 = reply.header("retry-after").parse().unwrap();
    assert!(wait > 0);
    must_be_refused(&greeted(&router, "junk").await, "junk");
}

#[tokio::test]
async fn its_keys_are_fetched_once_and_kept() {
    let router = guarded().await;
    for number in 0..10 {
        let token = attestation().claim("number", number).signed();
        assert_eq!(greeted(&router, &token).await.status, 200);
    }
    router.keys.answers(Answer::Failure);
    let token = attestation().claim("number", 10).signed();
    assert_eq!(greeted(&router, &token).await.status, 200);
    assert_eq!(router.keys.fetches(), 1);
}
