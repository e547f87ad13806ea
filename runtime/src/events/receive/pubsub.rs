//! Pub/Sub pushes: `{"subscription": …, "message": {data, attributes, messageId, publishTime}}`.
//!
//! A message that Cloud Storage published about an object becomes the event of that object; any
//! other becomes `messagePublished`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Malformed, object, text, time};
use crate::events::CloudEvent;

pub(super) const MESSAGE_PUBLISHED: &str = "google.cloud.pubsub.topic.v1.messagePublished";
pub(super) const SERVICE: &str = "pubsub.googleapis.com";
const MESSAGE: &str = "type.googleapis.com/google.pubsub.v1.PubsubMessage";

/// The attribute `eventType` of Cloud Storage's notifications.
const NOTIFICATIONS: [(&str, &str); 4] = [
    (
        "OBJECT_FINALIZE",
        "google.cloud.storage.object.v1.finalized",
    ),
    ("OBJECT_DELETE", "google.cloud.storage.object.v1.deleted"),
    ("OBJECT_ARCHIVE", "google.cloud.storage.object.v1.archived"),
    (
        "OBJECT_METADATA_UPDATE",
        "google.cloud.storage.object.v1.metadataUpdated",
    ),
];

pub(super) fn is_push(members: &Map<String, Value>) -> bool {
    members.get("message").is_some_and(Value::is_object) && !members.contains_key("context")
}

pub(super) fn read(
    path: &str,
    mut members: Map<String, Value>,
) -> Result<CloudEvent<Value>, Malformed> {
    let Some(Value::Object(message)) = members.remove("message") else {
        return Err(Malformed::NotAnEvent);
    };
    let event_type = attribute(&message, "eventType");
    let notification = NOTIFICATIONS
        .iter()
        .find(|(name, _)| event_type == Some(name));
    match notification {
        Some((_, kind)) => object_event(kind, &message),
        None => message_event(path, text(&members, "subscription"), message),
    }
}

fn object_event(kind: &str, message: &Map<String, Value>) -> Result<CloudEvent<Value>, Malformed> {
    let id = message_id(message)?;
    let happened = attribute(message, "eventTime").or_else(|| publish_time(message));
    let encoded = text(message, "data").ok_or(Malformed::Notification)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| Malformed::Base64)?;
    let resource = object(&bytes)?;
    let (Some(bucket), Some(name)) = (text(&resource, "bucket"), text(&resource, "name")) else {
        return Err(Malformed::Notification);
    };
    let (bucket, name) = (bucket.to_owned(), name.to_owned());
    let mut event = CloudEvent::of_object(id, kind, &bucket, &name, Value::Object(resource));
    event.time = happened.map(time).transpose()?;
    Ok(event)
}

/// The source is the topic, where the URL of the subscription names it; else the subscription.
fn message_event(
    path: &str,
    subscription: Option<&str>,
    mut message: Map<String, Value>,
) -> Result<CloudEvent<Value>, Malformed> {
    let id = message_id(&message)?.to_owned();
    let published = publish_time(&message).map(str::to_owned);
    for (spelling, old) in [("messageId", "message_id"), ("publishTime", "publish_time")] {
        if let Some(value) = message.remove(old) {
            message.entry(spelling).or_insert(value);
        }
    }
    message.insert("@type".to_owned(), MESSAGE.into());
    message.entry("attributes").or_insert_with(|| json!({}));

    let origin = topic(path).or(subscription);
    let source = origin.map_or(format!("//{SERVICE}"), |name| format!("//{SERVICE}/{name}"));
    let mut event = CloudEvent::new(id, source, MESSAGE_PUBLISHED, json!({"message": message}));
    event.time = published.as_deref().map(time).transpose()?;
    event.datacontenttype = Some("application/json".to_owned());
    Ok(event)
}

/// Pushes carry both spellings.
fn message_id(message: &Map<String, Value>) -> Result<&str, Malformed> {
    text(message, "messageId")
        .or_else(|| text(message, "message_id"))
        .ok_or(Malformed::Missing("id"))
}

fn attribute<'m>(message: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    message.get("attributes")?.get(name)?.as_str()
}

fn publish_time(message: &Map<String, Value>) -> Option<&str> {
    text(message, "publishTime").or_else(|| text(message, "publish_time"))
}

/// The first `projects/…/topics/…` in a path.
fn topic(path: &str) -> Option<&str> {
    path.match_indices("projects/").find_map(|(start, _)| {
        let mut segments = path[start..].splitn(5, '/');
        let [_, project, topics, topic] = [(); 4].map(|()| segments.next().unwrap_or_default());
        let found = !project.is_empty() && topics == "topics" && !topic.is_empty();
        found.then(|| {
            let length = "projects//topics/".len() + project.len() + topic.len();
            &path[start..start + length]
        })
    })
}
