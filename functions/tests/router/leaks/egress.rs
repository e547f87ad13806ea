//! Which servers the functions call.

use serde_json::json;

use super::whole_log;
use crate::harness::{Provider, Token};

const REFUSED: &str = "Error: An unexpected error occurred with the LLM service.";

#[tokio::test]
async fn a_server_that_the_entry_does_not_list_is_not_called_and_only_the_log_names_it() {
    for egress in ["[]", "[\"api.mistral.ai\", \"localhost\", \"127.0.0.1:1\"]"] {
        let provider = Provider::start().await;
        let launch = provider.launch();
        let launch = launch.set("functions.tria_chat_handler", "egress", egress);
        let router = launch.start().await;
        let call = router
            .post("/tria_chat_handler")
            .bearer(Token::of("U1").signed());
        let call = call.header("content-type", "application/json");
        let reply = call
            .body(json!({"message": "ping"}).to_string())
            .send()
            .await;
        reply.must_be(200, &json!({ "response": REFUSED }));
        assert!(provider.asked().is_empty());

        let server = provider.url();
        let log = whole_log(&router).await;
        let refusal = log.lines().find(|line| line.contains("not in `egress`"));
        assert!(refusal.unwrap().contains(&server), "{log}");
        for value in reply.headers.values() {
            assert!(!value.to_str().unwrap().contains(&server), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn the_server_that_a_listed_variable_names_is_called() {
    let provider = Provider::start().await;
    let launch = provider.launch();
    let launch = launch.set(
        "functions.tria_chat_handler",
        "egress",
        "[\"$MISTRAL_API_URL\"]",
    );
    let router = launch.start().await;
    let call = router
        .post("/tria_chat_handler")
        .bearer(Token::of("U1").signed());
    let call = call.header("content-type", "application/json");
    let reply = call
        .body(json!({"message": "ping"}).to_string())
        .send()
        .await;
    reply.must_be(200, &json!({"response": "pong"}));
}
