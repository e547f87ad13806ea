//! Another manifest for a router that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::manifest::{set, text};
use crate::harness::{Launch, Router, Token, eventually};

const TAKEN: &str = "manifest read again";
const REFUSED: &str = "manifest not taken, the old one stays";

async fn put(router: &Router, manifest: &str) {
    // In one step, so that nobody reads half of it.
    let new = router.folder().join("new-manifest.toml");
    std::fs::write(&new, manifest).unwrap();
    std::fs::rename(new, router.folder().join("edited-manifest.toml")).unwrap();
    router.hang_up().await;
}

/// Gives the router another manifest and waits for it to say `outcome`; the line that says it.
async fn reload(router: &Router, manifest: &str, outcome: &str) -> String {
    let said = || router.log().matches(outcome).count();
    let before = said();
    put(router, manifest).await;
    eventually(outcome, async || said() > before).await;
    let log = router.log();
    let line = log.lines().rfind(|line| line.contains(outcome));
    line.unwrap().to_owned()
}

/// Whether a page of that origin may read answers.
async fn may_read(router: &Router, origin: &str) -> bool {
    let call = router.post("/auth_sync").header("origin", origin);
    let reply = call.body("").send().await;
    reply.header("access-control-allow-origin") == origin
}

#[tokio::test]
async fn what_needs_no_code_changes_while_the_router_runs() {
    let router = Router::start().await;
    let origin = "https://new.example";
    assert!(!may_read(&router, origin).await);
    assert_eq!(router.get("/greet").send().await.status, 404);
    let large = || router.post("/auth_sync").body("x".repeat(200));
    assert_eq!(large().send().await.status, 401);

    let manifest = set(&text(), "cors.app", "origins", r#"["https://new.example"]"#);
    let manifest = set(
        &manifest,
        "functions.hello_world",
        "aliases",
        r#"["greet"]"#,
    );
    let manifest = set(&manifest, "functions.auth_sync", "max_body", r#""100B""#);
    let line = reload(&router, &manifest, TAKEN).await;
    for part in [
        "[functions.hello_world] aliases",
        "[functions.auth_sync] cors, max_body",
        "[defaults] cors",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(may_read(&router, origin).await);
    assert_eq!(router.get("/greet").send().await.status, 200);
    assert_eq!(large().send().await.status, 413);

    reload(&router, &text(), TAKEN).await;
    assert!(!may_read(&router, origin).await);
    assert_eq!(router.get("/greet").send().await.status, 404);
    assert_eq!(large().send().await.status, 401);
}

#[tokio::test]
async fn a_function_is_taken_off_the_air_and_put_on_it_again() {
    let router = Router::start().await;
    assert_eq!(router.get("/hello_world").send().await.status, 200);
    let off = set(&text(), "functions.hello_world", "enabled", "false");
    reload(&router, &off, TAKEN).await;
    assert_eq!(router.get("/hello_world").send().await.status, 404);
    reload(&router, &text(), TAKEN).await;
    assert_eq!(router.get("/hello_world").send().await.status, 200);
    let line = reload(&router, &text(), TAKEN).await;
    assert!(line.contains("the same"), "{line}");
}

#[tokio::test]
async fn a_manifest_with_faults_is_reported_and_changes_nothing() {
    let router = Router::start().await;
    let faulty = set(&text(), "functions.hello_world", "enabled", "false");
    let faulty = set(&faulty, "functions.auth_sync", "timout", r#""5s""#);
    let line = reload(&router, &faulty, REFUSED).await;
    for part in ["timout", "timeout", "edited-manifest.toml"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(router.get("/hello_world").send().await.status, 200);
    reload(&router, "manifest = 1 and then nonsense", REFUSED).await;
    assert_eq!(router.get("/hello_world").send().await.status, 200);
}

#[tokio::test]
async fn a_manifest_that_needs_a_restart_says_so_and_changes_nothing() {
    let router = Router::start().await;
    let manifest = set(&text(), "functions.hello_world", "enabled", "false");
    let manifest = set(&manifest, "buckets.chunks", "root", r#""elsewhere""#);
    let manifest = manifest + "[functions.greet]\nhttp = {}\nauth = \"required\"\n";
    let line = reload(&router, &manifest, REFUSED).await;
    for part in [
        "need a restart",
        "[buckets.chunks] root",
        "[functions.greet] is new",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(router.get("/hello_world").send().await.status, 200);
}

#[tokio::test]
async fn an_upload_under_way_ends_under_the_manifest_that_it_began_under() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let file = vec![b'x'; 400_000];
    let (mut wire, rest) = router.begin_upload("U1", &token, "a.webm", &file).await;

    let manifest = set(&text(), "functions.chunks", "max_body", r#""1KiB""#);
    reload(&router, &manifest, TAKEN).await;
    let late = router.upload("U1", &token, "b.webm", &file).await;
    assert_eq!(late.status, 413, "{late:?}");
    let off = set(&text(), "functions.chunks", "enabled", "false");
    reload(&router, &off, TAKEN).await;
    wire.send(&rest).await;
    let reply = wire.answer().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(router.download("U1", &token, "a.webm").await.status, 404);
    reload(&router, &text(), TAKEN).await;
    let kept = router.download("U1", &token, "a.webm").await;
    assert_eq!((kept.status, kept.body.len()), (200, file.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_during_two_hundred_reloads() {
    const RELOADS: usize = 200;
    let router = Arc::new(Launch::new().start().await);
    let over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = [
        "/hello_world",
        "/healthz",
        "/hello_world/below",
        "/hello_world",
    ]
    .into_iter()
    .map(|target| {
        let (router, over, served) = (router.clone(), over.clone(), served.clone());
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let reply = router.get(target).send().await;
                assert_eq!(reply.status, 200, "{target}: {reply:?}");
                served.fetch_add(1, Ordering::Relaxed);
            }
        })
    })
    .collect();
    let other = set(&text(), "functions.hello_world", "aliases", r#"["greet"]"#);
    let states = [(&other, 200), (&text(), 404)];
    for (manifest, status) in states.into_iter().cycle().take(RELOADS) {
        put(&router, manifest).await;
        eventually("the new manifest counts", async || {
            router.get("/greet").send().await.status == status
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(served.load(Ordering::Relaxed) > RELOADS, "hardly any load");
    assert_eq!(router.log().matches(REFUSED).count(), 0);
}
