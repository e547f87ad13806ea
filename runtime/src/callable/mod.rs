//! What `httpsCallable` of the Firebase SDKs speaks: a POST of `{"data":…}`, answered with `{"result":…}` or
//! `{"error":{"details":…,"message":"…","status":"NOT_FOUND"}}`, as firebase-functions answers it.
//!
//! Whatever is wrong with a request's form, from the method to a key too many, is `Bad Request`, so
//! that no SDK meets a 404 or 405 that it would take for a missing function. The method and the media type
//! are looked at before the token, as firebase-functions does. Its body, which firebase-functions has
//! read by then, is read after the token: to a malformed body with a bad token the answer is 401.
//!
//! Knows nothing of routes and tokens. An SDK that asks for a stream is answered by [`crate::stream`].

mod longs;
mod sse;

use std::future::Future;

use http::header::ACCEPT;
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::error::{Error, ErrorCode, Result};
use crate::function::{Request, Response, is_json};
use crate::respond::typed;
use crate::stream::stream;

pub(crate) use longs::encode;
pub(crate) use sse::event;

/// The part of a call's form that needs no body.
///
/// # Errors
/// `Bad Request`.
pub(crate) fn check_head(method: &Method, headers: &HeaderMap) -> Result<()> {
    match method == Method::POST && is_json(headers) {
        true => Ok(()),
        false => Err(bad_request()),
    }
}

/// Whether the SDK's `stream()` asks. It sends exactly this; firebase-functions answers anything else, such
/// as a list of two types, whole.
pub(crate) fn asks_for_stream(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(ACCEPT).iter();
    matches!((accepts.next(), accepts.next()), (Some(accept), None) if accept == "text/event-stream")
}

/// Reads a call whose head was checked, runs the function, and answers as the client asked.
///
/// # Errors
/// `Bad Request`; internal for a value of an `@type` that is none of the protocol's;
/// `INVALID_ARGUMENT` when the data is not an `In`; and what the body or the function fails with.
pub(crate) async fn answer<F, Fut, In, Out>(
    context: Context,
    request: Request,
    function: F,
) -> Result<Response>
where
    F: FnOnce(Context, In) -> Fut,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    In: DeserializeOwned,
    Out: Serialize + 'static,
{
    let streamed = asks_for_stream(request.headers());
    let data = data(&request.into_body().collect().await?)?;
    let input = serde_json::from_value(data).map_err(|error| {
        Error::new(
            ErrorCode::InvalidArgument,
            "The data is not what this function takes.",
        )
        .because(error)
    })?;
    if streamed {
        return Ok(stream(&context, |context| function(context, input)));
    }
    let result = encode(&function(context, input).await?)?;
    Ok(typed(
        StatusCode::OK,
        "application/json; charset=utf-8",
        format!("{{\"result\":{result}}}"),
    ))
}

/// What `data` holds, which must be there and alone.
fn data(body: &[u8]) -> Result<Value> {
    let mut envelope: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| bad_request().because(error))?;
    match (envelope.remove("data"), envelope.is_empty()) {
        (Some(data), true) => longs::decode(data),
        _ => Err(bad_request()),
    }
}

fn bad_request() -> Error {
    Error::new(ErrorCode::InvalidArgument, "Bad Request")
}
