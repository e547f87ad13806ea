//! The log as machines and terminals read it.

use serde_json::{Value, json};

use super::whole_log;
use crate::harness::provider::{API_KEY, Answer};
use crate::harness::router::upload_url;
use crate::harness::{Event, Provider, Reply, Router, Token, Wire, form};
use crate::storage_v0::{escaped, objects, send, upload};

/// What would begin a line of its own, end a string, colour a terminal, or turn the text around.
const FORGERIES: [&str; 12] = [
    "\n{\"level\":\"INFO\",\"message\":\"forged\"}",
    "\r\n{\"forged\":true}\r\n",
    "\",\"forged\":\"",
    "\\\",\\\"forged\\\":\\\"",
    "\\",
    "\u{1b}[2J\u{1b}[31mforged",
    "\u{9b}31mforged",
    "\u{2028}forged\u{2029}forged\u{85}forged",
    "\u{202e}degrof\u{2066}",
    "\0forged\u{7f}\u{8}\u{8}\u{8}",
    "\u{feff}\u{fffe}\u{10ffff}📼",
    "%0a%0d%1b%5b31mforged%e2%80%a8",
];

/// What is no UTF-8 at all.
const RAW: [&[u8]; 4] = [
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf8\x88\x80\x80\x80",
];

/// Sends `forged` in the path, the query and the headers of one request, byte by byte.
async fn in_the_head(router: &Router, path: &[u8], header: &[u8]) -> Option<Reply> {
    let token = Token::of("U1").signed();
    let head = [
        b"GET /nowhere/",
        path,
        b"?q=",
        path,
        b" HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ",
        token.as_bytes(),
        b"\r\nuser-agent: ",
        header,
        b"\r\ncf-ray: ",
        header,
        b"\r\nx-cloud-trace-context: ",
        header,
        b"\r\norigin: ",
        header,
        b"\r\nx-forwarded-for: ",
        header,
        b"\r\nconnection: close\r\n\r\n",
    ];
    let mut wire = Wire::open(router.address).await;
    wire.send(head.concat()).await;
    wire.last_answer().await
}

/// Where a text of a caller's choice can be in a well-formed request.
async fn in_the_content(router: &Router, provider: &Provider, forged: &str) -> Vec<Reply> {
    let token = Token::of("U1").email(forged).claim("name", forged);
    let token = token
        .claim("firebase", json!({ "sign_in_provider": forged }))
        .signed();
    let name = format!("user_uploads/U1/{forged}");
    provider.next([Answer::Body(forged.to_owned())]);
    let said = json!({"message": forged, "session_id": forged}).to_string();
    let posted = |target: &str, body: String| {
        let call = router.post(target).bearer(&token);
        call.header("content-type", "application/json").body(body)
    };
    let event = Event {
        id: forged.to_owned(),
        ..Event::of(&name)
    };
    let structured = event.structured().to_string();
    let replies = vec![
        router.upload("U1", &token, forged, b"x").await,
        router.upload(&escaped(forged), &token, "a", b"x").await,
        router.download("U1", &token, &escaped(forged)).await,
        router.sync(&token).await,
        router
            .sync(&Token::of(forged).header("kid", forged).signed())
            .await,
        router
            .sync(&Token::of(forged).claim("iss", forged).signed())
            .await,
        posted("/tria_chat_handler", said.clone()).send().await,
        posted("/tria_chat_handler", forged.to_owned()).send().await,
        posted("/tria_chat", json!({"data": {"text": forged}}).to_string())
            .send()
            .await,
        posted(
            "/api/v1/generate-upload-url",
            json!({"filename": forged, "content_type": forged}).to_string(),
        )
        .send()
        .await,
        router
            .post("/process_chunk")
            .bearer(crate::harness::event::EVENT_TOKEN)
            .header("content-type", "application/cloudevents+json")
            .body(structured)
            .send()
            .await,
        router
            .post(&upload_url("U1"))
            .bearer(&token)
            .form(form::part(forged, Some(forged), b"x"))
            .send()
            .await,
        send(
            router
                .post(&format!("{}?name={}", objects(), escaped(&name)))
                .body("x"),
        )
        .await,
    ];
    let metadata = json!({"metadata": {"k": forged}, "contentDisposition": forged});
    if !forged.contains(char::is_control) {
        upload(router, &name, metadata, b"x").await;
    }
    replies
}

#[tokio::test]
async fn whatever_a_request_holds_the_log_is_lines_of_printable_json_and_one_of_them_its_own() {
    let provider = Provider::start().await;
    let router = provider.launch().env("LOG_LEVEL", "trace").start().await;
    let mut replies = Vec::new();
    for forged in FORGERIES.iter().map(|text| text.as_bytes()).chain(RAW) {
        // A head that is no HTTP any more is refused below the log; each part alone may pass.
        replies.extend(in_the_head(&router, forged, b"x").await);
        replies.extend(in_the_head(&router, b"x", forged).await);
    }
    for forged in FORGERIES {
        replies.extend(in_the_content(&router, &provider, forged).await);
    }

    let log = whole_log(&router).await;
    let mut lines = Vec::new();
    for line in log.lines() {
        let printable = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(printable, "{line:?}");
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
        assert_eq!(line.get("forged"), None, "{line}");
        assert_ne!(line["message"], "forged", "{line}");
        lines.push(line);
    }
    let mut answered = 0;
    for reply in &replies {
        let id = reply.header("x-request-id");
        if !id.is_empty() {
            let is_its_own = |line: &&Value| line["invocation"] == id && line["path"].is_string();
            assert_eq!(lines.iter().filter(is_its_own).count(), 1, "{reply:?}");
            answered += 1;
        }
    }
    // All but the heads that the parser refuses.
    assert!(
        answered >= FORGERIES.len() * 13,
        "{answered} of {}",
        replies.len()
    );
    assert!(!log.contains(API_KEY));
}

#[tokio::test]
async fn the_line_of_a_request_has_its_path_without_the_query() {
    let router = Router::start().await;
    router.get("/nowhere/a%2Fb?token=in-the-query").send().await;
    let log = whole_log(&router).await;
    assert!(log.contains("\"path\":\"/nowhere/a%2Fb\""), "{log}");
    assert!(!log.contains("in-the-query"), "{log}");
}
