//! tria_chat_handler: one message in, one answer out, in the words that its clients have always read.

use serde_json::{Value, json};

use crate::harness::provider::{API_KEY, Answer};
use crate::harness::router::refused;
use crate::harness::{
    self, Call, Launch, ORIGIN, PROJECT, Provider, REGION, Reply, Router, Token, eventually,
};

const CHAT: &str = "/tria_chat_handler";

pub(crate) fn chat_to(router: &Router, target: &str, token: &str) -> Call {
    let call = router.post(target).bearer(token);
    call.header("content-type", "application/json")
}

/// What apiService.js sends.
pub(crate) async fn chat(router: &Router, token: &str, body: &Value) -> Reply {
    chat_to(router, CHAT, token)
        .body(body.to_string())
        .send()
        .await
}

pub(crate) fn says(text: &str) -> Value {
    json!({"response": text})
}

fn invalid() -> Value {
    json!({"error": "Invalid request data. Expected JSON: {'text': '...'}"})
}

fn token() -> String {
    Token::of("U1").email("u1@example.com").signed()
}

#[tokio::test]
async fn a_message_is_answered_by_the_model_under_every_old_address() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let emulator = format!("/{PROJECT}/{REGION}/tria_chat_handler");
    for target in [
        CHAT,
        "/tria_chat_handler_on_request",
        "/tria_chat_endpoint",
        "/api/chat",
        "//tria_chat_handler",
        &emulator,
    ] {
        let call = chat_to(&router, target, &token()).body(r#"{"text":"ping"}"#);
        let reply = call.send().await;
        reply.must_be(200, &says("pong"));
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.header("x-llm-error"), "");
    }
}

#[tokio::test]
async fn the_model_is_told_the_text_and_never_who_asks() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let token = Token::of("uid-of-somebody")
        .email("mail@example.com")
        .signed();
    let body = json!({"text": "what is a hologram?", "firebase_user_id": "claimed-uid"});
    chat(&router, &token, &body)
        .await
        .must_be(200, &says("pong"));

    let asked = provider.last_asked();
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.headers["authorization"], format!("Bearer {API_KEY}"));
    assert_eq!(asked.headers["content-type"], "application/json");
    assert_eq!(asked.headers["accept"], "application/json");
    let payload = &asked.payload;
    assert_eq!(payload["model"], "mistral-medium-latest");
    assert_eq!(payload["temperature"], 0.7);
    assert_eq!(payload["max_tokens"], 300);
    let messages = asked.messages();
    let roles: Vec<&str> = messages.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["system", "user"]);
    assert!(messages[0].1.contains("Tria"), "{messages:?}");
    assert_eq!(messages[1].1, "what is a hologram?");
    let everything = format!("{:?} {payload}", asked.headers);
    for secret in ["uid-of-somebody", "mail@example.com", "claimed-uid", &token] {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}

#[tokio::test]
async fn the_text_is_taken_from_wherever_a_client_writes_it() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    for (body, text) in [
        (json!({"message": "ping"}), "ping"),
        (json!({"text": null, "message": "ping"}), "ping"),
        (json!({"text": "a", "message": "b"}), "a"),
        (json!({"text": " \n\t "}), " \n\t "),
        (json!({"text": "Привет, 👋🏽"}), "Привет, 👋🏽"),
    ] {
        chat(&router, &token(), &body)
            .await
            .must_be(200, &says("pong"));
        assert_eq!(provider.last_asked().messages()[1].1, text);
    }
}

#[tokio::test]
async fn an_answer_is_trimmed() {
    let provider = Provider::start().await;
    provider.always(Answer::says("  pong \n"));
    let router = provider.launch().start().await;
    let reply = chat(&router, &token(), &json!({"text": "ping"})).await;
    reply.must_be(200, &says("pong"));
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_the_old_words() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let post = || chat_to(&router, CHAT, &token());
    for body in [
        "{bad",
        "null",
        "[1]",
        "{}",
        r#"{"text":5}"#,
        r#"{"text":null}"#,
        "",
    ] {
        post().body(body).send().await.must_be(400, &invalid());
    }
    let missing = json!({"error": "Missing required 'text' field in request body."});
    post()
        .body(r#"{"text":""}"#)
        .send()
        .await
        .must_be(400, &missing);
    assert!(provider.asked().is_empty(), "{:?}", provider.asked());
}

#[tokio::test]
async fn only_a_body_that_says_it_is_json_is_read() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let post = || router.post(CHAT).bearer(token()).body(r#"{"text":"ping"}"#);
    post().send().await.must_be(400, &invalid());
    for (media, status) in [
        ("text/plain", 400),
        ("application/jsonp", 400),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
    ] {
        let reply = post().header("content-type", media).send().await;
        assert_eq!(reply.status, status, "{media}: {reply:?}");
    }
}

#[tokio::test]
async fn another_method_than_post_is_refused_before_the_caller_is_looked_at() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let reply = router.call(method, CHAT).send().await;
        reply.must_be(405, &json!({"error": "Method not allowed. Use POST."}));
        assert_eq!(reply.header("allow"), "POST");
    }
}

#[tokio::test]
async fn nobody_chats_without_a_valid_token() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let body = r#"{"text":"ping","firebase_user_id":"U1"}"#;
    let json = |call: Call| call.header("content-type", "application/json").body(body);
    let malformed = refused("Authorization header missing or malformed.");
    for target in [CHAT, "/tria_chat_handler_on_request", "/api/chat"] {
        let reply = json(router.post(target)).send().await;
        reply.must_be(401, &malformed);
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    for value in ["Basic x", "Bearer", "Bearer "] {
        let call = json(router.post(CHAT)).header("authorization", value);
        call.send().await.must_be(401, &malformed);
    }
    let expired = Token::of("U1").claim("exp", harness::identity::now() - 3600);
    let foreign = Token::of("U1").claim("aud", "another-project");
    for token in [expired.signed(), foreign.signed(), "garbage".to_owned()] {
        let reply = json(router.post(CHAT)).bearer(token).send().await;
        reply.must_be(403, &refused("Invalid or expired token."));
    }
    assert!(provider.asked().is_empty(), "{:?}", provider.asked());
}

#[tokio::test]
async fn a_token_that_cannot_be_checked_now_is_not_called_invalid() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    router.keys.answers(harness::Answer::Failure);
    let reply = chat(&router, &token(), &json!({"text": "ping"})).await;
    reply.must_be(503, &json!({"error": "Tokens cannot be checked now."}));
}

#[tokio::test]
async fn without_a_key_the_chat_is_closed_to_everybody_and_nothing_else_is() {
    let router = Launch::new().start().await;
    let closed = json!({"error": "LLM service not configured."});
    router.get(CHAT).send().await.must_be(503, &closed);
    router.post(CHAT).send().await.must_be(503, &closed);
    let reply = chat(&router, &token(), &json!({"text": "ping"})).await;
    reply.must_be(503, &closed);
    assert_eq!(router.get("/hello_world").send().await.status, 200);
    assert_eq!(router.sync(&token()).await.status, 201);
}

#[tokio::test]
async fn a_page_on_another_origin_may_chat_and_may_read_every_answer() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let preflight = router
        .call("OPTIONS", CHAT)
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        );
    let reply = preflight.send().await;
    assert!(matches!(reply.status, 200 | 204), "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
    assert!(
        reply
            .header("access-control-allow-methods")
            .contains("POST")
    );
    let allowed = reply.header("access-control-allow-headers").to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"));

    let calls = [
        router.get(CHAT),
        router.post(CHAT),
        router.post(CHAT).bearer("garbage"),
        chat_to(&router, CHAT, &token()).body("{}"),
        chat_to(&router, CHAT, &token()).body(r#"{"text":"ping"}"#),
    ];
    let mut statuses = Vec::new();
    for call in calls {
        let reply = call.header("origin", ORIGIN).send().await;
        assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
        statuses.push(reply.status);
    }
    assert_eq!(statuses, [405, 401, 403, 400, 200]);
}

#[tokio::test]
async fn a_message_longer_than_the_limit_is_refused() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let body = json!({"text": "x".repeat(64 * 1024)}).to_string();
    let too_large = json!({"error": "The request body is too large."});
    let declared = chat_to(&router, CHAT, &token()).body(body.clone());
    declared.send().await.must_be(413, &too_large);
    let chunked = chat_to(&router, CHAT, &token()).chunked(body);
    chunked.send().await.must_be(413, &too_large);
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn the_provider_may_be_named_down_to_its_endpoint() {
    let provider = Provider::start().await;
    for path in ["/", "/v1", "/v1/chat/completions"] {
        let launch = provider
            .launch()
            .env("MISTRAL_API_URL", provider.url() + path);
        let router = launch.start().await;
        let reply = chat(&router, &token(), &json!({"text": "ping"})).await;
        reply.must_be(200, &says("pong"));
        assert_eq!(provider.last_asked().path, "/v1/chat/completions");
    }
}

#[tokio::test]
async fn what_nobody_expects_is_told_without_detail() {
    let provider = Provider::start().await;
    let launch = provider.launch();
    let launch = launch.set("functions.tria_chat_handler", "egress", "[]");
    let launch = launch.set("functions.tria_chat_handler", "secrets", "[]");
    let router = launch.start().await;
    let reply = chat(&router, &token(), &json!({"text": "ping"})).await;
    let text = "An unhandled server error occurred. Please try again later.";
    reply.must_be(500, &refused(text));
    eventually("the log says why", async || {
        router.log().contains("does not list")
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_chats_too_often_is_told_so_where_the_page_reads_it() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let mut reply = chat(&router, &token(), &json!({})).await;
    let mut answered = 0;
    while reply.status != 429 {
        reply.must_be(400, &invalid());
        answered += 1;
        // 30 in a minute, and one more for each two seconds that this takes.
        assert!(answered < 60, "nobody is told so");
        reply = chat(&router, &token(), &json!({})).await;
    }
    assert!(answered >= 30, "{answered}");
    assert!(reply.json()["error"].is_string(), "{reply:?}");
    assert!(!reply.header("retry-after").is_empty(), "{reply:?}");
    let other = Token::of("U2").signed();
    let reply = chat(&router, &other, &json!({"text": "ping"})).await;
    reply.must_be(200, &says("pong"));
}
