//! `check_revoked = true`: a token counts for as long as its account stands behind it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::identity::{FORGED, now};
use crate::harness::router::refused;
use crate::harness::{AccountServer, Launch, Outage, Reply, Router, Token, eventually};

const KEY_FILE: &str = "FIREBASE_SERVICE_ACCOUNT_BASE64";

/// `hello_world` for users whose account is looked up; the router refuses the others.
fn checking() -> Launch {
    Launch::new()
        .set("functions.hello_world", "auth", "\"required\"")
        .set("functions.hello_world", "check_revoked", "true")
}

async fn router(accounts: &AccountServer) -> Router {
    checking()
        .env(KEY_FILE, accounts.encoded_key_file())
        .env("IDENTITY_TOOLKIT_URL", accounts.url())
        .start()
        .await
}

async fn greeted(router: &Router, token: &Token) -> Reply {
    let call = router.get("/hello_world").bearer(token.signed());
    call.send().await
}

/// A token that no cache has seen, of a user who signed in at a time.
fn token(uid: &str, signed_in: i64) -> Token {
    Token::of(uid).claim("auth_time", signed_in)
}

#[tokio::test]
async fn a_token_counts_unless_its_user_signed_in_before_it_was_revoked() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    let then = now() - 600;
    let since = |time: i64| json!({"validSince": time.to_string(), "disabled": false});
    for (uid, user, status) in [
        ("before", since(then + 1), 401),
        ("at-the-same-second", since(then), 200),
        ("after", since(then - 1), 200),
        ("never-revoked", json!({}), 200),
        ("disabled", json!({"disabled": true}), 401),
        (
            "disabled-later",
            json!({"validSince": (then - 1).to_string(), "disabled": true}),
            401,
        ),
        ("día 🌍/../x?", since(then), 200),
    ] {
        accounts.knows(uid, user);
        let reply = greeted(&router, &token(uid, then)).await;
        assert_eq!(reply.status, status, "{uid}: {reply:?}");
    }
    let reply = greeted(&router, &token("nobody", then)).await;
    let body = json!({"error": {"status": "UNAUTHENTICATED", "message": "Unauthenticated"}});
    assert_eq!((reply.status, reply.json()), (401, body));
    assert_eq!(reply.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_token_that_does_not_say_when_its_user_signed_in_counts_only_if_none_was_revoked() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    accounts.knows("U1", json!({"validSince": "1"}));
    accounts.knows("U2", json!({}));
    let token = |uid: &str| Token::of(uid).without("auth_time");
    assert_eq!(greeted(&router, &token("U1")).await.status, 401);
    assert_eq!(greeted(&router, &token("U2")).await.status, 200);
}

#[tokio::test]
async fn the_user_of_a_tenant_is_looked_up_there() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    accounts.knows_in("tenant-1", "U1", json!({}));
    let of = |tenant: &str| Token::of("U1").claim("firebase", json!({"tenant": tenant}));
    assert_eq!(greeted(&router, &of("tenant-1")).await.status, 200);
    assert_eq!(greeted(&router, &of("tenant-2")).await.status, 401);
    assert_eq!(
        greeted(&router, &of("../tenants/tenant-1")).await.status,
        401
    );
    assert_eq!(greeted(&router, &Token::of("U1")).await.status, 401);
}

#[tokio::test]
async fn a_function_words_the_refusal_where_it_decides() {
    let accounts = AccountServer::start().await;
    let router = Launch::new()
        .set("functions.auth_sync", "check_revoked", "true")
        .env(KEY_FILE, accounts.encoded_key_file())
        .env("IDENTITY_TOOLKIT_URL", accounts.url())
        .start()
        .await;
    let reply = router.sync(&Token::of("U1").signed()).await;
    reply.must_be(401, &refused("Invalid or expired token."));
    accounts.fails(Outage::Failure);
    let reply = router.sync(&Token::of("U2").signed()).await;
    let outage = "An internal server error occurred during token verification.";
    reply.must_be(500, &refused(outage));
    assert!(router.users().await.is_empty());
}

#[tokio::test]
async fn when_nothing_can_be_learnt_nobody_is_let_in_and_nobody_refused() {
    let accounts = AccountServer::start().await;
    for outage in Outage::ALL {
        let router = router(&accounts).await;
        accounts.knows("U1", json!({}));
        accounts.fails(outage);
        let reply = greeted(&router, &Token::of("U1")).await;
        assert_eq!(reply.status, 503, "{outage:?}: {reply:?}");
        reply.refusal(503, "UNAVAILABLE");
        let wait: u32 = reply.header("retry-after").parse().unwrap();
        assert!(wait > 0, "{outage:?}");

        accounts.fails(None);
        eventually("the account is looked up again", async || {
            greeted(&router, &Token::of("U1")).await.status == 200
        })
        .await;
    }
}

#[tokio::test]
async fn a_burst_of_one_user_costs_one_look_up_and_one_access_token() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    accounts.knows("U1", json!({}));
    accounts.knows("U2", json!({}));
    let calls: Vec<_> = (0..30)
        .map(|number| Token::of("U1").claim("number", number).signed())
        .map(|token| router.get("/hello_world").bearer(token))
        .map(|call| tokio::spawn(call.send()))
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().status, 200);
    }
    assert_eq!(accounts.lookups(), ["U1"]);
    assert_eq!(greeted(&router, &Token::of("U2")).await.status, 200);
    assert_eq!(accounts.lookups(), ["U1", "U2"]);
    assert_eq!(accounts.access_tokens().len(), 1);
}

#[tokio::test]
async fn a_burst_during_an_outage_asks_once() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    accounts.fails(Outage::Silence);
    let calls: Vec<_> = (0..30)
        .map(|number| Token::of("U1").claim("number", number).signed())
        .map(|token| router.get("/hello_world").bearer(token))
        .map(|call| tokio::spawn(call.send()))
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().status, 503);
    }
    assert_eq!(accounts.lookups(), ["U1"]);
}

#[tokio::test]
async fn callers_that_hang_up_do_not_make_it_begin_again() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    accounts.fails(Outage::Silence);
    for number in 0..20 {
        let token = Token::of("U1").claim("number", number).signed();
        let call = router.get("/hello_world").bearer(token).send();
        let _ = tokio::time::timeout(Duration::from_millis(10), call).await;
    }
    assert_eq!(accounts.lookups(), ["U1"]);
}

#[tokio::test]
async fn a_revocation_counts_soon_and_for_tokens_that_were_let_in_before() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    accounts.knows("U1", json!({}));
    let token = Token::of("U1");
    assert_eq!(greeted(&router, &token).await.status, 200);
    accounts.knows("U1", json!({"validSince": now().to_string()}));
    eventually("the token is refused", async || {
        greeted(&router, &token).await.status == 401
    })
    .await;
    assert_eq!(accounts.lookups().len(), 2);
    let again = Token::of("U1").claim("auth_time", now());
    assert_eq!(greeted(&router, &again).await.status, 200);
}

#[tokio::test]
async fn an_access_token_is_not_used_in_its_last_minutes_nor_after_it_was_refused() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    for uid in ["U1", "U2", "U3", "U4"] {
        accounts.knows(uid, json!({}));
    }
    accounts.gives_access_for(300);
    for uid in ["U1", "U2"] {
        assert_eq!(greeted(&router, &Token::of(uid)).await.status, 200);
    }
    assert_eq!(accounts.access_tokens().len(), 2);
    accounts.gives_access_for(3599);
    assert_eq!(greeted(&router, &Token::of("U3")).await.status, 200);
    assert_eq!(accounts.access_tokens().len(), 3);

    accounts.takes_access_away();
    assert_eq!(greeted(&router, &Token::of("U4")).await.status, 503);
    eventually("another access token is asked for", async || {
        greeted(&router, &Token::of("U4")).await.status == 200
    })
    .await;
    assert_eq!(accounts.access_tokens().len(), 4);
}

#[tokio::test]
async fn only_a_token_that_is_valid_otherwise_is_worth_a_look_up() {
    let accounts = AccountServer::start().await;
    let router = router(&accounts).await;
    let forged = Token::of("U1").signed_with(&FORGED);
    let unsigned = Token::of("U1").header("alg", "none").with_signature("");
    let expired = Token::of("U1").claim("exp", 1).signed();
    for token in [forged, unsigned, expired] {
        let reply = router.get("/hello_world").bearer(token).send().await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    // Nor is one for a function that does not ask.
    assert_eq!(router.sync(&Token::of("U1").signed()).await.status, 201);
    assert!(accounts.lookups().is_empty() && accounts.access_tokens().is_empty());
}

#[tokio::test]
async fn no_secret_of_the_service_account_is_written_to_the_log() {
    let accounts = AccountServer::start().await;
    let router = checking()
        .env(KEY_FILE, accounts.encoded_key_file())
        .env("IDENTITY_TOOLKIT_URL", accounts.url())
        .env("LOG_LEVEL", "trace")
        .start()
        .await;
    accounts.knows("U1", json!({}));
    assert_eq!(greeted(&router, &Token::of("U1")).await.status, 200);
    accounts.fails(Outage::Failure);
    assert_eq!(greeted(&router, &Token::of("U2")).await.status, 503);
    eventually("the failure is logged", async || {
        router.log().contains("cannot look an account up")
    })
    .await;
    let file: Value = serde_json::from_str(&accounts.key_file()).unwrap();
    let key = file["private_key"].as_str().unwrap();
    let log = router.log();
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!log.contains(line), "{log}");
    }
    assert!(
        !log.contains("ya29.") && !log.contains("assertion"),
        "{log}"
    );
}

#[tokio::test]
async fn the_key_file_may_be_a_file() {
    let accounts = AccountServer::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, accounts.key_file()).unwrap();
    let router = checking()
        .env(
            "GOOGLE_APPLICATION_CREDENTIALS",
            file.path().to_str().unwrap(),
        )
        .env("IDENTITY_TOOLKIT_URL", format!("{}/", accounts.url()))
        .start()
        .await;
    accounts.knows("U1", json!({}));
    assert_eq!(greeted(&router, &Token::of("U1")).await.status, 200);
}

#[tokio::test]
async fn without_a_usable_service_account_it_does_not_start() {
    let accounts = AccountServer::start().await;
    let file = "GOOGLE_APPLICATION_CREDENTIALS";
    for (environment, words) in [
        (
            vec![],
            "[functions.hello_world] says `check_revoked = true`",
        ),
        (vec![(file, "/nowhere/key.json")], "cannot read /nowhere"),
        (
            vec![(KEY_FILE, "a%b")],
            "FIREBASE_SERVICE_ACCOUNT_BASE64 is not a text in base64",
        ),
        (vec![(KEY_FILE, "e30=")], "not the key of a service account"),
        (
            vec![(KEY_FILE, "e30="), (file, "/nowhere/key.json")],
            "are both set",
        ),
    ] {
        for command in [&["serve"][..], &["check", "--env"]] {
            let launch = checking().arguments(command);
            let launch = environment
                .iter()
                .fold(launch, |launch, (name, value)| launch.env(name, *value));
            let output = launch.output().await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{environment:?}: {said}");
            assert!(said.contains(words), "{environment:?}: {said}");
        }
    }
    // Nothing of it is looked at where nobody asks for it.
    let router = Launch::new().env(KEY_FILE, "a%b").start().await;
    assert_eq!(router.sync(&Token::of("U1").signed()).await.status, 201);
    let off = checking().set("functions.hello_world", "enabled", "false");
    off.start().await;
    assert!(accounts.lookups().is_empty());
}

#[tokio::test]
async fn the_made_up_users_of_dev_have_no_accounts() {
    let router = checking().arguments(&["dev"]).start().await;
    let unsigned = Token::of("U1").header("alg", "none").with_signature("");
    let reply = router.get("/hello_world").bearer(unsigned).send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
}
