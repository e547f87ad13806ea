//! CloudEvents in binary mode: attributes in headers, data in the body.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode;
use serde_json::Value;

use super::attributes::Attributes;
use super::{Malformed, content_type, payload};
use crate::events::CloudEvent;

const PREFIX: &str = "ce-";
/// Any of them says that the sender means a CloudEvent; one that lacks the others is refused.
const REQUIRED: [&str; 4] = ["ce-specversion", "ce-id", "ce-source", "ce-type"];

pub(super) fn is_binary(headers: &HeaderMap) -> bool {
    REQUIRED.iter().any(|name| headers.contains_key(*name))
}

pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent<Value>, Malformed> {
    let mut attributes = Attributes::default();
    if let Some(media) = content_type(headers) {
        attributes.add("datacontenttype", media.to_owned())?;
    }
    for (name, value) in headers {
        if let Some(attribute) = name.as_str().strip_prefix(PREFIX) {
            attributes.add(attribute, decode(value)?)?;
        }
    }
    let media = attributes.content_type().unwrap_or(payload::JSON);
    let data = payload::read(media, body)?;
    attributes.into_event(data)
}

/// HTTP binding §3.1.3.2: a quoted string is taken out of its quotes, then one round of
/// percent-decoding, and what comes out is UTF-8.
fn decode(value: &HeaderValue) -> Result<String, Malformed> {
    let bytes = unquote(value.as_bytes());
    percent_decode(&bytes)
        .decode_utf8()
        .map(Cow::into_owned)
        .map_err(|_| Malformed::Attribute)
}

fn unquote(bytes: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', quoted @ .., b'"'] = bytes else {
        return Cow::Borrowed(bytes);
    };
    let mut plain = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        let escaped = (byte == b'\\').then(|| bytes.next()).flatten();
        plain.push(*escaped.unwrap_or(&byte));
    }
    Cow::Owned(plain)
}
