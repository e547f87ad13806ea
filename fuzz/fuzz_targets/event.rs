//! Events as they are POSTed: an accepted one has what every event has, and is the same one when it is sent
//! again in either mode of the HTTP binding.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::testing::parsing::event;
use runtime::{CloudEvent, StorageObjectData};
use serde_json::Value;

const STRUCTURED: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

fuzz_target!(|data: &[u8]| {
    // A path, headers and an empty line, then the body.
    let Some((head, body)) = split(data) else {
        return;
    };
    let mut lines = head.lines();
    let path = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let (name, value) = (
            name.parse::<HeaderName>(),
            value.trim().parse::<HeaderValue>(),
        );
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let Ok(event) = event(path, &headers, body) else {
        return;
    };
    for text in [&event.id, &event.source, &event.kind] {
        assert!(!text.is_empty());
    }
    for text in event.subject.iter().chain(event.extensions.values()) {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    check_structured(&event);
    check_binary(&event);
    let _ = event.typed::<StorageObjectData>();
});

fn split(data: &[u8]) -> Option<(&str, &[u8])> {
    let end = data.windows(2).position(|window| window == b"\n\n")?;
    Some((str::from_utf8(&data[..end]).ok()?, &data[end + 2..]))
}

fn check_structured(sent: &CloudEvent<Value>) {
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, STRUCTURED)]);
    let body = serde_json::to_vec(sent).expect("an event is JSON");
    // One level deeper than in a body of its own, its data may be too deep.
    if serde_json::from_slice::<Value>(&body).is_ok() {
        let received = event("/", &headers, &body);
        assert_eq!(received.as_ref(), Ok(sent));
    }
}

fn check_binary(sent: &CloudEvent<Value>) {
    let Some(body) = body(sent) else {
        return;
    };
    let mut headers = HeaderMap::new();
    let media = sent.datacontenttype.as_deref().map(HeaderValue::from_str);
    match media {
        Some(Ok(media)) => drop(headers.insert(http::header::CONTENT_TYPE, media)),
        Some(Err(_)) => return,
        None => {}
    }
    let time = sent.time.map(|time| time.to_string());
    let attributes = [
        ("specversion", Some("1.0")),
        ("id", Some(sent.id.as_str())),
        ("source", Some(sent.source.as_str())),
        ("type", Some(sent.kind.as_str())),
        ("subject", sent.subject.as_deref()),
        ("time", time.as_deref()),
        ("dataschema", sent.dataschema.as_deref()),
    ];
    let attributes = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let extensions = sent.extensions.iter();
    for (name, value) in attributes.chain(extensions.map(|(name, value)| (&**name, &**value))) {
        let name: HeaderName = format!("ce-{name}").parse().expect("letters and digits");
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        headers.insert(name, value.parse().expect("letters and escapes"));
    }
    let received = event("/", &headers, &body);
    assert_eq!(received.as_ref(), Ok(sent));
}

/// The data as bytes of its media type; `None` where binary mode cannot say it.
fn body(event: &CloudEvent<Value>) -> Option<Vec<u8>> {
    let media = event
        .datacontenttype
        .as_deref()
        .unwrap_or("application/json");
    // What a header cannot carry as it is, or what means another mode.
    let is_plain = media.bytes().all(|byte| matches!(byte, b'!'..=b'~' | b' '));
    if !is_plain || media.trim() != media || media.to_ascii_lowercase().contains("cloudevents") {
        return None;
    }
    let essence = media.split(';').next()?.trim().to_ascii_lowercase();
    let is_json =
        matches!(&*essence, "" | "application/json" | "text/json") || essence.ends_with("+json");
    let is_text =
        essence.starts_with("text/") || essence == "application/xml" || essence.ends_with("+xml");
    match &event.data {
        Value::Null => Some(Vec::new()),
        data if is_json => serde_json::to_vec(data).ok(),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) if is_text && !media.to_ascii_lowercase().contains("charset") => {
            Some(text.clone().into_bytes())
        }
        Value::String(text) if !is_text => STANDARD.decode(text).ok(),
        _ => None,
    }
}
