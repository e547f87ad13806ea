//! Google's keys: fetched seldom, rotated, and sometimes not to be had.

use std::time::Duration;

use futures_util::future::join_all;

use crate::harness::identity::SECOND;
use crate::harness::router::refused;
use crate::harness::{Answer, Launch, Reply, Router, Token, eventually};

/// A token that no cache has seen.
fn fresh(number: usize) -> Token {
    Token::of("U1").claim("number", number)
}

/// Whether the chunks function knew the caller: it then looks for the file, which does not exist.
async fn download(router: &Router, token: &str) -> Reply {
    router.download("U1", token, "absent.webm").await
}

#[tokio::test]
async fn without_keys_nobody_is_called_an_impostor() {
    join_all(Answer::FAULTS.map(accuse_nobody)).await;
}

async fn accuse_nobody(fault: Answer) {
    let outage = "An internal server error occurred during token verification.";
    let router = Router::start().await;
    router.keys.answers(fault);
    let token = Token::of("U1").signed();

    let reply = router.sync(&token).await;
    assert_eq!(
        (reply.status, reply.json()),
        (500, refused(outage)),
        "{fault:?}"
    );
    let reply = download(&router, &token).await;
    assert_eq!(reply.status, 503, "{fault:?}: {reply:?}");
    assert!(reply.json()["detail"].is_string(), "{fault:?}: {reply:?}");
    let wait: u32 = reply.header("retry-after").parse().unwrap();
    assert!(wait > 0, "{fault:?}");
    assert!(router.users().await.is_empty(), "{fault:?}");
    assert_eq!(router.get("/healthz").send().await.status, 200, "{fault:?}");
}

#[tokio::test]
async fn an_endpoint_that_nobody_serves_is_an_outage_too() {
    let nowhere = "http://127.0.0.1:9/jwks";
    let router = Launch::new()
        .env("FIREBASE_JWKS_URL", nowhere)
        .start()
        .await;
    let reply = download(&router, &Token::of("U1").signed()).await;
    assert_eq!(reply.status, 503, "{reply:?}");
}

#[tokio::test]
async fn a_token_that_is_no_token_is_refused_without_keys() {
    let router = Router::start().await;
    router.keys.answers(Answer::Failure);
    let reply = download(&router, "garbage").await;
    assert_eq!(reply.status, 401, "{reply:?}");
    let unsigned = Token::of("U1").header("alg", "none").with_signature("");
    assert_eq!(download(&router, &unsigned).await.status, 401);
}

#[tokio::test]
async fn keys_that_come_back_are_used_without_a_restart() {
    let router = Router::start().await;
    router.keys.answers(Answer::Failure);
    assert_eq!(
        download(&router, &Token::of("U1").signed()).await.status,
        503
    );
    router.keys.answers(Answer::Keys);
    eventually("the caller is known", async || {
        download(&router, &Token::of("U1").signed()).await.status == 404
    })
    .await;
}

#[tokio::test]
async fn keys_once_fetched_outlive_an_outage() {
    join_all(Answer::FAULTS.map(outlive)).await;
}

async fn outlive(fault: Answer) {
    let router = Router::start().await;
    assert_eq!(download(&router, &fresh(0).signed()).await.status, 404);
    router.keys.answers(fault);
    // What makes it ask again, once it may.
    let unknown = |number: usize| fresh(number).signed_by(&SECOND);
    eventually("the keys are asked for in vain", async || {
        // Every kind of fault waits at the same time, on machines that have other things to do.
        tokio::time::sleep(Duration::from_millis(500)).await;
        download(&router, &unknown(0)).await.status == 503
    })
    .await;
    assert_eq!(router.keys.fetches(), 2, "{fault:?}");
    for number in 1..4 {
        let reply = download(&router, &fresh(number).signed()).await;
        assert_eq!(reply.status, 404, "{fault:?}: {reply:?}");
        let reply = download(&router, &unknown(number)).await;
        assert_eq!(reply.status, 503, "{fault:?}: {reply:?}");
    }
    assert_eq!(router.keys.fetches(), 2, "{fault:?}");
}

#[tokio::test]
async fn the_keys_are_fetched_once_for_all_who_come_at_the_same_time() {
    let router = Router::start().await;
    let calls: Vec<_> = (0..20)
        .map(|number| router.post("/auth_sync").bearer(fresh(number).signed()))
        .map(|call| tokio::spawn(call.send()))
        .collect();
    for call in calls {
        let status = call.await.unwrap().status;
        assert!(matches!(status, 200 | 201), "{status}");
    }
    assert_eq!(router.keys.fetches(), 1);
}

#[tokio::test]
async fn an_answer_that_must_not_be_cached_is_kept_for_a_while_all_the_same() {
    let router = Router::start().await;
    router.keys.says_cache_control("no-cache, max-age=0");
    for number in 0..10 {
        assert_eq!(download(&router, &fresh(number).signed()).await.status, 404);
    }
    assert_eq!(router.keys.fetches(), 1);
}

#[tokio::test]
async fn a_storm_of_unknown_key_ids_costs_one_fetch() {
    let router = Router::start().await;
    assert_eq!(download(&router, &fresh(0).signed()).await.status, 404);
    // Fewer than the function's slots, which would refuse the rest before anyone looks at a token.
    let storm: Vec<_> = (0..60)
        .map(|number| Token::of("U1").header("kid", format!("unknown-{number}")))
        .map(|token| router.post("/auth_sync").bearer(token.signed()))
        .map(|call| tokio::spawn(call.send()))
        .collect();
    for number in 1..20 {
        assert_eq!(download(&router, &fresh(number).signed()).await.status, 404);
    }
    for call in storm {
        let reply = call.await.unwrap();
        reply.must_be(401, &refused("Invalid or expired token."));
    }
    assert!(
        router.keys.fetches() <= 2,
        "{} fetches",
        router.keys.fetches()
    );
}

#[tokio::test]
async fn a_new_key_is_found_and_the_one_it_replaces_forgotten() {
    let router = Router::start().await;
    assert_eq!(download(&router, &fresh(0).signed()).await.status, 404);
    router.keys.rotate_to(&SECOND);
    eventually("the new key counts", async || {
        download(&router, &Token::of("U1").signed_by(&SECOND))
            .await
            .status
            == 404
    })
    .await;
    assert_eq!(router.keys.fetches(), 2);
    let reply = download(&router, &fresh(1).signed()).await;
    assert_eq!(reply.status, 401, "{reply:?}");
}

#[tokio::test]
async fn callers_that_hang_up_do_not_switch_the_throttle_off() {
    let router = Router::start().await;
    assert_eq!(download(&router, &fresh(0).signed()).await.status, 404);
    let before = router.keys.fetches();
    for number in 0..30 {
        let token = Token::of("U1").header("kid", format!("impatient-{number}"));
        let call = router.post("/auth_sync").bearer(token.signed()).send();
        let _ = tokio::time::timeout(Duration::from_millis(5), call).await;
    }
    let fetches = router.keys.fetches() - before;
    assert!(fetches <= 1, "{fetches} fetches");
}
