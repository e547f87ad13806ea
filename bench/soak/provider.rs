//! A stand-in for the provider of the language model, which says back what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Talking,
    Failing,
    /// Takes the call and says nothing.
    Silent,
}

/// The stub; it lives as long as the runtime.
pub(crate) struct Provider {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
}

impl Provider {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mood = Arc::new(Mutex::new(Mood::Talking));
        tokio::spawn(serve(listener, Arc::clone(&mood)));
        Ok(Self { address, mood })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().expect("a mood") = mood;
    }
}

/// What it says to a question.
pub(crate) fn answer_to(question: &str) -> String {
    format!("You asked: {question}")
}

async fn serve(listener: TcpListener, mood: Arc<Mutex<Mood>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mood = Arc::clone(&mood);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&mood, request));
            // The router may hang up whenever it has waited enough.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(
    mood: &Mutex<Mood>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let now = *mood.lock().expect("a mood");
    let response = Response::builder().header("content-type", "application/json");
    let (response, text) = match now {
        Mood::Talking => (response, completion(&body)),
        Mood::Failing => (response.status(500), "{}".to_owned()),
        Mood::Silent => match std::future::pending::<Infallible>().await {},
    };
    Ok(response.body(text.into()).expect("a response"))
}

fn completion(body: &[u8]) -> String {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let last = asked["messages"].as_array().and_then(|all| all.last());
    let question = last.and_then(|message| message["content"].as_str());
    let message = json!({"role": "assistant", "content": answer_to(question.unwrap_or_default())});
    json!({"choices": [{"index": 0, "message": message}]}).to_string()
}
