//! Events of objects: every shape in which one is sent gives a storage function the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Malformed, TIME, binary, posted, received, structured};
use crate::events::{CloudEvent, StorageObjectData};

const BUCKET: &str = "demo.firebasestorage.app";
const NAME: &str = "user_uploads/U1/1_a_x.webm_x.webm";
const SOURCE: &str = "//storage.googleapis.com/projects/_/buckets/demo.firebasestorage.app";
const SUBJECT: &str = "objects/user_uploads/U1/1_a_x.webm_x.webm";
const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";

fn object() -> Value {
    json!({
        "kind": "storage#object", "id": format!("{BUCKET}/{NAME}/1795415346952123"),
        "bucket": BUCKET, "name": NAME, "generation": "1795415346952123",
        "metageneration": "1", "size": "5", "contentType": "video/webm",
        "storageClass": "STANDARD", "timeCreated": TIME, "updated": TIME,
        "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==", "crc32c": "mnG7TA==", "etag": "CLu",
        "metadata": {"firebaseUserId": "U1", "originalFilename": "x.webm",
            "clientTimestamp": TIME},
    })
}

fn in_binary_mode(object: &Value) -> Result<CloudEvent<Value>, Malformed> {
    let fields = binary(&[
        ("ce-id", "77"),
        ("ce-source", SOURCE),
        ("ce-type", FINALIZED),
        ("ce-subject", SUBJECT),
        ("ce-time", TIME),
        ("ce-bucket", BUCKET),
        ("content-type", "application/json"),
    ]);
    received(&fields, &object.to_string())
}

fn in_structured_mode(object: &Value) -> Result<CloudEvent<Value>, Malformed> {
    structured(&json!({
        "specversion": "1.0", "id": "77", "source": SOURCE, "type": FINALIZED,
        "subject": SUBJECT, "time": TIME, "bucket": BUCKET,
        "datacontenttype": "application/json", "data": object,
    }))
}

fn notification(event_type: &str, data: &[u8]) -> Value {
    json!({
        "subscription": "projects/demo/subscriptions/uploads",
        "message": {
            "attributes": {
                "bucketId": BUCKET, "objectId": NAME, "eventType": event_type,
                "eventTime": TIME, "payloadFormat": "JSON_API_V1",
            },
            "data": STANDARD.encode(data), "messageId": "77",
            "publishTime": "2026-03-04T05:07:00Z",
        },
    })
}

fn as_notification(object: &Value) -> Result<CloudEvent<Value>, Malformed> {
    posted(&notification(
        "OBJECT_FINALIZE",
        object.to_string().as_bytes(),
    ))
}

fn in_first_generation(object: &Value) -> Result<CloudEvent<Value>, Malformed> {
    posted(&json!({
        "context": {
            "eventId": "77", "timestamp": TIME, "eventType": "google.storage.object.finalize",
            "resource": {"service": "storage.googleapis.com", "type": "storage#object",
                "name": format!("projects/_/buckets/{BUCKET}/objects/{NAME}")},
        },
        "data": object,
    }))
}

type Send = fn(&Value) -> Result<CloudEvent<Value>, Malformed>;
const SHAPES: [Send; 4] = [
    in_binary_mode,
    in_structured_mode,
    as_notification,
    in_first_generation,
];

fn stored(send: Send, object: &Value) -> CloudEvent<StorageObjectData> {
    send(object).unwrap().typed().unwrap()
}

#[test]
fn every_shape_gives_the_same_event() {
    let [first, others @ ..] = SHAPES.map(|send| send(&object()).unwrap());
    assert_eq!(first.data, object());
    for other in others {
        assert_eq!(other, first);
    }
}

#[test]
fn a_function_reads_the_object_and_its_bucket() {
    let event = stored(in_binary_mode, &object());
    assert_eq!(event.id, "77");
    assert_eq!(event.kind, FINALIZED);
    assert_eq!(event.subject.as_deref(), Some(SUBJECT));
    assert_eq!(event.time.unwrap().to_string(), TIME);
    assert_eq!(event.bucket(), BUCKET);
    assert_eq!(event.extension("bucket"), Some(BUCKET));
    let data = &event.data;
    assert_eq!((data.name.as_str(), data.size.as_str()), (NAME, "5"));
    assert_eq!(data.generation, "1795415346952123");
    assert_eq!(data.content_type.as_deref(), Some("video/webm"));
    assert_eq!(data.metadata["originalFilename"], "x.webm");
}

#[test]
fn the_bucket_is_known_without_the_attribute() {
    let fields = binary(&[("content-type", "application/json")]);
    let event = received(&fields, &object().to_string()).unwrap();
    let event: CloudEvent<StorageObjectData> = event.typed().unwrap();
    assert_eq!(event.bucket(), BUCKET);
    assert_eq!(event.extension("bucket"), None);
}

#[test]
fn an_object_needs_no_content_type() {
    let mut plain = object();
    plain.as_object_mut().unwrap().remove("contentType");
    for send in SHAPES {
        assert_eq!(stored(send, &plain).data.content_type, None);
    }
}

#[test]
fn the_time_of_an_object_needs_no_fraction() {
    let mut whole = object();
    whole["timeCreated"] = "2026-03-04T05:06:07Z".into();
    for send in SHAPES {
        let created = stored(send, &whole).data.time_created.unwrap();
        assert_eq!(created.to_string(), "2026-03-04T05:06:07Z");
    }
}

#[test]
fn numbers_are_read_as_text_and_as_numbers() {
    let mut numbers = object();
    numbers["size"] = 5.into();
    numbers["generation"] = 1_795_415_346_952_123_i64.into();
    let data = stored(in_binary_mode, &numbers).data;
    assert_eq!((&*data.size, &*data.generation), ("5", "1795415346952123"));
}

#[test]
fn each_notification_has_its_event() {
    for (event_type, kind) in [
        ("OBJECT_FINALIZE", "finalized"),
        ("OBJECT_DELETE", "deleted"),
        ("OBJECT_ARCHIVE", "archived"),
        ("OBJECT_METADATA_UPDATE", "metadataUpdated"),
    ] {
        let event = posted(&notification(event_type, object().to_string().as_bytes())).unwrap();
        assert_eq!(event.kind, format!("google.cloud.storage.object.v1.{kind}"));
    }
    let other = posted(&notification("BOOK_ADDED", b"{}")).unwrap();
    assert_eq!(other.kind, "google.cloud.pubsub.topic.v1.messagePublished");
}

#[test]
fn a_notification_without_its_object_is_refused() {
    for (data, fault) in [
        (&b""[..], Malformed::Notification),
        (b"{}", Malformed::Notification),
        (br#"{"bucket": "b", "name": ""}"#, Malformed::Notification),
        (b"[]", Malformed::NotAnEvent),
        (b"\xff", Malformed::Json),
    ] {
        assert_eq!(
            posted(&notification("OBJECT_FINALIZE", data)),
            Err(fault),
            "{data:?}"
        );
    }
    let mut broken = notification("OBJECT_FINALIZE", b"{}");
    broken["message"]["data"] = "not base64".into();
    assert_eq!(posted(&broken), Err(Malformed::Base64));
}

#[test]
fn data_that_are_no_object_are_no_storage_event() {
    for missing in ["bucket", "name", "generation", "metageneration", "size"] {
        let mut part = object();
        part.as_object_mut().unwrap().remove(missing);
        let event = in_binary_mode(&part).unwrap();
        assert!(event.typed::<StorageObjectData>().is_err(), "{missing}");
    }
}

#[test]
fn an_event_survives_its_own_json() {
    let event = stored(in_binary_mode, &object());
    let text = serde_json::to_string(&event).unwrap();
    let again: CloudEvent<StorageObjectData> = serde_json::from_str(&text).unwrap();
    assert_eq!(again, event);
    let value = serde_json::to_value(&event).unwrap();
    assert_eq!(
        (&value["bucket"], &value["specversion"]),
        (&json!(BUCKET), &json!("1.0"))
    );
}
