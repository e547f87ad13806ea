//! What a caller sees, and what nobody may see, while the database is away.

use tokio::net::TcpListener;

use crate::harness::postgres::{Cluster, Database};
use crate::harness::router::refused;
use crate::harness::{Engine, Launch, ORIGIN, Reply, Router, Token, eventually, on_both_databases};

on_both_databases!(a_database_without_its_tables_is_an_error_without_detail);

/// A database error, in the words of the contract and in nothing else.
#[track_caller]
fn must_be_a_database_error(reply: &Reply) {
    reply.must_be(500, &refused("A database error occurred."));
}

async fn sync(router: &Router) -> Reply {
    let call = router.post("/auth_sync").bearer(Token::of("U1").signed());
    call.header("origin", ORIGIN).body("{}").send().await
}

async fn a_database_without_its_tables_is_an_error_without_detail(engine: Engine) {
    let router = Launch::new().engine(engine).start().await;
    assert_eq!(sync(&router).await.status, 201);
    router
        .behind_its_back("ALTER TABLE users RENAME TO lost")
        .await;
    must_be_a_database_error(&sync(&router).await);
}

#[tokio::test]
async fn a_database_that_was_never_reachable_fails_its_callers_only() {
    // Port 9 (discard) has no listener on a machine that runs tests.
    let url = "postgresql://owner:hunter2-secret@127.0.0.1:9/app?sslmode=disable";
    let router = Launch::new().env("NEON_DATABASE_URL", url).start().await;

    let reply = sync(&router).await;
    must_be_a_database_error(&reply);
    assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(router.get("/hello_world").send().await.status, 200);
    assert_eq!(router.get("/healthz").send().await.status, 200);
    let reply = router.get("/readyz").send().await;
    assert_eq!(reply.status, 503);
    assert!(!reply.header("retry-after").is_empty(), "{reply:?}");
    assert!(!router.log().contains("hunter2-secret"), "{}", router.log());
}

#[tokio::test]
async fn a_database_that_never_answers_is_given_up() {
    // The kernel completes the handshakes; nobody ever reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("postgresql://owner@{address}/app?sslmode=disable");
    let router = Launch::new().env("NEON_DATABASE_URL", url).start().await;
    must_be_a_database_error(&sync(&router).await);
    assert_eq!(router.get("/healthz").send().await.status, 200);
}

#[tokio::test]
async fn a_database_that_goes_and_comes_back_needs_no_restart_of_the_router() {
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    let router = Launch::new().database(database).start().await;
    assert_eq!(sync(&router).await.status, 201);

    cluster.stop();
    must_be_a_database_error(&sync(&router).await);
    assert_eq!(router.get("/healthz").send().await.status, 200);

    cluster.restart();
    eventually("the user is synced again", async || {
        sync(&router).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_database_that_was_away_at_the_start_is_prepared_when_it_comes() {
    let mut cluster = Cluster::start();
    let database = cluster.database().await;
    cluster.stop();
    let router = Launch::new().database(database).start().await;
    must_be_a_database_error(&sync(&router).await);
    cluster.restart();
    eventually("the user is created", async || {
        sync(&router).await.status == 201
    })
    .await;
}

#[tokio::test]
async fn a_database_of_the_former_deployment_keeps_its_users() {
    let database = Database::new().await;
    let old = "CREATE TABLE users (
                   user_id TEXT PRIMARY KEY,
                   email TEXT UNIQUE,
                   created_at TIMESTAMP WITH TIME ZONE DEFAULT (now() AT TIME ZONE 'utc'),
                   updated_at TIMESTAMP WITH TIME ZONE DEFAULT (now() AT TIME ZONE 'utc')
               );
               INSERT INTO users (user_id, email) VALUES ('U1', 'u1@example.com')";
    database.run(old).await;
    let router = Launch::new().database(database).start().await;
    assert_eq!(sync(&router).await.status, 200);
    let users = router.users().await;
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(users[0].email.as_deref(), Some("u1@example.com"));
}
