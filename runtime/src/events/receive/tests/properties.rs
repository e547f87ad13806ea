//! What holds for any request at all.

use http::{HeaderMap, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{binary, headers as headers_of};

use crate::events::receive::receive;
use crate::events::{CloudEvent, StorageObjectData};

/// In every text that a request is made of, and in none that the product writes.
const MARK: &str = "s3cr3t";

const NAMES: [&str; 24] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "data",
    "data_base64",
    "bucket",
    "context",
    "eventId",
    "eventType",
    "timestamp",
    "resource",
    "service",
    "name",
    "domain",
    "message",
    "attributes",
    "messageId",
    "publishTime",
    "metadata",
    "uid",
];

/// Texts that mean something, so that every path is taken, and some that do not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "1.0", "application/json", "application/cloudevents+json", "text/plain", "image/png",
            "2026-03-04T05:06:07Z", "google.storage.object.finalize", "google.pubsub.topic.publish",
            "providers/cloud.firestore/eventTypes/document.write", "firebaseio.com", "OBJECT_FINALIZE",
            "providers/google.firebase.database/eventTypes/ref.write", "aGk=", "", "\"", "%",
            "projects/_/buckets/b/objects/o#1", "projects/p/databases/d/documents/c",
            "projects/_/instances/i/refs/r",
        ]).prop_map(str::to_owned),
        1 => ".{0,12}".prop_map(|text| format!("{MARK}{text}")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(3, 48, 12, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned);
    vec((name, value), 0..12).prop_map(|members| members.into_iter().collect())
}

/// Something random over an event of one shape, or over nothing, or no JSON at all.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let event = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t"});
    let push = json!({"message": {"messageId": "1", "data": "aGk="}});
    let old = json!({
        "eventId": "1", "eventType": "google.storage.object.finalize",
        "resource": "projects/_/buckets/b/objects/o", "data": {"uid": "u", "metadata": {}},
    });
    let shape = prop::sample::select(vec![json!({}), event, push, old]);
    let over = (shape, members(value())).prop_map(|(mut event, members)| {
        for (name, value) in members.into_iter().take(4) {
            event[name] = value;
        }
        event.to_string().into_bytes()
    });
    prop_oneof![
        4 => over,
        1 => vec(any::<u8>(), 0..64),
    ]
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let shape = prop::sample::select(vec![
        headers_of(&[]),
        headers_of(&[("content-type", "application/cloudevents+json")]),
        headers_of(&binary(&[])),
    ]);
    let names = vec![
        "content-type",
        "ce-id",
        "ce-time",
        "ce-subject",
        "ce-x",
        "traceparent",
    ];
    let field = (prop::sample::select(names), text());
    (shape, vec(field, 0..3)).prop_map(|(mut headers, fields)| {
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(name, value);
            }
        }
        headers
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_request_panics_and_no_refusal_quotes_it(path in text(), headers in headers(), body in body()) {
        match receive(&path, &headers, &body) {
            Err(fault) => {
                let told = format!("{fault} {fault:?}");
                prop_assert!(!told.contains(MARK), "{told}");
            }
            Ok(event) => {
                let required = [&event.id, &event.source, &event.kind];
                prop_assert!(required.iter().all(|text| !text.is_empty()));
                let text = serde_json::to_string(&event).unwrap();
                let again: CloudEvent<Value> = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&again, &event);
                let _ = event.typed::<StorageObjectData>();
            }
        }
    }
}
