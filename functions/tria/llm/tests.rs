//! The client against a socket that does what each case says, with little patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runtime::testing::TestContext;
use runtime::{HttpFunction as _, Migrations, Registry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 44\r\n\r\n\
                  {\"choices\":[{\"message\":{\"content\":\"pong\"}}]}";
const HANG: &str = "";
/// As the end of an answer: nothing follows, and the provider hangs up.
const END: &str = "(end)";

const BUSY: &str = "HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Answers each connection with the next of some texts, then holds it open; the last one goes on.
struct Provider {
    address: std::net::SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::<AtomicUsize>::default();
        let counted = calls.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let call = counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream, answers[call.min(answers.len() - 1)]));
            }
        });
        Self { address, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

/// `false` when none comes.
async fn reads_a_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return false;
        }
    }
    true
}

async fn answer(mut stream: TcpStream, answer: &str) {
    if !reads_a_request(&mut stream).await {
        return;
    }
    let (answer, ends) = match answer.strip_suffix(END) {
        Some(answer) => (answer, true),
        None => (answer, false),
    };
    stream.write_all(answer.as_bytes()).await.unwrap();
    if !ends {
        std::future::pending::<()>().await;
    }
}

/// The chat's, which may call the provider.
async fn context(provider: &Provider) -> TestContext {
    let address = format!("\"{}\"", provider.address);
    let manifest = include_str!("../../../manifest.toml").replace("\"api.mistral.ai\"", &address);
    let none = Migrations {
        postgres: &[],
        sqlite: &[],
    };
    let chat = crate::tria_chat_handler::handle.into_function();
    let registry = Registry::new(manifest.leak(), none).function("tria_chat_handler", chat);
    let context = Context::test(&registry, "tria_chat_handler", Some("U1"));
    context.await.unwrap()
}

fn client<'c>(context: &'c Context, provider: &Provider) -> Llm<'c> {
    Llm {
        context,
        endpoint: format!("http://{}/v1/chat/completions", provider.address),
        key: "key",
        breaker: Box::leak(Box::new(SharedBreaker::new())),
        limits: Limits {
            patience: Duration::from_millis(500),
            backoff: Duration::from_millis(1),
            ..LIMITS
        },
    }
}

fn question() -> [Message; 1] {
    [Message {
        role: Role::User,
        content: "ping".to_owned(),
    }]
}

/// What becomes of a question, and how often it was sent.
async fn asked(answers: &'static [&'static str]) -> (String, usize) {
    let provider = Provider::start(answers).await;
    let context = context(&provider).await;
    let answer = client(&context, &provider).reply(&question()).await;
    let answer = answer.unwrap_or_else(|failure| failure.cause().to_owned());
    (answer, provider.calls())
}

fn one(answer: &str, calls: usize) -> (String, usize) {
    (answer.to_owned(), calls)
}

#[tokio::test]
async fn a_question_is_sent_three_times_at_most_and_again_only_when_that_may_help() {
    const LIMITED: &str =
        "HTTP/1.1 429 No\r\nconnection: close\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";
    const LATER: &str =
        "HTTP/1.1 429 No\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    const NEVER_AGAIN: &str = "HTTP/1.1 429 No\r\nconnection: close\r\nretry-after: 18446744073709551615\r\n\
                        content-length: 0\r\n\r\n";
    const PAST: &str = "HTTP/1.1 502 No\r\nconnection: close\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                        content-length: 0\r\n\r\n";
    const NEVER: &str = "HTTP/1.1 501 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(asked(&[OK]).await, one("pong", 1));
    assert_eq!(asked(&[BUSY, LIMITED, OK]).await, one("pong", 3));
    assert_eq!(asked(&[PAST, OK]).await, one("pong", 2));
    assert_eq!(asked(&[BUSY]).await, one("status_5xx", 3));
    assert_eq!(asked(&[NEVER]).await, one("status_5xx", 1));
    // A second is more than the patience that is left, and no clock goes as far as the other one.
    assert_eq!(asked(&[LATER, OK]).await, one("status_429", 1));
    assert_eq!(asked(&[NEVER_AGAIN, OK]).await, one("status_429", 1));
}

#[tokio::test]
async fn patience_is_for_the_whole_answer_and_for_all_attempts() {
    const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 44\r\n\r\n{\"choices\":";
    assert_eq!(asked(&[HANG]).await, one("timeout", 1));
    assert_eq!(asked(&[HALF]).await, one("timeout", 1));
    assert_eq!(asked(&[BUSY, HANG]).await, one("timeout", 2));
}

#[tokio::test]
async fn a_provider_that_hangs_up_is_not_asked_again() {
    const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 44\r\n\r\n{\"choices\":(end)";
    assert_eq!(asked(&[END]).await, one("network", 1));
    assert_eq!(asked(&[HALF]).await, one("network", 1));
    assert_eq!(asked(&[BUSY, END]).await, one("network", 2));
    assert_eq!(heard(&[END]).await, ["network"]);
}

/// The pieces of a streamed answer, then how it ended.
async fn heard(answer: &'static [&'static str]) -> Vec<String> {
    let provider = Provider::start(answer).await;
    let context = context(&provider).await;
    let llm = client(&context, &provider);
    let mut heard = Vec::new();
    let mut pieces = match llm.stream(&question()).await {
        Ok(pieces) => pieces,
        Err(failure) => return vec![failure.cause().to_owned()],
    };
    loop {
        match pieces.next().await {
            Ok(Some(piece)) => heard.push(piece),
            Ok(None) => {
                heard.push(format!("={}", pieces.whole()));
                return heard;
            }
            Err(failure) => {
                heard.push(failure.cause().to_owned());
                return heard;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_or_ends_or_turns_into_garbage_is_given_up_where_it_is() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    const PIECE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                         data: {\"choices\":[{\"delta\":{\"content\":\"po\"}}]}\n\n: still here\n\n";
    const ALL: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                       data: {\"choices\":[{\"delta\":{\"content\":\"po\"}}]}\n\n\
                       data: {\"choices\":[{\"delta\":{\"content\":\"ng \"},\"finish_reason\":\"stop\"}]}\n\n";
    const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                       data: {\"choices\":[{\"delta\":{\"content\":\"po\"}}]}\n\n(end)";
    const GARBAGE: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: <html>\n\n";
    const NOTHING: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: [DONE]\n\n";
    assert_eq!(heard(&[HANG]).await, ["timeout"]);
    assert_eq!(heard(&[HEAD]).await, ["timeout"]);
    assert_eq!(heard(&[PIECE]).await, ["po", "timeout"]);
    // Nothing of what follows the last piece is waited for.
    assert_eq!(heard(&[ALL]).await, ["po", "ng ", "=pong"]);
    assert_eq!(heard(&[NOTHING]).await, ["no_content"]);
    assert_eq!(heard(&[CUT]).await, ["po", "cut_off"]);
    assert_eq!(heard(&[GARBAGE]).await, ["decode"]);
}

#[tokio::test]
async fn what_is_no_stream_is_judged_as_a_whole_answer() {
    const PAGE: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    const UTF_8: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n\
                         content-length: 44\r\n\r\n\
                         {\"choices\":[{\"message\":{\"content\":\"pong\"}}]}";
    assert_eq!(heard(&[PAGE]).await, ["decode"]);
    assert_eq!(heard(&[UTF_8]).await, ["pong", "=pong"]);
}

/// Answers the first connection with pieces for as long as somebody listens, none of them late.
async fn drip(listener: TcpListener, pause: Duration) {
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(reads_a_request(&mut stream).await);
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let piece = b"data: {\"choices\":[{\"delta\":{\"content\":\"po\"}}]}\n\n";
    while stream.write_all(piece).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
}

/// Listens to an answer without an end, and says why it was given up.
async fn heard_without_end(pause: Duration, limits: Limits) -> &'static str {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let provider = Provider {
        address: listener.local_addr().unwrap(),
        calls: Arc::default(),
    };
    tokio::spawn(drip(listener, pause));
    let context = context(&provider).await;
    let llm = Llm {
        limits,
        ..client(&context, &provider)
    };
    let mut pieces = llm.stream(&question()).await.unwrap();
    let listening = async {
        loop {
            match pieces.next().await {
                Ok(piece) => assert_eq!(piece.as_deref(), Some("po")),
                Err(failure) => return failure.cause(),
            }
        }
    };
    let cause = tokio::time::timeout(Duration::from_secs(60), listening).await;
    assert!(!pieces.whole().is_empty());
    cause.unwrap()
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_when_its_time_is_over_or_its_size_reached() {
    let hasty = Limits {
        patience: Duration::from_millis(500),
        ..LIMITS
    };
    let cause = heard_without_end(Duration::from_millis(50), hasty).await;
    assert_eq!(cause, "timeout");
    let short = Limits {
        max_answer: 4 << 10,
        ..LIMITS
    };
    let cause = heard_without_end(Duration::ZERO, short).await;
    assert_eq!(cause, "too_large");
}

#[tokio::test]
async fn an_answer_that_nobody_hears_to_its_end_is_not_held_against_the_provider() {
    const PIECE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                         data: {\"choices\":[{\"delta\":{\"content\":\"po\"}}]}\n\n";
    let provider = Provider::start(&[PIECE]).await;
    let context = context(&provider).await;
    let llm = client(&context, &provider);
    for _ in 0..20 {
        let mut pieces = llm.stream(&question()).await.unwrap();
        assert_eq!(pieces.next().await.unwrap().as_deref(), Some("po"));
    }
    assert!(llm.stream(&question()).await.is_ok());
}

#[test]
fn a_pause_that_is_asked_for_is_read_as_seconds_or_as_a_date() {
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    for (value, seconds) in [
        ("0", Some(0)),
        (" 7 ", Some(7)),
        ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3)),
        ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        let expected = seconds.map(Duration::from_secs);
        assert_eq!(retry_after(&headers, now), expected, "{value}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

#[tokio::test]
async fn a_pause_of_our_own_is_anything_up_to_a_limit_that_doubles() {
    let provider = Provider::start(&[OK]).await;
    let context = context(&provider).await;
    let llm = client(&context, &provider);
    for (attempt, longest) in [(1, 1), (2, 2), (3, 4)] {
        let pauses: Vec<_> = (0..64).map(|_| llm.backoff(attempt)).collect();
        let longest = Duration::from_millis(longest);
        assert!(pauses.iter().all(|pause| *pause <= longest), "{pauses:?}");
        assert!(
            pauses.iter().any(|pause| *pause > longest / 2),
            "{pauses:?}"
        );
        assert!(
            pauses.iter().any(|pause| *pause < longest / 2),
            "{pauses:?}"
        );
    }
}
