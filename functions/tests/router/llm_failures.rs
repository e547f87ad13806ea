//! A model that fails: its caller gets a 200 with a text that says so, and nobody else notices.

use serde_json::json;

use crate::chat::{chat, says};
use crate::harness::provider::{API_KEY, Answer};
use crate::harness::{
    Launch, Provider, Reply, Router, Token, eventually, form, router::upload_url,
};

const NETWORK: &str = "Error: LLM API request failed due to a network issue or client error.";

async fn ask(router: &Router) -> Reply {
    chat(router, &Token::of("U1").signed(), &json!({"text": "ping"})).await
}

#[track_caller]
fn must_fail(reply: &Reply, text: &str, cause: &str) {
    reply.must_be(200, &says(text));
    assert_eq!(reply.header("x-llm-error"), cause, "{reply:?}");
}

fn status(code: u16) -> String {
    format!("Error: LLM API request failed with status {code}.")
}

#[tokio::test]
async fn a_status_that_is_no_success_is_told() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    for (code, cause, times) in [
        (400, "status_4xx", 1),
        (401, "status_4xx", 1),
        (422, "status_4xx", 1),
        (429, "status_429", 3),
        (500, "status_5xx", 3),
        (501, "status_5xx", 1),
        (503, "status_5xx", 3),
    ] {
        provider.always(Answer::Fails(code));
        let before = provider.asked().len();
        must_fail(&ask(&router).await, &status(code), cause);
        assert_eq!(provider.asked().len() - before, times, "{code}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let provider = Provider::start().await;
    provider.always(Answer::Redirect);
    let router = provider.launch().start().await;
    must_fail(&ask(&router).await, &status(307), "status_3xx");
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_by_what_it_lacks() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let huge = " ".repeat(384 << 10) + r#"{"choices":[]}"#;
    for (body, text, cause) in [
        (
            r#"{"choices":[]}"#,
            "Error: LLM response format unexpected (no choices).",
            "no_choices",
        ),
        (
            r#"{"choices":[{"message":{}}]}"#,
            "Error: LLM response format unexpected (no content).",
            "no_content",
        ),
        ("<html>", "Error: Failed to decode LLM response.", "decode"),
        (
            &huge,
            "Error: An unexpected error occurred with the LLM service.",
            "too_large",
        ),
    ] {
        provider.always(Answer::Body(body.to_owned()));
        let before = provider.asked().len();
        must_fail(&ask(&router).await, text, cause);
        assert_eq!(provider.asked().len() - before, 1, "{cause}");
    }
}

#[tokio::test]
async fn a_provider_that_breaks_off_is_a_network_issue() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    let speaker = provider.streams();
    let breaking = async {
        speaker.sends(r#"{"choices":[{"message":"#).await;
        speaker.breaks().await;
    };
    let (reply, ()) = tokio::join!(ask(&router), breaking);
    must_fail(&reply, NETWORK, "network");
    assert_eq!(
        provider.asked().len(),
        1,
        "what may have been served is not asked again"
    );
}

#[tokio::test]
async fn a_provider_that_refuses_connections_is_a_network_issue() {
    // Port 9 (discard) has no listener on a machine that runs tests.
    let launch = Launch::new().env("MISTRAL_API_KEY", API_KEY);
    let launch = launch.env("MISTRAL_API_URL", "http://user:hunter2@127.0.0.1:9");
    let router = launch.start().await;
    must_fail(&ask(&router).await, NETWORK, "network");
    assert!(!router.log().contains("hunter2"), "{}", router.log());
}

#[tokio::test]
async fn a_url_that_cannot_be_asked_is_nobodys_answer() {
    let launch = Launch::new().env("MISTRAL_API_KEY", API_KEY);
    let router = launch.env("MISTRAL_API_URL", "mistral").start().await;
    let text = "Error: An unexpected error occurred with the LLM service.";
    must_fail(&ask(&router).await, text, "misconfigured");
}

#[tokio::test]
async fn a_provider_that_is_busy_for_a_moment_is_asked_again() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    for busy in [
        Answer::Busy("1".to_owned()),
        Answer::Fails(503),
        Answer::Fails(500),
    ] {
        let before = provider.asked().len();
        provider.next([busy]);
        ask(&router).await.must_be(200, &says("pong"));
        assert_eq!(provider.asked().len() - before, 2);
    }
}

#[tokio::test]
async fn a_provider_that_is_busy_for_longer_than_anybody_waits_is_not_asked_again() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    provider.always(Answer::Busy("120".to_owned()));
    must_fail(&ask(&router).await, &status(429), "status_429");
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_spared() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    for _ in 0..10 {
        ask(&router).await.must_be(200, &says("pong"));
    }
    // Not worth a second attempt, so each is one call.
    provider.always(Answer::Fails(501));
    for _ in 0..10 {
        must_fail(&ask(&router).await, &status(501), "status_5xx");
    }
    provider.always(Answer::says("pong"));
    must_fail(&ask(&router).await, NETWORK, "breaker_open");
    assert_eq!(provider.asked().len(), 20);
}

#[tokio::test]
async fn a_request_that_the_provider_was_right_to_refuse_spares_it_nothing() {
    let provider = Provider::start().await;
    let router = provider.launch().start().await;
    provider.always(Answer::Fails(400));
    for _ in 0..20 {
        must_fail(&ask(&router).await, &status(400), "status_4xx");
    }
    provider.always(Answer::says("pong"));
    ask(&router).await.must_be(200, &says("pong"));
}

#[tokio::test]
async fn how_each_request_ended_is_counted() {
    let provider = Provider::start().await;
    let launch = provider
        .launch()
        .env("ADMIN_TOKEN", "an-admin-token-of-the-tests");
    let router = launch.start().await;
    provider.next([Answer::Fails(401), Answer::says("pong"), Answer::Fails(400)]);
    for _ in 0..4 {
        assert_eq!(ask(&router).await.status, 200);
    }
    let metrics = router.get("/metrics").bearer("an-admin-token-of-the-tests");
    let metrics = metrics.send().await.text();
    for line in [
        r#"llm_requests_total{function="tria_chat_handler",cause="ok"} 2"#,
        r#"llm_requests_total{function="tria_chat_handler",cause="status_4xx"} 2"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// Two hundred askers whom nobody answers, until the provider's time is up.
#[tokio::test]
async fn a_provider_that_hangs_holds_up_nobody_who_asks_for_something_else() {
    const ASKERS: usize = 200;
    let provider = Provider::start().await;
    provider.always(Answer::Silence);
    let router = provider.launch().start().await;
    let asking: Vec<_> = (0..ASKERS)
        .map(|number| {
            let token = Token::of(&format!("U{number}")).signed();
            let call = crate::chat::chat_to(&router, "/tria_chat_handler", &token);
            tokio::spawn(call.body(r#"{"text":"ping"}"#).send())
        })
        .collect();
    provider.was_asked(ASKERS).await;

    assert_eq!(router.get("/hello_world").send().await.status, 200);
    let token = Token::of("uploader").signed();
    let upload = router.post(&upload_url("uploader")).bearer(&token);
    let upload = upload.form(form::file("a.webm", b"0123456789"));
    assert_eq!(upload.send().await.status, 200);
    assert_eq!(router.sync(&token).await.status, 201);
    assert!(asking.iter().all(|asking| !asking.is_finished()));

    for asking in asking {
        must_fail(&asking.await.unwrap(), NETWORK, "timeout");
    }
}

#[tokio::test]
async fn no_log_shows_the_key_a_token_or_what_was_said() {
    let provider = Provider::start().await;
    let launch = provider.launch().env("LOG_LEVEL", "trace");
    let router = launch.start().await;
    let token = Token::of("U1").signed();
    let body = json!({"text": "a very private question", "session_id": "new"});
    let answers = [
        Answer::says("a very private answer"),
        Answer::Fails(401),
        Answer::Fails(500),
        Answer::Body("a very private answer".to_owned()),
        Answer::Body(r#"{"choices":["a very private answer"]}"#.to_owned()),
    ];
    for answer in answers {
        provider.always(answer);
        assert_eq!(chat(&router, &token, &body).await.status, 200);
    }
    router
        .behind_its_back("ALTER TABLE users RENAME TO lost")
        .await;
    provider.always(Answer::says("a very private answer"));
    assert_eq!(
        chat(&router, &token, &json!({"text": body["text"]}))
            .await
            .status,
        200
    );

    eventually("the log tells of the last chat", async || {
        router.log().contains("will be recorded later")
    })
    .await;
    let everything = router.log() + &router.printed();
    assert!(everything.contains("Tria has no answer"), "{everything}");
    let (_, signature) = token.rsplit_once('.').unwrap();
    for secret in [API_KEY, "very private", &token, signature] {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}
