//! Making responses: the few shapes that functions and the runtime itself answer with.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, StatusCode};
use manifest::ErrorFormat;
use serde::Serialize;
use serde_json::{Value, json};

use crate::body::Body;
use crate::callable::event;
use crate::error::{Error, Result};
use crate::function::Response;

/// Makes a 429 or a 503 say when to come again, if it does not, whoever made it.
pub(crate) fn say_when_to_come_again(response: &mut Response) {
    if let StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE = response.status() {
        let wait = || HeaderValue::from_static("5");
        let headers = response.headers_mut();
        headers.entry(RETRY_AFTER).or_insert_with(wait);
    }
}

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

/// Asks nginx, and the proxies that took it over, to pass each piece on as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A response of server-sent events, in the callable protocol's form.
pub(crate) fn events(body: impl Into<Body>) -> Response {
    let mut response = typed(StatusCode::OK, "text/event-stream", body);
    set(&mut response, CACHE_CONTROL, "no-cache");
    set(&mut response, ACCEL_BUFFERING, "no");
    response
}

/// How a request's client is told of a failure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Telling {
    /// By a status, and a body of this shape.
    Status(ErrorFormat),
    /// By the one event of a stream.
    Event,
}

/// What a response would have been answered with, were it not one of events; kept for the log.
#[derive(Clone, Copy)]
struct Hidden(StatusCode);

/// The status that tells how a request ended, also when the client was sent 200.
pub(crate) fn told_status(response: &Response) -> StatusCode {
    let hidden = response.extensions().get::<Hidden>();
    hidden.map_or(response.status(), |hidden| hidden.0)
}

impl Error {
    /// `{"details":…,"message":"…","status":"NOT_FOUND"}`, as Firebase's clients read it.
    pub(crate) fn object(&self) -> Value {
        let mut object = json!({"status": self.code().as_str(), "message": self.message()});
        if let Some(details) = self.details() {
            object["details"] = details.clone();
        }
        object
    }

    /// The response that a caller gets. The status of an event is 200 too: the SDK for the web never settles a
    /// stream that is answered otherwise, and the one for iOS does not read why.
    pub(crate) fn told(self, telling: Telling) -> Response {
        match telling {
            Telling::Status(format) => self.into_response(format),
            Telling::Event => {
                let mut response = events(event("error", &self.object()));
                response.extensions_mut().insert(Hidden(self.status()));
                response
            }
        }
    }

    /// The response that a caller gets: fixed texts, in the shape that the function's clients read, or
    /// in the error's own.
    pub(crate) fn into_response(self, format: ErrorFormat) -> Response {
        let status = self.status();
        let message = self.message();
        let body = match self.format.unwrap_or(format) {
            ErrorFormat::Firebase => json!({"error": self.object()}),
            ErrorFormat::Google => json!({"error": {"code": status.as_u16(), "message": message}}),
            ErrorFormat::Detail => json!({"detail": message}),
            ErrorFormat::Message => json!({"status": "error", "message": message}),
            ErrorFormat::Error => json!({"error": message}),
        };
        let mut response = typed(status, "application/json", body.to_string());
        if status == StatusCode::UNAUTHORIZED {
            set(&mut response, WWW_AUTHENTICATE, "Bearer");
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, *allow);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use manifest::ErrorFormat;

    use super::{Telling, told_status};
    use crate::error::{Error, ErrorCode};

    #[test]
    fn the_log_keeps_the_status_of_what_an_event_tells() {
        for (telling, sent) in [
            (Telling::Status(ErrorFormat::Firebase), 503),
            (Telling::Event, 200),
        ] {
            let response = Error::new(ErrorCode::Unavailable, "later").told(telling);
            assert_eq!(response.status(), sent);
            assert_eq!(told_status(&response), 503);
        }
    }
}
