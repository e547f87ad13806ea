//! Every secret there is, in every place where one can be, at the most talkative level of the log.

use serde_json::json;

use super::{TARGETS, whole_log};
use crate::harness::event::EVENT_TOKEN;
use crate::harness::provider::{API_KEY, Answer};
use crate::harness::router::download_url;
use crate::harness::{Launch, PROJECT, Provider, Router, Token, eventually, form};
use crate::storage_v0::{media, multipart, object, objects, send, signed_in, upload};

const ADMIN_TOKEN: &str = "an-admin-token-of-the-tests-91ab";
const PASSWORD: &str = "hunter2-password-of-the-tests";
/// What callers send where a secret may be.
const SENT: &str = "sent-by-a-caller-5f0d";

/// Every header that carries a credential of some kind, each with the same one.
const HEADERS: [&str; 12] = [
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "x-firebase-appcheck",
    "x-firebase-gmpid",
    "firebase-instance-id-token",
    "x-goog-upload-url",
    "x-amz-security-token",
    "x-auth-token",
    "referer",
    "ce-authorization",
];

const QUERY: &str = "token=sent-by-a-caller-5f0d&upload_id=sent-by-a-caller-5f0d\
                     &access_token=sent-by-a-caller-5f0d&key=sent-by-a-caller-5f0d";

/// Asks each target with each credential, beside secrets in every header and in the query.
async fn ask_everything(router: &Router, credentials: &[String]) {
    for (method, target) in TARGETS {
        for credential in credentials {
            let mut call = router
                .call(method, &format!("{target}?{QUERY}"))
                .header("authorization", credential)
                .header("content-type", "application/json");
            for name in HEADERS {
                call = call.header(name, SENT);
            }
            let said = json!({"message": "ping", "token": SENT, "data": {"text": "ping", "password": SENT}});
            call.body(said.to_string()).send().await;
        }
    }
}

/// Uploads and downloads in every way that hands out a capability; returns those.
async fn capabilities(router: &Router) -> Vec<String> {
    let token = Token::of("U1").signed();
    let name = "user_uploads/U1/a";
    let answer = upload(router, name, json!({}), b"hello").await;
    let download = answer["downloadTokens"].as_str().unwrap().to_owned();
    let target = format!("{}&token={download}", media(name));
    assert_eq!(router.get(&target).send().await.status, 200);
    let revoke = format!("{}?delete_token={download}", object(name));
    assert_eq!(send(router.post(&revoke)).await.status, 200);
    assert_eq!(router.get(&target).send().await.status, 403);

    let start = router.post(&format!("{}?name={name}", objects()));
    let start = start.header("x-goog-upload-protocol", "resumable");
    let reply = send(start.header("x-goog-upload-command", "start").body("{}")).await;
    let url = reply.header("x-goog-upload-url").to_owned();
    let (_, session) = url.split_once("upload_id=").unwrap();
    let session = session.split('&').next().unwrap().to_owned();
    let (_, target) = url.split_once(&router.address.to_string()).unwrap();
    for (command, offset) in [
        ("upload", "1"),
        ("query", "0"),
        ("upload, finalize", "0"),
        ("cancel", "0"),
    ] {
        let call = router.post(target).header("x-goog-upload-command", command);
        call.header("x-goog-upload-offset", offset)
            .body("x")
            .send()
            .await;
    }

    let wish = json!({"filename": "a.webm", "content_type": "video/webm"}).to_string();
    let ask = router.post("/api/v1/generate-upload-url").bearer(&token);
    let answer = ask
        .header("content-type", "application/json")
        .body(wish)
        .send()
        .await
        .json();
    let direct = answer["fields"]["upload_id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let fields = ["key", "Content-Type", "upload_id"].map(|name| {
            form::part(
                name,
                None,
                answer["fields"][name].as_str().unwrap().as_bytes(),
            )
        });
        let file = form::file_of_type("a.webm", "video/webm", b"x");
        let body = [fields.concat(), file].concat();
        router.post("/api/v1/direct_upload").form(body).send().await;
    }
    vec![download, session, direct]
}

/// # Panics
/// When one of them, or a part of it that would do, is in the log.
#[track_caller]
fn must_not_hold(log: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(secret.len() >= 16, "{secret:?} is in every log");
        assert!(!log.contains(&**secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let provider = Provider::start().await;
    let with_password = provider.url().replace("//", &format!("//user:{PASSWORD}@"));
    let launch = provider.launch().env("MISTRAL_API_URL", with_password);
    let launch = launch
        .env("ADMIN_TOKEN", ADMIN_TOKEN)
        .env("LOG_LEVEL", "trace");
    let router = launch.start().await;

    let tokens = [
        Token::of("U1").signed(),
        Token::of("U2").claim("exp", 1).signed(),
        Token::of("U1").claim("aud", "another").signed(),
        Token::of("U1").header("kid", "unknown").signed(),
        Token::of("U1").with_hmac(b"x"),
        format!("{}.{SENT}.{SENT}", &Token::of("U1").signed()[..40]),
    ];
    let mut credentials: Vec<String> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        credentials.push(format!("{} {token}", ["Bearer", "Firebase"][at % 2]));
    }
    credentials.extend([ADMIN_TOKEN, EVENT_TOKEN].map(|token| format!("Bearer {token}")));
    credentials.push(format!("Basic {SENT}"));
    credentials.push(SENT.to_owned());
    // What a provider says of a failure may quote its caller's key.
    provider.next([
        Answer::Fails(401),
        Answer::Body(format!("{{\"error\":\"{API_KEY}\"}}")),
        Answer::Redirect,
    ]);
    ask_everything(&router, &credentials).await;
    let handed_out = capabilities(&router).await;
    let absent = router.get(&download_url("U1", "absent")).bearer(&tokens[0]);
    assert_eq!(absent.send().await.status, 404);

    let mut secrets: Vec<String> = [API_KEY, ADMIN_TOKEN, EVENT_TOKEN, PASSWORD, SENT]
        .map(str::to_owned)
        .into();
    secrets.extend(handed_out);
    // A signature is what makes a token; the claims are somebody's.
    for token in &tokens {
        secrets.extend(token.split('.').skip(1).map(str::to_owned));
    }
    assert!(!provider.asked().is_empty());
    must_not_hold(&whole_log(&router).await, &secrets);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_leaves_no_password_in_the_log() {
    let database = crate::harness::postgres::Database::new().await;
    let real = database
        .url()
        .replace("tests:unused", &format!("tests:{PASSWORD}"));
    for url in [
        // Nobody listens; there is no such database; there is no such host.
        format!("postgresql://user:{PASSWORD}@127.0.0.1:9/db?sslmode=disable"),
        real.replace("/test_", "/absent_"),
        format!("postgresql://user:{PASSWORD}@host.invalid/db?sslmode=require"),
        format!("{real}&options=-c%20absent%3D1"),
    ] {
        let launch = Launch::new()
            .env("NEON_DATABASE_URL", &url)
            .env("LOG_LEVEL", "trace");
        let router = launch.start().await;
        let token = Token::of("U1").signed();
        assert_eq!(router.sync(&token).await.status, 500, "{url}");
        router.get("/readyz").send().await;
        eventually("the outage is logged", async || {
            router.log().contains("database")
        })
        .await;
        let log = whole_log(&router).await + &router.printed();
        assert!(!log.contains(PASSWORD), "{log}");
        assert!(!log.contains("user:"), "{log}");
    }
}

#[tokio::test]
async fn a_token_is_logged_by_nobody_even_when_its_keys_cannot_be_had() {
    let launch = Launch::new().env("LOG_LEVEL", "trace");
    let url = format!("http://user:{PASSWORD}@127.0.0.1:9/{PROJECT}");
    let router = launch.env("FIREBASE_JWKS_URL", url).start().await;
    let token = Token::of("U1").signed();
    assert_eq!(router.sync(&token).await.status, 500);
    let secrets: Vec<String> = token.split('.').skip(1).map(str::to_owned).collect();
    let log = whole_log(&router).await;
    assert!(log.contains("cannot fetch the public keys"), "{log}");
    must_not_hold(&log, &secrets);
    must_not_hold(&log, &[PASSWORD.to_owned()]);
}

#[tokio::test]
async fn a_request_of_another_user_names_neither_token_nor_query_in_the_log() {
    let router = Router::start().await;
    upload(&router, "user_uploads/U1/a", json!({}), b"x").await;
    let stolen = format!("{}&token={SENT}", media("user_uploads/U1/a"));
    let reply = signed_in(router.get(&stolen), "U2").send().await;
    assert_eq!(reply.status, 403);
    let call = multipart(
        &router,
        "user_uploads/U1/b",
        &json!({"metadata": {"k": SENT}}),
        b"x",
    );
    assert_eq!(signed_in(call, "U2").send().await.status, 403);
    assert!(!whole_log(&router).await.contains(SENT));
}
