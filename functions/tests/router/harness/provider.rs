//! A stand-in for the provider of the language model, which does what a test tells it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Launch, PATIENCE, eventually};

/// What every router of these tests pays with; nothing but a provider may ever see it.
pub(crate) const API_KEY: &str = "the-key-of-the-tests-7c2e";

/// What the provider answers to one call.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A completion with this content.
    Says(String),
    /// 200 with this body, whatever it is.
    Body(String),
    Fails(u16),
    /// 429 with this `Retry-After`.
    Busy(String),
    /// Points elsewhere.
    Redirect,
    /// Takes the call and says nothing.
    Silence,
}

impl Answer {
    pub(crate) fn says(content: &str) -> Self {
        Self::Says(content.to_owned())
    }
}

/// One call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Value,
}

impl Asked {
    /// Role and content of each message.
    pub(crate) fn messages(&self) -> Vec<(String, String)> {
        let messages = self.payload["messages"].as_array().expect("messages");
        let text = |message: &Value, key: &str| message[key].as_str().expect(key).to_owned();
        messages
            .iter()
            .map(|message| (text(message, "role"), text(message, "content")))
            .collect()
    }
}

type Pieces = mpsc::Receiver<io::Result<Bytes>>;

enum Next {
    Answer(Answer),
    Stream(Pieces),
}

struct State {
    /// For the next calls, one each.
    script: VecDeque<Next>,
    /// For all others.
    otherwise: Answer,
    asked: Vec<Asked>,
}

/// The stub; it lives as long as the test's runtime.
pub(crate) struct Provider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Provider {
    /// Says `pong` until it is told otherwise.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            script: VecDeque::new(),
            otherwise: Answer::says("pong"),
            asked: Vec::new(),
        }));
        tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state }
    }

    /// The host alone, as MISTRAL_API_URL may be.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A router whose chat asks this provider.
    pub(crate) fn launch(&self) -> Launch {
        let launch = Launch::new().env("MISTRAL_API_KEY", API_KEY);
        launch.env("MISTRAL_API_URL", self.url())
    }

    /// What it answers whenever nothing else was said.
    pub(crate) fn always(&self, answer: Answer) {
        self.lock().otherwise = answer;
    }

    /// What it answers to the next calls, one after the other.
    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        let answers = answers.into_iter().map(Next::Answer);
        self.lock().script.extend(answers);
    }

    /// Answers the next call with a stream that the test speaks through.
    pub(crate) fn streams(&self) -> Speaker {
        let (speaker, pieces) = mpsc::channel(16);
        self.lock().script.push_back(Next::Stream(pieces));
        Speaker(speaker)
    }

    /// Every call so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// The last call.
    pub(crate) fn last_asked(&self) -> Asked {
        self.asked().pop().expect("a call")
    }

    pub(crate) async fn was_asked(&self, times: usize) {
        eventually("the provider is asked", async || {
            self.asked().len() >= times
        })
        .await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("state")
    }
}

/// Speaks through one streamed answer; dropped, it ends the stream where it is.
pub(crate) struct Speaker(mpsc::Sender<io::Result<Bytes>>);

impl Speaker {
    pub(crate) async fn says(&self, token: &str) {
        self.delta(&json!({"choices": [{"index": 0, "delta": {"content": token}}]}))
            .await;
    }

    /// The answer is complete.
    pub(crate) async fn ends(self) {
        self.delta(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
            .await;
        self.sends("data: [DONE]\n\n").await;
    }

    /// Cuts the connection.
    pub(crate) async fn breaks(self) {
        let broken = io::Error::other("the provider broke off");
        self.0.send(Err(broken)).await.expect("a listener");
    }

    /// Exactly these bytes.
    pub(crate) async fn sends(&self, bytes: impl Into<Bytes>) {
        self.0.send(Ok(bytes.into())).await.expect("a listener");
    }

    /// Waits until whoever listened has hung up.
    pub(crate) async fn is_left(&self) {
        let left = timeout(PATIENCE, self.0.closed()).await;
        left.expect("the listener hangs up");
    }

    async fn delta(&self, chunk: &Value) {
        self.sends(format!("data: {chunk}\n\n")).await;
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&state, request));
            // The router may hang up whenever it has heard enough.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Reply = Response<BoxBody<Bytes, io::Error>>;

async fn respond(state: &Mutex<State>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a whole request").to_bytes();
    let next = {
        let mut state = state.lock().expect("state");
        state.asked.push(Asked {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            payload: serde_json::from_slice(&body).expect("a payload of JSON"),
        });
        let otherwise = state.otherwise.clone();
        state.script.pop_front().unwrap_or(Next::Answer(otherwise))
    };
    Ok(match next {
        Next::Stream(pieces) => streamed(pieces),
        Next::Answer(answer) => whole(answer).await,
    })
}

async fn whole(answer: Answer) -> Reply {
    let response = Response::builder().header("content-type", "application/json");
    let (response, body) = match answer {
        Answer::Says(content) => {
            let message = json!({"role": "assistant", "content": content});
            let body = json!({"choices": [{"index": 0, "message": message}]});
            (response, body.to_string())
        }
        Answer::Body(body) => (response, body),
        // What a provider says of a failure may quote its caller.
        Answer::Fails(status) => (response.status(status), format!("no: {API_KEY}")),
        Answer::Busy(after) => (
            response.status(429).header("retry-after", after),
            String::new(),
        ),
        Answer::Redirect => (
            response.status(307).header("location", "/v1/elsewhere"),
            String::new(),
        ),
        Answer::Silence => std::future::pending().await,
    };
    let body = Full::from(body).map_err(|never| match never {});
    response.body(body.boxed()).expect("a response")
}

fn streamed(mut pieces: Pieces) -> Reply {
    let frames = stream::poll_fn(move |cx| pieces.poll_recv(cx));
    let frames = futures_util::StreamExt::map(frames, |piece| piece.map(Frame::data));
    Response::builder()
        .header("content-type", "text/event-stream; charset=utf-8")
        .body(StreamBody::new(frames).boxed())
        .expect("a response")
}
