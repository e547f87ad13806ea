//! Download tokens.

use serde_json::json;

use super::{media, object, refusal, send, signed_in, upload};
use crate::harness::{Reply, Router, Token};

const NAME: &str = "user_uploads/U1/a.txt";

async fn with_token(router: &Router, token: &str) -> Reply {
    let target = format!("{}&token={token}", media(NAME));
    router.get(&target).send().await
}

async fn tokens(router: &Router, query: &str) -> Vec<String> {
    let reply = send(router.post(&format!("{}?{query}", object(NAME)))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let listed = reply.json()["downloadTokens"].as_str().unwrap().to_owned();
    listed.split(',').map(str::to_owned).collect()
}

#[tokio::test]
async fn whoever_has_a_token_reads_without_signing_in() {
    let router = Router::start().await;
    let answer = upload(&router, NAME, json!({}), b"hello").await;
    let token = answer["downloadTokens"].as_str().unwrap();
    let reply = with_token(&router, token).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));

    refusal(&with_token(&router, "").await, 401);
    for wrong in ["x", &token[1..], &format!("{token},{token}")] {
        refusal(&with_token(&router, wrong).await, 403);
        let target = format!("{}&token={wrong}", media(NAME));
        refusal(&signed_in(router.get(&target), "U2").send().await, 403);
        let own = send(router.get(&target)).await;
        assert_eq!(own.text(), "hello", "the owner needs no token");
    }
    // The bytes alone: what is said of them is for who may read them.
    let target = format!("{}?token={token}", object(NAME));
    refusal(&router.get(&target).send().await, 401);
}

#[tokio::test]
async fn a_token_that_is_taken_away_opens_nothing_any_more() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), b"hello").await;
    let both = tokens(&router, "create_token=true").await;
    assert_eq!(both.len(), 2);
    for token in &both {
        assert_eq!(with_token(&router, token).await.status, 200);
    }
    let left = tokens(&router, &format!("delete_token={}", both[0])).await;
    assert_eq!(left, both[1..]);
    refusal(&with_token(&router, &both[0]).await, 403);
    assert_eq!(with_token(&router, &both[1]).await.status, 200);

    // An object is never left without one.
    let fresh = tokens(&router, &format!("delete_token={}", both[1])).await;
    assert_eq!(fresh.len(), 1);
    assert!(!both.contains(&fresh[0]));
    refusal(&with_token(&router, &both[1]).await, 403);
    assert_eq!(with_token(&router, &fresh[0]).await.status, 200);
}

#[tokio::test]
async fn only_who_may_write_makes_and_takes_tokens() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), b"hello").await;
    for query in ["create_token=true", "delete_token=x"] {
        let target = format!("{}?{query}", object(NAME));
        refusal(&router.post(&target).send().await, 401);
        refusal(&signed_in(router.post(&target), "U2").send().await, 403);
    }
    let target = format!("{}?create_token=false", object(NAME));
    refusal(&send(router.post(&target)).await, 400);
}

#[tokio::test]
async fn all_who_first_ask_for_an_object_get_the_same_token() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.txt", b"hello").await;
    let asking = (0..8).map(|_| send(router.get(&object(NAME))));
    let answers = futures_util::future::join_all(asking).await;
    let first = answers[0].json();
    assert_eq!(first["metageneration"], "2");
    for answer in &answers {
        assert_eq!(answer.json(), first);
    }
}
