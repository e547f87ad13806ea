//! A chat that is read while the model speaks.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::chat::chat_to;
use crate::harness::provider::Answer;
use crate::harness::router::refused;
use crate::harness::{
    Call, Engine, PATIENCE, Provider, Router, Token, eventually, on_both_databases,
};

const ID: &str = "3b241101-e2bb-4255-8caf-4136c566a962";
const NETWORK: &str = "Error: LLM API request failed due to a network issue or client error.";

on_both_databases!(
    each_piece_is_read_before_the_next_is_made,
    a_conversation_goes_on_in_pieces_too,
);

async fn started(engine: Engine) -> (Provider, Router) {
    let provider = Provider::start().await;
    let router = provider.launch().engine(engine).start().await;
    (provider, router)
}

fn call(router: &Router) -> Call {
    let token = Token::of("U1").signed();
    chat_to(router, "/tria_chat_handler", &token).header("accept", "text/event-stream")
}

/// A streamed answer, as far as it has come.
struct Listener {
    stream: TcpStream,
    heard: String,
}

impl Listener {
    async fn of(router: &Router, body: &Value) -> Self {
        let body = body.to_string();
        let request = [call(router).body(body.clone()).head(), body.into_bytes()].concat();
        let mut stream = TcpStream::connect(router.address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        Self {
            stream,
            heard: String::new(),
        }
    }

    /// Reads on until the text has come.
    async fn hears(&mut self, text: &str) {
        let reading = async {
            let mut bytes = [0; 4096];
            while !self.heard.contains(text) {
                let count = self.stream.read(&mut bytes).await.unwrap();
                assert!(count > 0, "the end instead of {text}: {}", self.heard);
                self.heard += str::from_utf8(&bytes[..count]).unwrap();
            }
        };
        let read = timeout(PATIENCE, reading).await;
        assert!(read.is_ok(), "in vain for {text}: {}", self.heard);
    }

    /// The data of every event, once the last chunk has come.
    async fn events(mut self) -> Vec<Value> {
        self.hears("\r\n0\r\n\r\n").await;
        let data = self
            .heard
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

fn error(message: &str) -> Value {
    json!({"error": {"status": "UNAVAILABLE", "message": message}})
}

async fn each_piece_is_read_before_the_next_is_made(engine: Engine) {
    let (provider, router) = started(engine).await;
    let speaker = provider.streams();
    let mut listener = Listener::of(&router, &json!({"text": "ping"})).await;
    for (token, event) in [
        (" po", r#"data: {"message":" po"}"#),
        ("ng\n", r#"data: {"message":"ng\n"}"#),
    ] {
        speaker.says(token).await;
        listener.hears(&format!("{event}\n\n")).await;
    }
    assert!(!listener.heard.contains("result"), "{}", listener.heard);
    speaker.ends().await;
    listener.hears("result").await;
    assert!(
        listener
            .heard
            .to_lowercase()
            .contains("content-type: text/event-stream")
    );
    let events = listener.events().await;
    let result = json!({"result": {"response": "pong"}});
    assert_eq!(
        events,
        [
            json!({"message": " po"}),
            json!({"message": "ng\n"}),
            result
        ]
    );

    let asked = provider.last_asked();
    assert_eq!(asked.payload["stream"], true);
    assert_eq!(asked.headers["accept"], "text/event-stream");
    let rows = router.learning_log().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["tria_response_text"], "pong");
}

async fn a_conversation_goes_on_in_pieces_too(engine: Engine) {
    let (provider, router) = started(engine).await;
    for turn in 0..2 {
        let speaker = provider.streams();
        let body = json!({"text": "ping", "session_id": ID});
        let listener = Listener::of(&router, &body).await;
        speaker.says("pong").await;
        speaker.ends().await;
        let result = json!({"result": {"response": "pong", "session_id": ID}});
        assert_eq!(listener.events().await.last(), Some(&result));
        let messages = provider.last_asked().messages();
        assert_eq!(messages.len(), 2 + 2 * turn, "{messages:?}");
    }
    assert_eq!(router.rows("SELECT * FROM chat_history").await.len(), 4);
}

#[tokio::test]
async fn the_providers_events_are_understood_however_they_are_written() {
    let (provider, router) = started(Engine::Sqlite).await;
    let a = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let b = r#"{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}"#;
    for pieces in [
        vec![format!("data: {a}\r\n\r\n"), format!("data: {b}\r\n\r\n")],
        vec![
            ": hello\n\n".to_owned(),
            format!("data: {a}\n\ndata: {b}\n\n"),
        ],
        vec![
            format!("data: {}", &a[..9]),
            format!("{}\n", &a[9..]),
            format!("\ndata: {b}\n\n"),
        ],
        // The last empty line is missing, or everything behind the last piece.
        vec![format!("event: x\ndata:{a}\n\n"), format!("data:{b}")],
    ] {
        let speaker = provider.streams();
        let listener = Listener::of(&router, &json!({"text": "ping"})).await;
        for piece in pieces {
            speaker.sends(piece).await;
        }
        drop(speaker);
        let result = json!({"result": {"response": "ab"}});
        assert_eq!(listener.events().await.last(), Some(&result));
    }
}

#[tokio::test]
async fn a_provider_that_does_not_stream_is_heard_at_once() {
    let (_provider, router) = started(Engine::Sqlite).await;
    let listener = Listener::of(&router, &json!({"text": "ping"})).await;
    let result = json!({"result": {"response": "pong"}});
    assert_eq!(
        listener.events().await,
        [json!({"message": "pong"}), result]
    );
}

#[tokio::test]
async fn a_failure_before_the_first_piece_is_the_only_event() {
    let (provider, router) = started(Engine::Sqlite).await;
    for (answer, text) in [
        (
            Answer::Fails(401),
            "Error: LLM API request failed with status 401.",
        ),
        (
            Answer::Body("<html>".to_owned()),
            "Error: Failed to decode LLM response.",
        ),
        (
            Answer::Body(r#"{"choices":[]}"#.to_owned()),
            "Error: LLM response format unexpected (no choices).",
        ),
    ] {
        provider.next([answer]);
        let listener = Listener::of(&router, &json!({"text": "ping"})).await;
        assert_eq!(listener.events().await, [error(text)]);
    }
    let rows = router.learning_log().await;
    assert_eq!(rows.len(), 3, "{rows:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_with_an_error() {
    let (provider, router) = started(Engine::Sqlite).await;
    for breaks in [true, false] {
        let speaker = provider.streams();
        let mut listener = Listener::of(&router, &json!({"text": "ping"})).await;
        speaker.says("po").await;
        listener.hears("po").await;
        match breaks {
            true => speaker.breaks().await,
            false => drop(speaker),
        }
        let events = listener.events().await;
        assert_eq!(
            events,
            [json!({"message": "po"}), error(NETWORK)],
            "{breaks}"
        );
    }
    assert_eq!(provider.asked().len(), 2, "no piece is told twice");
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_before_it_says_anything() {
    let (provider, router) = started(Engine::Sqlite).await;
    provider.next([Answer::Fails(503)]);
    let listener = Listener::of(&router, &json!({"text": "ping"})).await;
    let events = listener.events().await;
    assert_eq!(
        events.last(),
        Some(&json!({"result": {"response": "pong"}}))
    );
    assert_eq!(provider.asked().len(), 2);
}

#[tokio::test]
async fn a_listener_who_leaves_ends_the_call_of_the_provider() {
    let (provider, router) = started(Engine::Sqlite).await;
    let speaker = provider.streams();
    let mut listener = Listener::of(&router, &json!({"text": "ping"})).await;
    speaker.says("po").await;
    listener.hears("po").await;
    drop(listener);
    speaker.is_left().await;
    eventually("the router serves on", async || {
        router.get("/hello_world").send().await.status == 200
    })
    .await;
    assert!(router.learning_log().await.is_empty());
}

#[tokio::test]
async fn what_is_refused_before_the_stream_is_refused_as_ever() {
    let (provider, router) = started(Engine::Sqlite).await;
    let missing = json!({"error": "Missing required 'text' field in request body."});
    call(&router)
        .body(r#"{"text":""}"#)
        .send()
        .await
        .must_be(400, &missing);
    let reply = router
        .post("/tria_chat_handler")
        .header("accept", "text/event-stream");
    let malformed = refused("Authorization header missing or malformed.");
    reply.send().await.must_be(401, &malformed);
    assert!(provider.asked().is_empty());
}

#[tokio::test]
async fn only_who_asks_for_nothing_else_gets_pieces() {
    let (_provider, router) = started(Engine::Sqlite).await;
    for accept in ["*/*", "text/event-stream, */*", "application/json"] {
        let token = Token::of("U1").signed();
        let call = chat_to(&router, "/tria_chat_handler", &token).header("accept", accept);
        let reply = call.body(r#"{"text":"ping"}"#).send().await;
        reply.must_be(200, &json!({"response": "pong"}));
    }
}
