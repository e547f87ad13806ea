//! Reads an event out of an HTTP request, in any of the shapes in which Google's services and the
//! Functions Framework send one:
//!
//! | shape | told by |
//! |---|---|
//! | CloudEvent, structured | `Content-Type: application/cloudevents+json` |
//! | CloudEvent, binary | `ce-…` headers |
//! | Pub/Sub push | a JSON body with `message` |
//! | 1st generation event | a JSON body with `eventType`, at its root or in `context` |
//!
//! The first two are the HTTP binding of CloudEvents 1.0; the other two become the CloudEvents that
//! 2nd generation functions get for the same occurrence. Knows neither sockets nor who may send.

mod attributes;
mod binary;
mod first_generation;
mod payload;
mod pubsub;
mod structured;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::CloudEvent;

/// The W3C trace of the request, which the framework hands on as an attribute.
const TRACEPARENT: &str = "traceparent";

/// Why a request is no event. Its texts are fixed: nothing of the request is ever in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("neither a CloudEvent nor a Pub/Sub push nor a 1st generation event")]
    NotAnEvent,
    #[error("events in batches, or in a format other than JSON")]
    Format,
    #[error("the attribute `{0}` is missing or empty")]
    Missing(&'static str),
    #[error("an attribute's name, value or number of occurrences is not allowed")]
    Attribute,
    #[error("`specversion` is not 1.0")]
    Version,
    #[error("the event's time is not RFC 3339")]
    Time,
    #[error("the body is not JSON")]
    Json,
    #[error("the data is not UTF-8")]
    Text,
    #[error("the data is not base64, or is there twice")]
    Base64,
    #[error("an unknown 1st generation event type")]
    EventType,
    #[error("the resource is not one that events of this type have")]
    Resource,
    #[error("the event has no `domain` to tell the database's location from")]
    Domain,
    #[error("the data is not of the shape that events of this type have")]
    Data,
    #[error("the Cloud Storage notification has no object; its payload format must be JSON_API_V1")]
    Notification,
}

/// The event of a POST. `path` is the request's: Pub/Sub subscriptions made for functions name
/// their topic there.
///
/// # Errors
/// What is wrong with it, for the log; a sender is told nothing but the status.
pub(crate) fn receive(
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<CloudEvent<Value>, Malformed> {
    let mut event = match content_mode(headers)? {
        Some(Mode::Structured) => structured::read(body)?,
        Some(Mode::Binary) => binary::read(headers, body)?,
        None => {
            let members = object(body)?;
            if pubsub::is_push(&members) {
                pubsub::read(path, members)?
            } else {
                first_generation::read(members)?
            }
        }
    };
    if let Some(trace) = headers.get(TRACEPARENT).and_then(|v| v.to_str().ok()) {
        event
            .extensions
            .entry(TRACEPARENT.to_owned())
            .or_insert_with(|| trace.to_owned());
    }
    has_plain_attributes(&event)
        .then_some(event)
        .ok_or(Malformed::Attribute)
}

/// Attributes have no control characters (CloudEvents §3.1), so that a log line with one is a line.
fn has_plain_attributes(event: &CloudEvent<Value>) -> bool {
    [&event.id, &event.source, &event.kind]
        .into_iter()
        .chain(&event.subject)
        .chain(event.extensions.values())
        .all(|value| !value.contains(char::is_control))
}

enum Mode {
    Structured,
    Binary,
}

/// HTTP binding §3: the media type decides, then the headers.
fn content_mode(headers: &HeaderMap) -> Result<Option<Mode>, Malformed> {
    let media = content_type(headers).map(payload::essence);
    match media.as_deref() {
        Some("application/cloudevents+json") => Ok(Some(Mode::Structured)),
        Some(media) if media.starts_with("application/cloudevents") => Err(Malformed::Format),
        _ if binary::is_binary(headers) => Ok(Some(Mode::Binary)),
        _ => Ok(None),
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Malformed> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Malformed::NotAnEvent),
        Err(_) => Err(Malformed::Json),
    }
}

/// An RFC 3339 time, with or without a fraction.
fn time(text: &str) -> Result<jiff::Timestamp, Malformed> {
    text.parse().map_err(|_| Malformed::Time)
}

/// A member that is a text with something in it.
fn text<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    members.get(name)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
