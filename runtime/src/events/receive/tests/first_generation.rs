//! Events of the 1st generation and the CloudEvents that they become.

use serde_json::{Value, json};

use super::{Malformed, TIME, posted};

const DOCUMENT: &str = "providers/cloud.firestore/eventTypes/document.";
const REFERENCE: &str = "providers/google.firebase.database/eventTypes/ref.";
const USER: &str = "providers/firebase.auth/eventTypes/user.";

/// The flat form.
fn sent(event_type: &str, resource: impl Into<Value>, data: impl Into<Value>) -> Value {
    json!({
        "eventId": "e-9", "timestamp": TIME, "eventType": event_type,
        "resource": resource.into(), "data": data.into(), "domain": "firebaseio.com",
        "params": {"ignored": "1"}, "auth": {"admin": true},
    })
}

/// An event's type, source below `googleapis.com`, and subject.
type Attributes<'a> = (&'a str, &'a str, &'a str);

#[rustfmt::skip] // a table
#[test]
fn each_event_type_becomes_its_cloud_event() {
    let object = "projects/_/buckets/b/objects/o/p";
    let document = "projects/p/databases/(default)/documents/c/d";
    let reference = "projects/_/instances/i/refs/a/b";
    let user = json!({"uid": "u"});
    let app = json!({"userDim": {"appInfo": {"appId": "app"}}});
    let topic = "projects/p/topics/t";
    let stored = ("storage", "projects/_/buckets/b", "objects/o/p");
    let written = ("firestore", "projects/p/databases/(default)", "documents/c/d");
    let referred = ("firebasedatabase", "projects/_/locations/us-central1/instances/i", "refs/a/b");
    let published = ("pubsub", topic, "");
    let rows: Vec<(String, &str, Value, &str, Attributes<'_>)> = vec![
        ("google.storage.object.finalize".into(), object, json!({}), "google.cloud.storage.object.v1.finalized", stored),
        ("google.storage.object.delete".into(), object, json!({}), "google.cloud.storage.object.v1.deleted", stored),
        ("google.storage.object.archive".into(), object, json!({}), "google.cloud.storage.object.v1.archived", stored),
        ("google.storage.object.metadataUpdate".into(), object, json!({}), "google.cloud.storage.object.v1.metadataUpdated", stored),
        ("providers/cloud.storage/eventTypes/object.change".into(), object, json!({}), "google.cloud.storage.object.v1.finalized", stored),
        (format!("{DOCUMENT}write"), document, json!({}), "google.cloud.firestore.document.v1.written", written),
        (format!("{DOCUMENT}create"), document, json!({}), "google.cloud.firestore.document.v1.created", written),
        (format!("{DOCUMENT}update"), document, json!({}), "google.cloud.firestore.document.v1.updated", written),
        (format!("{DOCUMENT}delete"), document, json!({}), "google.cloud.firestore.document.v1.deleted", written),
        (format!("{REFERENCE}create"), reference, json!({}), "google.firebase.database.ref.v1.created", referred),
        (format!("{REFERENCE}write"), reference, json!({}), "google.firebase.database.ref.v1.written", referred),
        (format!("{REFERENCE}update"), reference, json!({}), "google.firebase.database.ref.v1.updated", referred),
        (format!("{REFERENCE}delete"), reference, json!({}), "google.firebase.database.ref.v1.deleted", referred),
        (format!("{USER}create"), "projects/p", user.clone(), "google.firebase.auth.user.v1.created", ("firebaseauth", "projects/p", "users/u")),
        (format!("{USER}delete"), "projects/p", user, "google.firebase.auth.user.v1.deleted", ("firebaseauth", "projects/p", "users/u")),
        ("providers/google.firebase.analytics/eventTypes/event.log".into(), "projects/p/events/e", app, "google.firebase.analytics.log.v1.written", ("firebaseanalytics", "projects/p/apps/app", "events/e")),
        ("providers/firebase.remoteConfig/remoteconfig.update".into(), "projects/p", json!({}), "google.firebase.remoteconfig.remoteConfig.v1.updated", ("firebaseremoteconfig", "projects/p", "")),
        ("google.pubsub.topic.publish".into(), topic, json!({}), "google.cloud.pubsub.topic.v1.messagePublished", published),
        ("providers/cloud.pubsub/eventTypes/topic.publish".into(), topic, json!({}), "google.cloud.pubsub.topic.v1.messagePublished", published),
    ];
    for (event_type, resource, data, kind, (service, place, subject)) in rows {
        let event = posted(&sent(&event_type, resource, data)).unwrap();
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(event.source, format!("//{service}.googleapis.com/{place}"), "{event_type}");
        assert_eq!(event.subject.unwrap_or_default(), subject, "{event_type}");
        assert_eq!((event.id.as_str(), event.time.unwrap().to_string().as_str()), ("e-9", TIME));
        assert_eq!(event.datacontenttype.as_deref(), Some("application/json"));
        let bucket = event.extensions.get("bucket").map(String::as_str);
        assert_eq!(bucket, (service == "storage").then_some("b"), "{event_type}");
    }
}

#[test]
fn the_context_and_the_flat_form_give_one_and_the_same_event() {
    let resource = json!({"service": "firestore.googleapis.com", "type": "t",
        "name": "projects/p/databases/other/documents/c/d"});
    let flat = sent(&format!("{DOCUMENT}write"), resource, json!({"value": 1}));
    let mut nested = json!({"context": flat, "data": {"value": 1}});
    nested["context"].as_object_mut().unwrap().remove("data");
    let event = posted(&nested).unwrap();
    assert_eq!(event, posted(&flat).unwrap());
    assert_eq!(
        event.source,
        "//firestore.googleapis.com/projects/p/databases/other"
    );

    nested["eventId"] = "of the root".into();
    assert_eq!(posted(&nested).unwrap(), event, "the context comes first");

    nested["message"] = json!({"messageId": "1"});
    assert_eq!(
        posted(&nested).unwrap(),
        event,
        "with a context, it is no push"
    );
}

#[test]
fn the_service_is_what_the_resource_says() {
    let resource = json!({"service": "config.example.com", "name": "projects/p"});
    let event = posted(&sent(
        "providers/firebase.remoteConfig/remoteconfig.update",
        resource,
        json!({}),
    ));
    assert_eq!(event.unwrap().source, "//config.example.com/projects/p");
}

#[test]
fn the_generation_behind_an_objects_name_is_no_part_of_the_subject() {
    for (object, data, subject) in [
        ("objects/a#17", json!({}), "objects/a"),
        ("objects/a#17", json!({"name": "a"}), "objects/a"),
        ("objects/a#17", json!({"name": "a#17"}), "objects/a#17"),
        ("objects/a#b", json!({}), "objects/a#b"),
        ("objects/a#", json!({}), "objects/a#"),
        ("objects/a#1#17", json!({}), "objects/a#1"),
        ("objects/#17", json!({}), "objects/#17"),
    ] {
        let resource = format!("projects/_/buckets/b/{object}");
        let event = posted(&sent("google.storage.object.finalize", resource, data)).unwrap();
        assert_eq!(event.subject.as_deref(), Some(subject), "{object}");
    }
}

#[test]
fn the_location_of_a_database_comes_from_its_domain() {
    for (domain, location) in [
        ("firebaseio.com", Ok("us-central1")),
        (
            "asia-southeast1.firebasedatabase.app",
            Ok("asia-southeast1"),
        ),
        (".firebasedatabase.app", Err(Malformed::Domain)),
        ("", Err(Malformed::Domain)),
    ] {
        let resource = "projects/_/instances/i/refs/a";
        let mut event = sent(&format!("{REFERENCE}write"), resource, json!({}));
        event["domain"] = domain.into();
        let source = posted(&event).map(|event| event.source);
        let expected = location.map(|location| {
            format!("//firebasedatabase.googleapis.com/projects/_/locations/{location}/instances/i")
        });
        assert_eq!(source, expected, "{domain}");
    }
}

#[test]
fn the_times_of_a_user_get_their_new_names() {
    let data = json!({"uid": "u", "metadata": {"createdAt": "1", "lastSignedInAt": "2", "x": 3}});
    let event = posted(&sent(&format!("{USER}create"), "projects/p", data)).unwrap();
    let metadata = json!({"createTime": "1", "lastSignInTime": "2", "x": 3});
    assert_eq!(event.data, json!({"uid": "u", "metadata": metadata}));
    let event = posted(&sent(&format!("{USER}create"), "projects/p", json!({}))).unwrap();
    assert_eq!((event.subject, event.data), (None, json!({})));
}

#[test]
fn a_message_keeps_its_own_id_and_time() {
    let publish = |data| {
        let event = sent("google.pubsub.topic.publish", "projects/p/topics/t", data);
        posted(&event).map(|event| event.data)
    };
    assert_eq!(
        publish(json!({"@type": "t", "data": "aGk="})),
        Ok(json!({"message": {
            "@type": "t", "data": "aGk=", "messageId": "e-9", "publishTime": TIME,
        }}))
    );
    let own = json!({"messageId": "m", "publishTime": "p"});
    assert_eq!(publish(own.clone()), Ok(json!({"message": own})));
    assert_eq!(publish(json!("aGk=")), Err(Malformed::Data));
}

#[test]
fn an_event_with_a_fault_is_refused_for_that_fault() {
    let finalize = "google.storage.object.finalize";
    let object = "projects/_/buckets/b/objects/o";
    let with = |name: &str, value: Value| {
        let mut event = sent(finalize, object, json!({}));
        event[name] = value;
        event
    };
    for (event, fault) in [
        (
            with("eventType", json!("no.such.type")),
            Malformed::EventType,
        ),
        (with("eventType", json!(5)), Malformed::NotAnEvent),
        (with("eventId", json!("")), Malformed::Missing("id")),
        (with("eventId", Value::Null), Malformed::Missing("id")),
        (with("eventId", json!("a\nb")), Malformed::Attribute),
        (with("timestamp", json!("then")), Malformed::Time),
        (with("resource", Value::Null), Malformed::Resource),
        (
            with("resource", json!({"service": "s"})),
            Malformed::Resource,
        ),
        (
            with("resource", json!("projects/_/buckets/b")),
            Malformed::Resource,
        ),
        (
            with("resource", json!("projects/_/buckets/b/objects/")),
            Malformed::Resource,
        ),
        (
            with("resource", json!("projects/_/buckets//objects/o")),
            Malformed::Resource,
        ),
    ] {
        assert_eq!(posted(&event), Err(fault), "{event}");
    }
    for (event_type, resource) in [
        (format!("{DOCUMENT}write"), "projects/p/databases/d"),
        (
            format!("{DOCUMENT}write"),
            "projects/p/databases/d/documents/",
        ),
        (
            format!("{DOCUMENT}write"),
            "projects/p/q/databases/d/documents/c",
        ),
        (format!("{REFERENCE}write"), "projects/p/instances/i/refs/a"),
        (format!("{REFERENCE}write"), "projects/_/instances/i/refs/"),
        (
            "providers/google.firebase.analytics/eventTypes/event.log".into(),
            "projects/p",
        ),
    ] {
        let refused = posted(&sent(&event_type, resource, json!({})));
        assert_eq!(refused, Err(Malformed::Resource), "{resource}");
    }
}
