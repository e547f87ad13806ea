//! One file per shape, then what holds for all of them.

mod first_generation;
mod modes;
mod properties;
mod pushes;
mod storage;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{Malformed, receive};
use crate::events::CloudEvent;

const TIME: &str = "2026-03-04T05:06:07.089Z";

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header's value");
            (HeaderName::from_static(name), value)
        })
        .collect()
}

/// The four attributes that every event has, and a few more headers.
fn binary<'h>(more: &[(&'static str, &'h str)]) -> Vec<(&'static str, &'h str)> {
    let mut fields = vec![
        ("ce-specversion", "1.0"),
        ("ce-id", "e-1"),
        ("ce-source", "//example.com/shelf"),
        ("ce-type", "com.example.book.v1.added"),
    ];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    fields
}

fn received(fields: &[(&'static str, &str)], body: &str) -> Result<CloudEvent<Value>, Malformed> {
    receive("/", &headers(fields), body.as_bytes())
}

/// A body without a word about it in the headers.
fn posted(body: &Value) -> Result<CloudEvent<Value>, Malformed> {
    let json = [("content-type", "application/json")];
    received(&json, &body.to_string())
}

fn structured(body: &Value) -> Result<CloudEvent<Value>, Malformed> {
    let format = [("content-type", "application/cloudevents+json")];
    received(&format, &body.to_string())
}
