//! What travels between the router and an isolated function beside HTTP: the context of an invocation in
//! one header, and a failure as the body of a response. Nobody but the two can speak on their socket.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::context::{Context, InvocationId, Invoked};
use crate::error::{Error, ErrorParts, Result};
use crate::forwarded::Client;
use crate::identity::{AuthError, Principal};
use crate::route::Parameters;

const PASSED: HeaderName = HeaderName::from_static("x-router-passed");
const QUESTION: HeaderName = HeaderName::from_static("x-router-is-running");
const FAILURE: HeaderName = HeaderName::from_static("x-router-failure");

/// What the child is told once, before anything else.
#[derive(Serialize, Deserialize)]
pub(super) struct Boot {
    /// The text of the manifest in use.
    pub(super) manifest: String,
    pub(super) function: String,
    pub(super) base_path: std::path::PathBuf,
    pub(super) database_url: Option<String>,
    /// Those that the function lists, and nobody else's.
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) log_level: String,
    pub(super) log_is_json: bool,
}

/// An invocation's context.
#[derive(Serialize, Deserialize)]
pub(super) struct Passed {
    invocation: String,
    caller: Result<Caller, Refusal>,
    app: Option<String>,
    instance_id: Option<String>,
    client: Option<(IpAddr, Option<String>)>,
    parameters: Parameters,
    /// Until the deadline: the clocks of two processes need not agree.
    remaining: Duration,
    attempt: u32,
    trace: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Caller {
    uid: String,
    email: Option<String>,
    claims: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
enum Refusal {
    Missing,
    Malformed,
    Rejected,
    Unavailable,
}

impl Passed {
    pub(super) fn of(context: &Context) -> Self {
        let invoked = context.invoked();
        let caller = match &invoked.caller {
            Ok(caller) => Ok(Caller {
                uid: caller.uid.clone(),
                email: caller.email.clone(),
                claims: caller.claims.clone(),
            }),
            Err(AuthError::Missing) => Err(Refusal::Missing),
            Err(AuthError::Malformed) => Err(Refusal::Malformed),
            Err(AuthError::Rejected(_)) => Err(Refusal::Rejected),
            Err(AuthError::Unavailable(_)) => Err(Refusal::Unavailable),
        };
        let client = invoked.client.as_ref();
        Self {
            invocation: invoked.invocation.as_str().to_owned(),
            caller,
            app: invoked.app.as_deref().map(str::to_owned),
            instance_id: invoked.instance_id.clone(),
            client: client.map(|client| (client.address, client.origin().map(str::to_owned))),
            parameters: invoked.parameters.clone(),
            remaining: invoked.deadline.saturating_duration_since(Instant::now()),
            attempt: invoked.attempt,
            trace: invoked.trace.clone(),
        }
    }

    /// Over one that the client may have sent.
    pub(super) fn write(&self, headers: &mut HeaderMap) -> Result<()> {
        headers.remove(QUESTION);
        let json = serde_json::to_vec(self).map_err(Error::internal)?;
        let value = HeaderValue::from_str(&BASE64.encode(json)).map_err(Error::internal)?;
        headers.insert(PASSED, value);
        Ok(())
    }

    /// Takes it out of the headers: the function sees what the client sent.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Self> {
        let value = headers.remove(PASSED);
        let value = value.ok_or_else(|| Error::internal("a request without a context"))?;
        let json = BASE64.decode(value.as_bytes()).map_err(Error::internal)?;
        serde_json::from_slice(&json).map_err(Error::internal)
    }

    /// A request that asks whether an invocation is still running.
    pub(super) fn question(invocation: &str) -> http::Result<http::Request<()>> {
        http::Request::get("/")
            .header(QUESTION, invocation)
            .body(())
    }

    /// The invocation that a request asks about.
    pub(super) fn asked(headers: &HeaderMap) -> Option<InvocationId> {
        id(headers.get(QUESTION)?.to_str().ok()?)
    }
}

fn id(text: &str) -> Option<InvocationId> {
    Some(InvocationId(text.as_bytes().try_into().ok()?))
}

impl From<Passed> for Invoked {
    fn from(passed: Passed) -> Self {
        let caller = match passed.caller {
            Ok(Caller { uid, email, claims }) => Ok(Arc::new(Principal { uid, email, claims })),
            Err(Refusal::Missing) => Err(AuthError::Missing),
            Err(Refusal::Malformed) => Err(AuthError::Malformed),
            Err(Refusal::Rejected) => Err(AuthError::Rejected("see the router's log")),
            Err(Refusal::Unavailable) => Err(AuthError::Unavailable("see the router's log")),
        };
        let client = passed.client;
        Self {
            invocation: id(&passed.invocation).unwrap_or(InvocationId([b'0'; 24])),
            caller,
            app: passed.app.map(Arc::from),
            instance_id: passed.instance_id,
            client: client.map(|(address, origin)| Client::told(address, origin.as_deref())),
            parameters: passed.parameters,
            deadline: Instant::now() + passed.remaining,
            attempt: passed.attempt,
            trace: passed.trace,
        }
    }
}

/// An [`Error`] of the child's, for the parent to treat as its own.
#[derive(Serialize, Deserialize)]
pub(super) struct Failure {
    error: ErrorParts,
    panics: u64,
}

impl Failure {
    /// `panics`: that the child has counted since its last failure.
    pub(super) fn response(error: Error, panics: u64) -> http::Response<Vec<u8>> {
        let failure = Self {
            error: error.into(),
            panics,
        };
        let body = serde_json::to_vec(&failure).unwrap_or_default();
        let mut response = http::Response::new(body);
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        let value = HeaderValue::from_static("1");
        response.headers_mut().insert(FAILURE, value);
        response
    }

    /// What a function sets is not ours.
    pub(super) fn clear(headers: &mut HeaderMap) {
        headers.remove(FAILURE);
    }

    pub(super) fn is_in(headers: &HeaderMap) -> bool {
        headers.contains_key(FAILURE)
    }

    pub(super) fn read(body: &[u8]) -> Result<Self> {
        serde_json::from_slice(body).map_err(Error::internal)
    }

    pub(super) fn panics(&self) -> u64 {
        self.panics
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error.into()
    }
}
