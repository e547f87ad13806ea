//! Requests over kept connections, and what may come of one.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::time::timeout;

/// Far beyond every deadline of the router's: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);
/// Shorter than the router keeps a connection, so that it is never the one to end it.
const IDLE: Duration = Duration::from_secs(5);

/// How a request failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// An honest refusal: 503 or 504, or a chat that says its model failed.
    Refused(String),
    /// No whole answer.
    Broken(String),
    /// An answer that must never be.
    Wrong(String),
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    pub(crate) fn json(&self) -> Outcome<Value> {
        serde_json::from_slice(&self.body).map_err(|_| self.wrong())
    }

    /// # Errors
    /// `Refused` for 503 and 504, `Wrong` for any other status than these.
    pub(crate) fn must_be(self, statuses: &[u16]) -> Outcome<Self> {
        match self.status {
            status if statuses.contains(&status) => Ok(self),
            503 | 504 => Err(Failure::Refused(self.status.to_string())),
            _ => Err(self.wrong()),
        }
    }

    pub(crate) fn wrong(&self) -> Failure {
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]);
        Failure::Wrong(format!("{} {body}", self.status))
    }

    /// # Errors
    /// `Wrong` unless the body is this.
    pub(crate) fn must_hold(&self, expected: &[u8]) -> Outcome {
        if self.body == expected {
            return Ok(());
        }
        let (found, expected) = (self.body.len(), expected.len());
        Err(Failure::Wrong(format!(
            "{} other bytes: {found} of {expected}",
            self.status
        )))
    }
}

/// One request before it is sent.
pub(crate) struct Call {
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(method: Method, target: impl Into<String>) -> Self {
        let (target, headers, body) = (target.into(), Vec::new(), Vec::new());
        Self {
            method,
            target,
            headers,
            body,
        }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    pub(crate) fn post(target: impl Into<String>) -> Self {
        Self::new(Method::POST, target)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { address, pool }
    }

    pub(crate) async fn send(&self, call: Call) -> Outcome<Reply> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("http://{}{}", self.address, call.target));
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let request = request.body(call.body.into()).expect("a request");
        let answer = timeout(PATIENCE, async {
            let (head, body) = self.pool.request(request).await?.into_parts();
            let body = body.collect().await;
            anyhow::Ok((head, body?.to_bytes()))
        });
        let broken = |why: String| Failure::Broken(why);
        let (head, body) = answer
            .await
            .map_err(|_| broken("no answer".to_owned()))?
            .map_err(|error| broken(error.root_cause().to_string()))?;
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }
}
