//! Pub/Sub pushes of plain messages.

use http::HeaderMap;
use serde_json::{Value, json};

use super::{Malformed, TIME, posted};
use crate::events::receive::receive;

fn push() -> Value {
    json!({
        "subscription": "projects/library/subscriptions/to-us",
        "message": {
            "data": "Ym9vaw==", "attributes": {"shelf": "B"}, "orderingKey": "k",
            "messageId": "77", "message_id": "77", "publishTime": TIME, "publish_time": TIME,
        },
    })
}

#[test]
fn a_message_becomes_the_event_of_its_publication() {
    let event = posted(&push()).unwrap();
    assert_eq!(event.kind, "google.cloud.pubsub.topic.v1.messagePublished");
    assert_eq!(event.id, "77");
    assert_eq!(event.time.unwrap().to_string(), TIME);
    assert_eq!(event.subject, None);
    assert_eq!(
        event.data,
        json!({"message": {
            "@type": "type.googleapis.com/google.pubsub.v1.PubsubMessage",
            "data": "Ym9vaw==", "attributes": {"shelf": "B"}, "orderingKey": "k",
            "messageId": "77", "publishTime": TIME,
        }})
    );
}

#[test]
fn the_source_is_the_topic_of_the_url_or_else_the_subscription() {
    let subscription = "//pubsub.googleapis.com/projects/library/subscriptions/to-us";
    for (path, source) in [
        (
            "/projects/p/topics/t",
            "//pubsub.googleapis.com/projects/p/topics/t",
        ),
        (
            "/f/projects/p/topics/t/more",
            "//pubsub.googleapis.com/projects/p/topics/t",
        ),
        (
            "/projects/x/projects/p/topics/t",
            "//pubsub.googleapis.com/projects/p/topics/t",
        ),
        ("/projects/p/topics/", subscription),
        ("/projects//topics/t", subscription),
        ("/", subscription),
    ] {
        let event = receive(path, &HeaderMap::new(), push().to_string().as_bytes());
        assert_eq!(event.unwrap().source, source, "{path}");
    }
    let mut alone = push();
    alone.as_object_mut().unwrap().remove("subscription");
    assert_eq!(posted(&alone).unwrap().source, "//pubsub.googleapis.com");
}

#[test]
fn the_older_spelling_is_enough_and_attributes_are_always_there() {
    let event = posted(&json!({"message": {"message_id": "5", "publish_time": TIME}})).unwrap();
    assert_eq!(event.id, "5");
    assert_eq!(event.data["message"]["messageId"], "5");
    assert_eq!(event.data["message"]["publishTime"], TIME);
    assert_eq!(event.data["message"]["attributes"], json!({}));
    assert_eq!(event.data["message"].get("message_id"), None);
}

#[test]
fn a_push_with_a_fault_is_refused_for_that_fault() {
    for (message, fault) in [
        (json!({}), Malformed::Missing("id")),
        (json!({"messageId": 5}), Malformed::Missing("id")),
        (
            json!({"messageId": "5", "publishTime": "now"}),
            Malformed::Time,
        ),
    ] {
        assert_eq!(
            posted(&json!({"message": message})),
            Err(fault),
            "{message}"
        );
    }
}
