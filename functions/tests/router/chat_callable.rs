//! tria_chat: the chat as `httpsCallable` of the Firebase SDKs calls it.

use serde_json::{Value, json};

use crate::chat::chat_to;
use crate::harness::provider::Answer;
use crate::harness::{Call, Engine, Provider, Router, Token, on_both_databases};

const ID: &str = "3b241101-e2bb-4255-8caf-4136c566a962";

on_both_databases!(an_sdk_gets_the_answer_as_the_result);

async fn started(engine: Engine) -> (Provider, Router) {
    let provider = Provider::start().await;
    let router = provider.launch().engine(engine).start().await;
    (provider, router)
}

fn call(router: &Router, data: &Value) -> Call {
    let call = chat_to(router, "/tria_chat", &Token::of("U1").signed());
    call.body(json!({"data": data}).to_string())
}

async fn an_sdk_gets_the_answer_as_the_result(engine: Engine) {
    let (provider, router) = started(engine).await;
    let reply = call(&router, &json!({"text": "ping"})).send().await;
    reply.must_be(200, &json!({"result": {"response": "pong"}}));
    assert_eq!(provider.last_asked().payload.get("stream"), None);
    for _ in 0..2 {
        let reply = call(&router, &json!({"text": "ping", "session_id": ID}))
            .send()
            .await;
        reply.must_be(
            200,
            &json!({"result": {"response": "pong", "session_id": ID}}),
        );
    }
    assert_eq!(provider.last_asked().messages().len(), 4);
    let rows = router.learning_log().await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows.iter().all(|row| row["user_id"] == "U1"), "{rows:?}");
}

#[tokio::test]
async fn an_sdk_that_streams_gets_each_piece() {
    let (provider, router) = started(Engine::Sqlite).await;
    let speaker = provider.streams();
    let streaming = call(&router, &json!({"text": "ping"})).header("accept", "text/event-stream");
    let speaking = async {
        speaker.says("po").await;
        speaker.says("ng").await;
        speaker.ends().await;
    };
    let (reply, ()) = tokio::join!(streaming.send(), speaking);
    let pieces = "data: {\"message\":\"po\"}\n\ndata: {\"message\":\"ng\"}\n\n";
    let result = "data: {\"result\":{\"response\":\"pong\"}}\n\n";
    assert_eq!(reply.text(), format!("{pieces}{result}"));
}

#[tokio::test]
async fn what_fails_is_an_error_of_the_sdk() {
    let (provider, router) = started(Engine::Sqlite).await;
    let text = "Error: LLM API request failed with status 401.";
    provider.next([Answer::Fails(401)]);
    for (data, status, code, message) in [
        (json!({"text": "ping"}), 503, "UNAVAILABLE", text),
        (
            json!({"text": ""}),
            400,
            "INVALID_ARGUMENT",
            "Missing required 'text' field in request body.",
        ),
        (
            json!({"text": "ping", "session_id": "last"}),
            400,
            "INVALID_ARGUMENT",
            "Invalid 'session_id': expected a UUID.",
        ),
        (
            Value::Null,
            400,
            "INVALID_ARGUMENT",
            "The data is not what this function takes.",
        ),
    ] {
        let reply = call(&router, &data).send().await;
        assert_eq!(reply.refusal(status, code), message);
    }
    let nobody = router
        .post("/tria_chat")
        .header("content-type", "application/json");
    let reply = nobody.body(r#"{"data":{"text":"ping"}}"#).send().await;
    reply.refusal(401, "UNAUTHENTICATED");
    assert_eq!(provider.asked().len(), 1);
}
