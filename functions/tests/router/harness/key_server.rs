//! A stand-in for Google's key endpoint, which can be told to misbehave.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::identity::{FIRST, SigningKey};

/// What the endpoint answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Keys,
    Failure,
    /// Accepts the request and says nothing.
    Silence,
    Garbage,
    Empty,
    /// Points to a place that does serve the keys.
    Redirect,
    /// The keys, behind 64 MiB of padding.
    Huge,
    /// A set without a key.
    NoKeys,
    /// The same keys in Google's other form, by id and as certificates.
    Certificates,
    /// One key that is none.
    BrokenKey,
    /// An error that is said to be a success.
    Error,
    /// Begins, and goes on too slowly to end.
    Drip,
    /// Begins, and ends before the end.
    CutOff,
    /// Takes the request and hangs up.
    HangUp,
}

impl Answer {
    /// Every way in which the endpoint fails to give keys.
    pub(crate) const FAULTS: [Self; 13] = [
        Self::Failure,
        Self::Silence,
        Self::Garbage,
        Self::Empty,
        Self::Redirect,
        Self::Huge,
        Self::NoKeys,
        Self::Certificates,
        Self::BrokenKey,
        Self::Error,
        Self::Drip,
        Self::CutOff,
        Self::HangUp,
    ];
}

struct State {
    answer: Answer,
    keys: Vec<Value>,
    cache_control: &'static str,
    fetches: usize,
}

/// The stub; it lives as long as the test's runtime.
pub(crate) struct KeyServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl KeyServer {
    /// Serves the key of [`FIRST`].
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            answer: Answer::Keys,
            keys: vec![FIRST.jwk()],
            cache_control: "public, max-age=19000",
            fetches: 0,
        }));
        tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    pub(crate) fn answers(&self, answer: Answer) {
        self.state.lock().expect("state").answer = answer;
    }

    /// From now on only `key` is served.
    pub(crate) fn rotate_to(&self, key: &SigningKey) {
        self.state.lock().expect("state").keys = vec![key.jwk()];
    }

    pub(crate) fn says_cache_control(&self, value: &'static str) {
        self.state.lock().expect("state").cache_control = value;
    }

    /// How often the keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.state.lock().expect("state").fetches
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&state, request));
            // The router may hang up on an answer that it refuses to read; that is its right.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(
    state: &Mutex<State>,
    request: Request<Incoming>,
) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
    let (answer, keys, cache_control) = {
        let mut state = state.lock().expect("state");
        state.fetches += 1;
        let keys = json!({"keys": state.keys}).to_string();
        (state.answer, keys, state.cache_control)
    };
    let response = Response::builder()
        .header("content-type", "application/json; charset=UTF-8")
        .header("cache-control", cache_control);
    let redirected = request.uri().path() != "/jwks";
    let response = match answer {
        _ if redirected => response.body(keys),
        Answer::Keys => response.body(keys),
        Answer::Failure => response.status(500).body(keys),
        Answer::Silence => std::future::pending().await,
        Answer::Garbage => response.body("<html>".to_owned()),
        Answer::Empty => response.body(String::new()),
        Answer::Redirect => response
            .status(302)
            .header("location", "/elsewhere")
            .body(String::new()),
        Answer::Huge => {
            let padding = " ".repeat(64 * 1024 * 1024);
            response.body(format!("{padding}{keys}"))
        }
        Answer::NoKeys => response.body(r#"{"keys":[]}"#.to_owned()),
        Answer::Certificates => {
            let certificate = "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n";
            response.body(json!({"first": certificate}).to_string())
        }
        Answer::BrokenKey => response.body(keys.replace("\"n\":\"", "\"n\":\"%")),
        Answer::Error => response.body(r#"{"error":{"code":404}}"#.to_owned()),
        Answer::Drip => return Ok(response.body(drip(keys)).expect("a response")),
        Answer::CutOff => return Ok(response.body(cut_off(keys)).expect("a response")),
        Answer::HangUp => return Err(hung_up()),
    };
    let whole = |body| Full::from(body).map_err(|never| match never {});
    Ok(response
        .expect("a response")
        .map(|body| whole(body).boxed()))
}

fn hung_up() -> io::Error {
    io::Error::other("the endpoint hung up")
}

fn cut_off(text: String) -> BoxBody<Bytes, io::Error> {
    let half = text.into_bytes();
    let half = Bytes::copy_from_slice(&half[..half.len() / 2]);
    let pieces = [Ok(Frame::data(half)), Err(hung_up())];
    BodyExt::boxed(StreamBody::new(stream::iter(pieces)))
}

/// A byte each half second.
fn drip(text: String) -> BoxBody<Bytes, io::Error> {
    let bytes = stream::iter(text.into_bytes()).then(|byte| async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(Frame::data(Bytes::from(vec![byte])))
    });
    BodyExt::boxed(StreamBody::new(bytes))
}
