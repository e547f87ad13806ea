//! What a function is given beside its input. It holds only what every function may use.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use crate::app::Entry;
use crate::callable;
use crate::database::Database;
use crate::error::{Error, ErrorCode, Result};
use crate::events::{self, CloudEvent};
use crate::forwarded::{Client, Peer};
use crate::identity::{AuthError, Principal};
use crate::outbound::Outbound;
use crate::present::Present;
use crate::route::Parameters;
use crate::secrets::Secrets;
use crate::storage::{Bucket, Storage};
use crate::stream::Outlet;
use crate::telemetry::metrics::Causes;

/// One invocation as its function sees it: who calls, until when, and what it may reach.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
    /// Of a streamed invocation.
    outlet: Option<Outlet>,
}

struct Inner {
    function: Arc<Entry>,
    backends: Arc<Backends>,
    invoked: Invoked,
}

/// What is known of a request before anybody looks at what it wants.
pub(crate) struct Arrival<'r> {
    pub(crate) started: Instant,
    pub(crate) peer: &'r Peer,
    pub(crate) invocation: InvocationId,
    pub(crate) present: Present,
    /// See [`Invoked::trace`].
    pub(crate) trace: Option<String>,
}

/// What is particular to one invocation.
pub(crate) struct Invoked {
    pub(crate) invocation: InvocationId,
    pub(crate) caller: Result<Arc<Principal>, AuthError>,
    /// That App Check vouches for.
    pub(crate) app: Option<Arc<str>>,
    /// See [`Context::instance_id_token`].
    pub(crate) instance_id: Option<String>,
    /// `None` for the delivery of an event.
    pub(crate) client: Option<Client>,
    pub(crate) parameters: Parameters,
    pub(crate) deadline: Instant,
    /// From 1; a request is never repeated by the router.
    pub(crate) attempt: u32,
    /// What connects it with the logs of its caller: 32 hexadecimal digits.
    pub(crate) trace: Option<String>,
}

impl Invoked {
    /// By the delivery of an event, which nobody calls.
    pub(crate) fn by_event(invocation: InvocationId, attempt: u32, deadline: Instant) -> Self {
        Self {
            invocation,
            caller: Err(AuthError::Missing),
            app: None,
            instance_id: None,
            client: None,
            parameters: Parameters::default(),
            deadline,
            attempt,
            trace: None,
        }
    }
}

/// What outlives every invocation.
pub(crate) struct Backends {
    pub(crate) database: Database,
    /// `None` in the process of an isolated function.
    pub(crate) storage: Option<Storage>,
    pub(crate) secrets: Secrets,
    pub(crate) http: reqwest::Client,
    pub(crate) causes: Causes,
}

/// 24 hexadecimal digits: a random number of this process, then a counter. Unique, not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvocationId(pub(crate) [u8; 24]);

impl InvocationId {
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same in as few numbers as it fits into.
    pub(crate) fn words(self) -> [u64; 3] {
        let (words, _) = self.0.as_chunks();
        std::array::from_fn(|index| u64::from_ne_bytes(words[index]))
    }

    pub(crate) fn from_words(words: [u64; 3]) -> Self {
        let mut digits = [0; 24];
        let (chunks, _) = digits.as_chunks_mut();
        for (chunk, word) in chunks.iter_mut().zip(words) {
            *chunk = word.to_ne_bytes();
        }
        Self(digits)
    }
}

impl Context {
    pub(crate) fn new(function: Arc<Entry>, backends: Arc<Backends>, invoked: Invoked) -> Self {
        Self {
            inner: Arc::new(Inner {
                function,
                backends,
                invoked,
            }),
            outlet: None,
        }
    }

    /// The same invocation, whose pieces go to `outlet`.
    pub(crate) fn streaming_to(&self, outlet: Outlet) -> Self {
        Self {
            inner: self.inner.clone(),
            outlet: Some(outlet),
        }
    }

    pub(crate) fn invoked(&self) -> &Invoked {
        &self.inner.invoked
    }

    pub(crate) fn function(&self) -> &Arc<Entry> {
        &self.inner.function
    }

    /// The verified caller, or why there is none. With `auth = "required"` it is always `Ok`; with
    /// `auth = "none"` nobody looked, and it is `Err(AuthError::Missing)`.
    ///
    /// # Errors
    /// What is wrong with the `Authorization` header, for a function that words its own refusal.
    pub fn caller(&self) -> Result<&Principal, AuthError> {
        match &self.inner.invoked.caller {
            Ok(principal) => Ok(principal),
            Err(error) => Err(*error),
        }
    }

    /// The id of the app that the request comes from, `1:1234567890:web:321abc`, which App Check vouches
    /// for. `None` without `app_check = "required"`: then nobody looked.
    pub fn app(&self) -> Option<&str> {
        self.inner.invoked.app.as_deref()
    }

    /// The registration of the caller's device with Cloud Messaging, as its SDK sent it; not verified.
    pub fn instance_id_token(&self) -> Option<&str> {
        self.inner.invoked.instance_id.as_deref()
    }

    /// The address that the request came from, as far as it can be trusted: the connection's other end,
    /// or whom the proxies name that the operator trusts. `None` for the delivery of an event.
    pub fn address(&self) -> Option<IpAddr> {
        Some(self.inner.invoked.client.as_ref()?.address)
    }

    /// `https://host[:port]` under which the client reached us, for links that lead back here. Without a
    /// trusted proxy in between, it is the client who says which host. `None` for the delivery of an event.
    pub fn origin(&self) -> Option<&str> {
        self.inner.invoked.client.as_ref()?.origin()
    }

    /// The database that NEON_DATABASE_URL names, or the embedded one.
    pub fn database(&self) -> &Database {
        &self.inner.backends.database
    }

    /// The bucket that the function's manifest entry names.
    ///
    /// # Errors
    /// Internal, when the entry names another one, or none.
    pub fn bucket(&self, name: &str) -> Result<Bucket> {
        let function = &self.inner.function.spec;
        let named = function.bucket.as_deref() == Some(name);
        named
            .then(|| self.inner.backends.storage.as_ref()?.bucket(name))
            .flatten()
            .ok_or_else(|| {
                let function = &function.name;
                Error::internal(format!(
                    "[functions.{function}] does not name the bucket {name}"
                ))
            })
    }

    /// A secret that the function's manifest entry lists; `None` for an optional one that is unset.
    ///
    /// # Errors
    /// Internal, when the entry does not list it.
    pub fn secret(&self, name: &str) -> Result<Option<&str>> {
        let function = &self.inner.function.spec;
        if !function.secrets.iter().any(|s| s.name == name) {
            return Err(Error::internal(format!(
                "[functions.{}] does not list the secret {name}",
                function.name
            )));
        }
        Ok(self.inner.backends.secrets.get(name))
    }

    /// A switch of the manifest entry's `flags`; off when it is not written there.
    pub fn flag(&self, name: &str) -> bool {
        self.inner
            .function
            .spec
            .flags
            .get(name)
            .copied()
            .unwrap_or_default()
    }

    /// Calls to the servers that the manifest entry lists in `egress`, which end with the invocation at
    /// the latest.
    pub fn http(&self) -> Outbound<'_> {
        let Inner {
            function,
            backends,
            invoked,
        } = &*self.inner;
        Outbound {
            client: &backends.http,
            function: &function.spec,
            secrets: &backends.secrets,
            deadline: invoked.deadline,
            trace: invoked.trace.as_deref(),
        }
    }

    /// Publishes an event. When this returns, the event is durable, and every function whose entry
    /// says `event = { type = "…" }` with its [kind](CloudEvent::kind) is run for it, as often as its
    /// `retry` allows. A `time` and a `datacontenttype` that are missing are filled in.
    ///
    /// The id is the idempotency key: an event that was published before, by the same id, source and
    /// type, is published already. So an event function that is run again should derive the id from
    /// that of its own event. Ids are remembered for a week at least.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for an event without an id, a source or a type, of a type that begins with
    /// `google.`, or of more than 512 KiB as JSON; `ALREADY_EXISTS` for the id of another event;
    /// `UNAVAILABLE` when the ledger fails: whether the event is published is settled by publishing
    /// it again. Internal, when the data cannot be written as JSON.
    pub async fn publish(&self, event: CloudEvent<impl Serialize>) -> Result<()> {
        let Some(storage) = &self.inner.backends.storage else {
            let name = &self.inner.function.spec.name;
            return Err(Error::internal(format!(
                "[functions.{name}] is isolated, and the ledger is of the router's process alone"
            )));
        };
        events::publish::publish(storage.ledger(), event).await
    }

    /// One more of the counter `{metric}_total{function="…",cause="{label}"}` of `GET /metrics`. `metric`
    /// consists of `a` to `z` and `_`. For what happens rarely: it takes a lock.
    pub fn count(&self, metric: &'static str, label: &'static str) {
        let function = &self.inner.function.spec.name;
        self.inner.backends.causes.count(metric, function, label);
    }

    /// Whether the client reads pieces, so that [`Context::send`] is worth the trouble.
    pub fn is_streamed(&self) -> bool {
        self.outlet.is_some()
    }

    /// Sends the client a piece of what is being made, and waits until it is on its way. `false` when
    /// nobody reads pieces: the invocation is not streamed, or its client has left.
    ///
    /// # Errors
    /// Internal, when `piece` cannot be JSON (a map with keys that are not strings).
    pub fn send(
        &self,
        piece: &(impl Serialize + ?Sized),
    ) -> impl Future<Output = Result<bool>> + Send {
        // Written down before anything waits: a piece need not be `Sync`.
        let piece = self.outlet.as_ref().map(|_| callable::encode(piece));
        async move {
            match (&self.outlet, piece.transpose()?) {
                (Some(outlet), Some(piece)) => Ok(outlet.send(&piece).await),
                _ => Ok(false),
            }
        }
    }

    /// One `{name}` of the route that matched, percent-decoded once.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it is not UTF-8; internal when the route has no such parameter.
    pub fn parameter(&self, name: &str) -> Result<String> {
        let raw = self
            .inner
            .invoked
            .parameters
            .get(name)
            .ok_or_else(|| Error::internal(format!("the route has no {{{name}}}")))?;
        percent_encoding::percent_decode_str(raw)
            .decode_utf8()
            .map(String::from)
            .map_err(|error| {
                Error::new(ErrorCode::InvalidArgument, "The path is not UTF-8.").because(error)
            })
    }

    /// The pattern of the explicit route that matched, as the manifest writes it.
    pub fn route(&self) -> Option<&str> {
        self.inner.invoked.parameters.pattern()
    }

    /// When the invocation is cut.
    pub fn deadline(&self) -> Instant {
        self.inner.invoked.deadline
    }

    /// The id that the log and the `X-Request-Id` header carry.
    pub fn invocation(&self) -> InvocationId {
        self.inner.invoked.invocation
    }

    /// Which attempt at its event this is, from 1. For a request it is always the first.
    pub fn attempt(&self) -> u32 {
        self.inner.invoked.attempt
    }
}
