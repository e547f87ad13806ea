//! A router from its start to its end.

use tokio::net::TcpStream;

use crate::harness::{Launch, Router, Token, Wire, eventually};

#[tokio::test]
async fn it_says_that_it_is_alive_and_ready() {
    let router = Router::start().await;
    for target in ["/healthz", "/health", "/api/v1/health", "/readyz"] {
        assert_eq!(router.get(target).send().await.status, 200, "{target}");
        let head = router.call("HEAD", target).send().await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{target}");
    }
}

#[tokio::test]
async fn the_manifest_that_was_compiled_in_needs_no_file() {
    let router = Launch::new().env("MANIFEST", "").start().await;
    assert_eq!(router.get("/hello_world").send().await.status, 200);
    let token = Token::of("U1").signed();
    assert_eq!(router.sync(&token).await.status, 201);
}

#[tokio::test]
async fn users_and_files_outlive_a_restart() {
    let mut router = Router::start().await;
    let token = Token::of("U1").signed();
    assert_eq!(router.sync(&token).await.status, 201);
    router.upload("U1", &token, "a.webm", b"kept").await;
    router.terminate().await;
    assert!(router.exit().await.success(), "{}", router.log());

    let router = router.restart().await;
    assert_eq!(router.sync(&token).await.status, 200);
    assert_eq!(router.download("U1", &token, "a.webm").await.text(), "kept");
}

#[tokio::test]
async fn an_idle_router_stops_when_it_is_asked_to() {
    let mut router = Router::start().await;
    // A connection that is kept open is no reason to stay.
    let mut idle = Wire::open(router.address).await;
    idle.send(router.get("/hello_world").head()).await;
    assert_eq!(idle.answer().await.status, 200);
    router.terminate().await;
    assert!(router.exit().await.success(), "{}", router.log());
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn an_upload_under_way_is_finished_before_the_stop() {
    let mut router = Router::start().await;
    let token = Token::of("U1").signed();
    let file = vec![b'x'; 400_000];
    let (mut wire, rest) = router.begin_upload("U1", &token, "a.webm", &file).await;

    router.terminate().await;
    let address = router.address;
    eventually("nobody new is let in", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    wire.send(&rest).await;
    let reply = wire.answer().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(wire.is_closed().await);
    assert!(router.exit().await.success(), "{}", router.log());
    let stored = std::fs::read(router.disk().join("user_chunks/U1/a.webm")).unwrap();
    assert_eq!(stored, file);
}

#[tokio::test]
async fn it_never_serves_what_a_log_or_a_database_holds() {
    let router = Router::start().await;
    for target in [
        "/functions.sqlite3",
        "/manifest.toml",
        "/.staging/",
        "/etc/passwd",
    ] {
        assert_eq!(router.get(target).send().await.status, 404, "{target}");
    }
}

/// # Panics
/// Unless the start is refused with a text that says `fault`.
async fn must_refuse_to_start(launch: Launch, fault: &str) {
    let output = launch.output().await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 0), "{text}");
    assert!(text.contains(fault), "{text}");
    assert!(!text.contains("listening on"), "{text}");
}

#[tokio::test]
async fn it_refuses_to_take_unsigned_tokens_in_production() {
    let name = "FIREBASE_AUTH_EMULATOR_HOST";
    must_refuse_to_start(Launch::new().env(name, "127.0.0.1:9099"), name).await;
}

#[tokio::test]
async fn it_refuses_to_store_uploads_where_the_next_deploy_deletes_them() {
    let name = "RENDER_DISK_BASE_PATH";
    must_refuse_to_start(Launch::new().env("RENDER", "true").env(name, ""), name).await;
}

#[tokio::test]
async fn it_refuses_settings_that_make_no_sense() {
    for (name, value) in [
        ("PORT", "many"),
        ("PORT", "70000"),
        ("HOST", "not an address"),
        ("NEON_DATABASE_URL", "mysql://example.com/app"),
        ("FIREBASE_JWKS_URL", "not a URL"),
    ] {
        must_refuse_to_start(Launch::new().env(name, value), name).await;
    }
    let file = "/nowhere/manifest.toml";
    must_refuse_to_start(Launch::new().env("MANIFEST", file), file).await;
}

#[tokio::test]
async fn it_refuses_a_manifest_with_faults_and_names_them_all() {
    let launch = Launch::new()
        .set("functions.auth_sync", "timout", "\"5s\"")
        .set("functions.hello_world", "cors", "\"unknown-policy\"");
    let output = launch.output().await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 0), "{text}");
    for part in [
        "timout",
        "timeout",
        "unknown-policy",
        "edited-manifest.toml",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn two_callers_of_one_socket_never_see_each_others_answers() {
    let router = Router::start().await;
    let mut wire = Wire::open(router.address).await;
    for uid in ["U1", "U2", "U1"] {
        let call = router
            .post("/auth_sync")
            .bearer(Token::of(uid).signed())
            .body("");
        wire.send(call.head()).await;
        assert_eq!(wire.answer().await.json()["user_id"], uid);
    }
}
