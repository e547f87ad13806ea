//! Every address under which a function can be called, and every near miss.

use crate::harness::{ORIGIN, PROJECT, REGION, Reply, Router, Token};

const CLOUD_FUNCTIONS: &str = "europe-west1-holograms-media.cloudfunctions.net";

/// Who answered a GET: hello_world greets, auth_sync asks for POST.
#[derive(Debug, PartialEq, Eq)]
enum Answered {
    Hello,
    Sync,
    Nobody,
}

#[track_caller]
fn who(reply: &Reply) -> Answered {
    match reply.status {
        200 if reply.text().starts_with("Hello") => Answered::Hello,
        405 if reply.text().contains("Please use POST") => Answered::Sync,
        404 => {
            reply.refusal(404, "NOT_FOUND");
            Answered::Nobody
        }
        _ => panic!("neither an answer nor a refusal: {reply:?}"),
    }
}

#[tokio::test]
async fn a_function_is_found_by_its_name_and_by_nothing_else() {
    use Answered::{Hello, Nobody, Sync};
    let router = Router::start().await;
    for (target, expected) in [
        ("/hello_world", Hello),
        ("/hello_world/", Hello),
        ("/hello_world?x=1&y=%2F", Hello),
        ("/hello_world/sub", Hello),
        ("/hello_world/sub/", Hello),
        ("/hello_world//sub//", Hello),
        ("/hello_world/%2e%2e/auth_sync", Hello),
        ("//hello_world", Hello),
        ("///hello_world/sub", Hello),
        ("/holograms-media/europe-west1/hello_world", Hello),
        ("/holograms-media/europe-west1/hello_world/", Hello),
        ("/holograms-media/europe-west1/hello_world/sub?x=1", Hello),
        ("/holograms-media/europe-west1//hello_world", Hello),
        ("/auth_sync", Sync),
        ("/auth_sync/", Sync),
        ("/auth_sync?x=1", Sync),
        ("//auth_sync", Sync),
        ("/auth_sync_user", Sync),
        ("/auth_sync_user/", Sync),
        ("/holograms-media/europe-west1/auth_sync", Sync),
        ("/holograms-media/europe-west1/auth_sync_user", Sync),
        ("/auth_sync/anything", Nobody),
        ("/auth_sync//anything", Nobody),
        ("/holograms-media/europe-west1/auth_sync/anything", Nobody),
        ("/hello_worldx", Nobody),
        ("/hello_worl", Nobody),
        ("/xhello_world", Nobody),
        ("/Hello_World", Nobody),
        ("/hello-world", Nobody),
        ("/auth_syncx", Nobody),
        ("/holograms-media/us-central1/hello_world", Nobody),
        ("/other-project/europe-west1/hello_world", Nobody),
        ("/europe-west1/holograms-media/hello_world", Nobody),
        ("/holograms-media/europe-west1/hello_worldx", Nobody),
        ("/holograms-media/europe-west1/unknown", Nobody),
        ("/holograms-media/europe-west1", Nobody),
        ("/holograms-media/europe-west1/", Nobody),
        ("/holograms-media/hello_world", Nobody),
        ("/api/v1/chunks/unknown/U1", Nobody),
        ("/api/v1/unknown", Nobody),
        ("/prompt", Nobody),
        ("/chat", Nobody),
        ("/nope", Nobody),
        ("/%00", Nobody),
        ("/%ff", Nobody),
        ("/%zz", Nobody),
    ] {
        assert_eq!(who(&router.get(target).send().await), expected, "{target}");
    }
}

#[tokio::test]
async fn a_former_host_name_leads_to_its_function() {
    use Answered::{Hello, Nobody, Sync};
    let router = Router::start().await;
    let with_port = format!("{CLOUD_FUNCTIONS}:443");
    let in_capitals = CLOUD_FUNCTIONS.to_uppercase();
    let prefixed = format!("x{CLOUD_FUNCTIONS}");
    let suffixed = format!("{CLOUD_FUNCTIONS}.example.com");
    for (host, target, expected) in [
        (CLOUD_FUNCTIONS, "/hello_world", Hello),
        (CLOUD_FUNCTIONS, "/hello_world/sub?x=1", Hello),
        (CLOUD_FUNCTIONS, "/auth_sync", Sync),
        (CLOUD_FUNCTIONS, "/auth_sync_user", Sync),
        (CLOUD_FUNCTIONS, "/auth_sync/anything", Nobody),
        (CLOUD_FUNCTIONS, "/unknown", Nobody),
        (CLOUD_FUNCTIONS, "/hello_worldx", Nobody),
        (&with_port, "/hello_world", Hello),
        (&in_capitals, "/hello_world", Hello),
        (
            "us-central1-holograms-media.cloudfunctions.net",
            "/hello_world",
            Nobody,
        ),
        (
            "europe-west1-other-project.cloudfunctions.net",
            "/hello_world",
            Nobody,
        ),
        (&prefixed, "/hello_world", Nobody),
        // Any other host serves the plain paths: a custom domain is nobody's business here.
        (&suffixed, "/hello_world", Hello),
        ("holograms.media", "/hello_world", Hello),
        ("hello-world-abc123-ew.a.run.app", "/", Hello),
        ("hello-world-abc123-ew.a.run.app", "/any/path?x=1", Hello),
        ("hello-world-abc123-ew.a.run.app", "/auth_sync", Hello),
        ("hello-world-123456.europe-west1.run.app", "/", Hello),
        (
            "hello-world-123456.europe-west1.run.app",
            "/any//path/",
            Hello,
        ),
        ("auth-sync-abc123-ew.a.run.app", "/", Sync),
        ("auth-sync-123456.europe-west1.run.app:443", "/", Sync),
        ("unknown-abc123-ew.a.run.app", "/", Nobody),
    ] {
        let reply = router.get(target).header("host", host).send().await;
        assert_eq!(who(&reply), expected, "{host}{target}");
    }
}

#[tokio::test]
async fn a_former_host_name_serves_a_signed_in_user() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    for (host, target, status) in [
        (CLOUD_FUNCTIONS, "/auth_sync", 201),
        ("auth-sync-abc123-ew.a.run.app", "/", 200),
    ] {
        let call = router.post(target).header("host", host).bearer(&token);
        let reply = call.body("{}").send().await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert_eq!(reply.json()["user_id"], "U1");
    }
}

#[tokio::test]
async fn no_path_redirects() {
    let router = Router::start().await;
    let emulator = format!("/{PROJECT}/{REGION}/hello_world");
    let trailing = format!("{emulator}/");
    for target in [
        "/",
        "//",
        "/hello_world",
        "/hello_world/",
        "//hello_world",
        "/auth_sync/",
        &emulator,
        &trailing,
        "/api/v1/chunks/upload_chunk/U1/",
        "/api/v1/chunks/",
        "/nope/",
        "/healthz/",
    ] {
        for method in ["GET", "POST", "HEAD"] {
            let reply = router.call(method, target).send().await;
            assert!(
                !(300..400).contains(&reply.status),
                "{method} {target}: {reply:?}"
            );
            assert_eq!(reply.header("location"), "", "{method} {target}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_json_404_that_a_browser_may_read() {
    let router = Router::start().await;
    for method in ["GET", "POST", "DELETE"] {
        let call = router.call(method, "/nope").header("origin", ORIGIN);
        let reply = call.send().await;
        let message = reply.refusal(404, "NOT_FOUND");
        assert!(!message.is_empty());
        assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
    }
    let reply = router.call("HEAD", "/nope").send().await;
    assert_eq!((reply.status, reply.body.len()), (404, 0));
}

#[tokio::test]
async fn what_crawlers_and_browsers_ask_for_by_themselves_is_not_there() {
    let router = Router::start().await;
    for target in ["/robots.txt", "/favicon.ico"] {
        assert_eq!(router.get(target).send().await.status, 404, "{target}");
        let host = "hello-world-abc123-ew.a.run.app";
        let reply = router.get(target).header("host", host).send().await;
        assert_eq!(reply.status, 404, "{host}{target}");
    }
}

#[tokio::test]
async fn the_absolute_form_of_a_target_is_understood() {
    let router = Router::start().await;
    let target = format!("http://{CLOUD_FUNCTIONS}/hello_world");
    let reply = router
        .get(&target)
        .header("host", CLOUD_FUNCTIONS)
        .send()
        .await;
    assert_eq!(who(&reply), Answered::Hello);
}
