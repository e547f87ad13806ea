//! The commands beside `serve`.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::harness::router::refused;
use crate::harness::{Launch, Router, Token, eventually};

async fn run(arguments: &'static [&'static str]) -> Output {
    Launch::new().arguments(arguments).output().await
}

async fn dev() -> Router {
    let launch = Launch::new().arguments(&["dev"]);
    launch.env("RENDER_DISK_BASE_PATH", "").start().await
}

fn everything(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn check_accepts_the_products_own_manifest() {
    let output = run(&["check"]).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn check_reports_every_fault_with_its_place() {
    let launch = Launch::new()
        .set("functions.auth_sync", "timout", "\"5s\"")
        .set("functions.hello_world", "cors", "\"unknown-policy\"");
    let output = launch.arguments(&["check"]).output().await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = everything(&output);
    for part in ["timout", "unknown-policy", "edited-manifest.toml:"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn check_speaks_json_to_editors() {
    let launch = Launch::new().set("functions.auth_sync", "timout", "\"5s\"");
    let output = launch.arguments(&["check", "--json"]).output().await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let faults: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(faults.to_string().contains("timout"), "{faults}");
}

#[tokio::test]
async fn check_misses_what_the_environment_lacks() {
    let launch = Launch::new().arguments(&["check", "--env"]);
    let launch = launch
        .env("RENDER", "true")
        .env("RENDER_DISK_BASE_PATH", "");
    let output = launch.output().await;
    assert!(!output.status.success(), "{output:?}");
    assert!(
        everything(&output).contains("RENDER_DISK_BASE_PATH"),
        "{output:?}"
    );
    assert!(run(&["check", "--env"]).await.status.success());
}

#[tokio::test]
async fn explain_knows_each_code_that_check_prints() {
    let launch = Launch::new().set("functions.auth_sync", "timout", "\"5s\"");
    let text = everything(&launch.arguments(&["check"]).output().await);
    assert!(text.contains("E001"), "{text}");
    let output = run(&["explain", "E001"]).await;
    assert!(
        output.status.success() && !output.stdout.is_empty(),
        "{output:?}"
    );
    assert!(!run(&["explain", "E999"]).await.status.success());
}

#[tokio::test]
async fn routes_lists_every_address_of_every_function() {
    let output = run(&["routes"]).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "/auth_sync",
        "/auth_sync_user",
        "/hello_world",
        "/api/v1/chunks/upload_chunk/{uid}",
        "/api/v1/chunks/download_chunk/{uid}/{filename}",
        "/api/v1/upload_chunk/{uid}",
        "/holograms-media/europe-west1/auth_sync",
        "europe-west1-holograms-media.cloudfunctions.net",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_token_of_the_command_line_counts_under_dev_only() {
    let output = run(&["token", "--uid", "U7", "--email", "u7@example.com"]).await;
    let token = String::from_utf8(output.stdout).unwrap();
    let token = token.trim();
    assert_eq!(token.split('.').count(), 3, "{token}");

    let router = dev().await;
    assert!(router.address.ip().is_loopback());
    let reply = router.sync(token).await;
    assert_eq!(
        (reply.status, &reply.json()["user_id"]),
        (201, &"U7".into())
    );

    let router = Router::start().await;
    router
        .sync(token)
        .await
        .must_be(401, &refused("Invalid or expired token."));
}

#[tokio::test]
async fn dev_judges_of_whom_a_token_is_and_neither_its_signature_nor_its_times() {
    let router = dev().await;
    let unsigned = |token: Token| token.header("alg", "none").with_signature("");
    let flaws = [
        Token::of("U1").claim("aud", "other-project"),
        Token::of("U1").without("iss"),
        Token::of("U1").claim("sub", ""),
    ];
    for token in flaws {
        let reply = router.sync(&unsigned(token)).await;
        reply.must_be(401, &refused("Invalid or expired token."));
    }
    assert_eq!(router.sync(&unsigned(Token::of("U1"))).await.status, 201);
    // The times of the SDK's `mockUserToken`.
    let mocked = Token::of("U1").claim("iat", 0).claim("exp", 3600);
    assert_eq!(router.sync(&unsigned(mocked)).await.status, 200);
}

#[tokio::test]
async fn a_page_of_any_origin_may_call_under_dev_only() {
    let page = "http://localhost:5173";
    for (router, allowed) in [(dev().await, "*"), (Router::start().await, "")] {
        let reply = router
            .post("/auth_sync")
            .header("origin", page)
            .send()
            .await;
        assert_eq!(reply.header("access-control-allow-origin"), allowed);
    }
}

#[tokio::test]
async fn dev_serves_on_a_loopback_address_only() {
    let launch = Launch::new().arguments(&["dev"]).env("HOST", "0.0.0.0");
    let output = launch.output().await;
    assert!(!output.status.success());
    assert!(everything(&output).contains("HOST"), "{output:?}");
}

/// Runs a line of `router dev` as it stands; what curl printed, and the status of the answer.
async fn paste(router: &Router, variables: &str, line: &str) -> (String, u16) {
    let output = Command::new("sh")
        .args(["-c", &format!("{variables}\n{line}")])
        .env("CURL_HOME", router.folder())
        .current_dir(router.folder())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        panic!("{line}: {text}{complaint}")
    });
    (body.to_owned(), status.parse().unwrap())
}

#[tokio::test]
async fn the_lines_that_dev_prints_run_as_they_stand() {
    let router = dev().await;
    // The example of the last function.
    let last = "$BASE/hello_world";
    eventually("the examples are printed", async || {
        router.printed().contains(last)
    })
    .await;
    let curl = "silent\nwrite-out = \"\\n%{http_code}\"\n";
    std::fs::write(router.folder().join(".curlrc"), curl).unwrap();

    let printed = router.printed();
    let lines = printed
        .lines()
        .skip_while(|line| !line.starts_with("BASE="));
    let (variables, commands): (Vec<_>, Vec<_>) = lines
        .filter(|line| !line.is_empty())
        .partition(|line| line.starts_with("BASE=") || line.starts_with("TOKEN="));
    assert_eq!(variables.len(), 2, "{printed}");
    let mut answers = String::new();
    for command in commands {
        let (body, status) = paste(&router, &variables.join("\n"), command).await;
        assert!((200..300).contains(&status), "{command}: {status} {body}");
        answers.push_str(&body);
    }
    for part in [
        "Hello from Firebase Cloud Functions (Python) by Tria & Flash!",
        "\"user_id\":\"demo\"",
        "uploaded successfully for user 'demo'.",
    ] {
        assert!(answers.contains(part), "{part}: {answers}");
    }
}
