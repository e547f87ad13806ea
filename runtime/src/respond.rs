//! Making responses: the few shapes that functions and the runtime itself answer with.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use manifest::ErrorFormat;
use serde::Serialize;
use serde_json::{Value, json};

use crate::body::Body;
use crate::error::{Error, Result};
use crate::function::Response;

/// For a 429 and a 503 that do not say when to come again.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// A JSON response.
///
/// # Errors
/// Internal, when `value` cannot be JSON (a map with keys that are not strings).
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Response> {
    let bytes = serde_json::to_vec(value).map_err(Error::internal)?;
    Ok(typed(status, "application/json", bytes))
}

/// A response with a whole body of the given media type.
pub fn typed(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, media);
    response
}

/// Sets one header to a text known at compile time.
pub fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

impl Error {
    /// `{"message":"…","status":"NOT_FOUND"}`, as Firebase's clients read it.
    pub(crate) fn object(&self) -> Value {
        json!({"status": self.code().as_str(), "message": self.message()})
    }

    /// The response that a caller gets: fixed texts, in the shape that the function's clients read.
    pub(crate) fn into_response(self, format: ErrorFormat) -> Response {
        let status = self.status();
        let message = self.message();
        let body = match format {
            ErrorFormat::Firebase => json!({"error": self.object()}),
            ErrorFormat::Detail => json!({"detail": message}),
            ErrorFormat::Message => json!({"status": "error", "message": message}),
            ErrorFormat::Error => json!({"error": message}),
        };
        let mut response = typed(status, "application/json", body.to_string());
        let mut wait = self.retry_after;
        match status {
            StatusCode::UNAUTHORIZED => set(&mut response, WWW_AUTHENTICATE, "Bearer"),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                wait = wait.or(Some(RETRY_AFTER_DEFAULT));
            }
            _ => {}
        }
        if let Some(wait) = wait {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }
}
