//! What the router is measured against: hyper alone, with hello_world's answer, and with greet's for whoever
//! has a token, which it verifies each time.
//!
//! ```text
//! PORT=8080 bare [current-thread] [KEYS]
//! ```
//!
//! Runs on four threads as the router does, or on the one it was started in. KEYS is a file with a JWK set.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

const HELLO: &str = "Hello from Firebase Cloud Functions (Python) by Tria & Flash!";
const PROJECT: &str = "benchmark";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let runtime = match arguments.next_if(|word| word == "current-thread") {
        Some(_) => Builder::new_current_thread().enable_all().build()?,
        None => Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()?,
    };
    let door = arguments.next().map(|file| Door::open(&file)).transpose()?;
    runtime.block_on(serve(door.map(Arc::new)))
}

async fn serve(door: Option<Arc<Door>>) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "it has no other settings")]
    let port = std::env::var("PORT")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let door = door.clone();
        let answer = service_fn(move |request| answer(request, door.clone()));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(connection);
    }
}

async fn answer(
    request: Request<Incoming>,
    door: Option<Arc<Door>>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    match door {
        Some(door) if request.method() == Method::POST => greet(request, &door).await,
        _ => Ok(response("text/html; charset=utf-8", HELLO)),
    }
}

#[derive(Deserialize)]
struct Greeting {
    name: String,
}

#[derive(Serialize)]
struct Greeted {
    hello: String,
    uid: String,
}

async fn greet(request: Request<Incoming>, door: &Door) -> anyhow::Result<Response<Full<Bytes>>> {
    let authorization = request.headers().get(AUTHORIZATION);
    let Some(uid) = authorization.and_then(|value| door.verify(value)) else {
        let mut refusal = Response::new(Full::default());
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(refusal);
    };
    let body = request.into_body().collect().await?.to_bytes();
    let Greeting { name } = serde_json::from_slice(&body)?;
    let greeted = serde_json::to_vec(&Greeted { hello: name, uid })?;
    Ok(response("application/json", greeted))
}

fn response(kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

/// The one key, and what is asked of a token.
struct Door {
    key: DecodingKey,
    validation: Validation,
}

impl Door {
    fn open(file: &str) -> anyhow::Result<Self> {
        let keys: JwkSet = serde_json::from_slice(&std::fs::read(file).context("KEYS")?)?;
        let key = DecodingKey::from_jwk(keys.keys.first().context("KEYS has no key")?)?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[PROJECT]);
        validation.set_issuer(&[format!("https://securetoken.google.com/{PROJECT}")]);
        Ok(Self { key, validation })
    }

    /// The uid of a valid token.
    fn verify(&self, authorization: &HeaderValue) -> Option<String> {
        let token = authorization.to_str().ok()?.strip_prefix("Bearer ")?;
        let token = decode::<Claims>(token, &self.key, &self.validation).ok()?;
        Some(token.claims.sub)
    }
}
