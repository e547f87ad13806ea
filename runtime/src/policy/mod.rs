//! What a function demands of its callers, and the only door to it.
//!
//! Cheap checks come first, and nothing reads a body before the caller is known. [`Admitted`] can be
//! made here alone: an invocation that skipped a check does not compile.

pub(crate) mod cors;
pub(crate) mod rate;
pub(crate) mod slots;

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use http::{HeaderValue, StatusCode};
use manifest::{Auth, FunctionSpec, Trigger};

use crate::app::{App, Entry};
use crate::context::{Arrival, Context, Invoked};
use crate::error::{Error, ErrorCode, Result};
use crate::function::Request;
use crate::identity::{AuthError, Principal};
use crate::present::Field;
use crate::route::Parameters;
use slots::Slot;

/// Proof that the policy passed, with all that the invocation needs.
pub(crate) struct Admitted {
    context: Context,
    places: Places,
}

/// Held until the last byte of the response.
pub(crate) struct Places {
    _function: Slot,
    _process: Slot,
}

impl Places {
    /// `None` when the function or the process has as much to do as it may.
    pub(crate) fn take(app: &App, entry: &Entry) -> Option<Self> {
        Some(Self {
            _function: entry.slots.take()?,
            _process: app.in_flight.take()?,
        })
    }
}

impl Admitted {
    pub(crate) fn into_parts(self) -> (Context, Places) {
        (self.context, self.places)
    }
}

/// # Errors
/// 415 for an encoded body, 413 for a declared length over `max_body`, 503 without a free slot, 429 beyond
/// `rate_limit`; with `auth = "required"` 401 without a valid token and, when tokens cannot be checked now,
/// 503; for a callable both as soon as there is a token; and both for the token of App Check where `app_check`
/// asks for one.
pub(crate) async fn admit(
    app: &App,
    entry: &Arc<Entry>,
    request: &Request,
    arrival: Arrival<'_>,
    parameters: Parameters,
) -> Result<Admitted> {
    let limits = &entry.spec.limits;
    let headers = request.headers();
    let header = |field| arrival.present.get(headers, field);
    if header(Field::ContentEncoding).is_some_and(|encoding| encoding != "identity") {
        return Err(
            Error::new(ErrorCode::InvalidArgument, "Encoded bodies are not read.")
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        );
    }
    let declared_length = header(Field::ContentLength).and_then(number);
    if declared_length.is_some_and(|length| length > limits.max_body) {
        return Err(Error::too_large());
    }
    let overloaded = || Error::new(ErrorCode::Unavailable, "Too many requests at once.");
    let places = Places::take(app, entry).ok_or_else(overloaded)?;
    let attested = attest(app, &entry.spec, headers).await?;
    let caller = identify(app, &entry.spec, headers).await?;
    let client = app.proxies.client(arrival.peer.address, request);
    if let Some(limiter) = &entry.rate_limiter {
        let uid = caller.as_ref().ok().map(|caller| &*caller.uid);
        limiter.count(uid, client.address).map_err(too_many)?;
    }
    let invoked = Invoked {
        invocation: arrival.invocation,
        caller,
        app: attested,
        instance_id: arrival
            .present
            .text(headers, Field::InstanceId)
            .map(str::to_owned),
        client: Some(client),
        parameters,
        deadline: arrival.started + limits.timeout,
        attempt: 1,
        trace: arrival.trace,
    };
    let context = Context::new(entry.clone(), app.backends.clone(), invoked);
    Ok(Admitted { context, places })
}

fn too_many(wait: Duration) -> Error {
    Error::new(
        ErrorCode::ResourceExhausted,
        "Too many requests. Please try again later.",
    )
    .retry_after(wait)
}

// Checks of tokens are boxed, as in `dispatch`, for the requests that have none.

/// The app that the request comes from, for a function that asks for one.
async fn attest(app: &App, spec: &FunctionSpec, headers: &HeaderMap) -> Result<Option<Arc<str>>> {
    if !spec.app_check {
        return Ok(None);
    }
    let attested = Box::pin(app.verifiers.apps.verify(headers)).await;
    if let Err(AuthError::Rejected(reason)) = &attested {
        tracing::debug!(reason, "App Check token refused");
    }
    Ok(Some(attested?))
}

/// The caller of a function, or the sender of an event to one.
async fn identify(
    app: &App,
    spec: &FunctionSpec,
    headers: &HeaderMap,
) -> Result<Result<Arc<Principal>, AuthError>> {
    if spec.auth == Auth::None {
        return Ok(Err(AuthError::Missing));
    }
    let caller = match &spec.trigger {
        Trigger::Http(_) | Trigger::Callable(_) => {
            Box::pin(app.verifiers.user(headers, spec.check_revoked)).await
        }
        Trigger::Storage(_) | Trigger::Event(_) => {
            let senders = &app.verifiers.senders;
            Box::pin(senders.verify(headers, spec.senders.as_ref())).await
        }
    };
    if let Err(AuthError::Rejected(reason)) = &caller {
        tracing::debug!(reason, "token refused");
    }
    match caller {
        Err(error) if spec.auth == Auth::Required => Err(error.into()),
        // As firebase-functions has it: who shows no token is nobody, who shows a bad one is refused.
        Err(error) if is_callable(spec) && error != AuthError::Missing => Err(error.into()),
        caller => Ok(caller),
    }
}

fn is_callable(spec: &FunctionSpec) -> bool {
    matches!(spec.trigger, Trigger::Callable(_))
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unavailable(_) => {
                Self::new(ErrorCode::Unavailable, "Tokens cannot be checked now.")
            }
            AuthError::Missing | AuthError::Malformed | AuthError::Rejected(_) => {
                Self::new(ErrorCode::Unauthenticated, "Unauthenticated")
            }
        }
    }
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}
