//! Events as 1st generation functions got them, turned into the CloudEvents of the 2nd generation.
//!
//! `{"context": {eventId, timestamp, eventType, resource}, "data": …}`, or the four beside `data`.
//! The table and the rules are those of the Functions Framework conformance suite, `docs/mapping.md`.

use serde_json::{Map, Value, json};

use super::{Malformed, pubsub, text, time};
use crate::events::CloudEvent;

/// Whose events they are: what their resource looks like, and what of it is the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Analytics,
    Auth,
    Database,
    Firestore,
    PubSub,
    RemoteConfig,
    Storage,
}

use Service::{Analytics, Auth, Database, Firestore, PubSub, RemoteConfig, Storage};

#[rustfmt::skip] // a table
const EVENT_TYPES: [(&str, Service, &str); 19] = [
    ("google.pubsub.topic.publish", PubSub, pubsub::MESSAGE_PUBLISHED),
    ("providers/cloud.pubsub/eventTypes/topic.publish", PubSub, pubsub::MESSAGE_PUBLISHED),
    ("google.storage.object.finalize", Storage, "google.cloud.storage.object.v1.finalized"),
    ("google.storage.object.delete", Storage, "google.cloud.storage.object.v1.deleted"),
    ("google.storage.object.archive", Storage, "google.cloud.storage.object.v1.archived"),
    ("google.storage.object.metadataUpdate", Storage, "google.cloud.storage.object.v1.metadataUpdated"),
    ("providers/cloud.storage/eventTypes/object.change", Storage, "google.cloud.storage.object.v1.finalized"),
    ("providers/cloud.firestore/eventTypes/document.write", Firestore, "google.cloud.firestore.document.v1.written"),
    ("providers/cloud.firestore/eventTypes/document.create", Firestore, "google.cloud.firestore.document.v1.created"),
    ("providers/cloud.firestore/eventTypes/document.update", Firestore, "google.cloud.firestore.document.v1.updated"),
    ("providers/cloud.firestore/eventTypes/document.delete", Firestore, "google.cloud.firestore.document.v1.deleted"),
    ("providers/firebase.auth/eventTypes/user.create", Auth, "google.firebase.auth.user.v1.created"),
    ("providers/firebase.auth/eventTypes/user.delete", Auth, "google.firebase.auth.user.v1.deleted"),
    ("providers/google.firebase.database/eventTypes/ref.create", Database, "google.firebase.database.ref.v1.created"),
    ("providers/google.firebase.database/eventTypes/ref.write", Database, "google.firebase.database.ref.v1.written"),
    ("providers/google.firebase.database/eventTypes/ref.update", Database, "google.firebase.database.ref.v1.updated"),
    ("providers/google.firebase.database/eventTypes/ref.delete", Database, "google.firebase.database.ref.v1.deleted"),
    ("providers/google.firebase.analytics/eventTypes/event.log", Analytics, "google.firebase.analytics.log.v1.written"),
    ("providers/firebase.remoteConfig/remoteconfig.update", RemoteConfig, "google.firebase.remoteconfig.remoteConfig.v1.updated"),
];

impl Service {
    fn host(self) -> &'static str {
        match self {
            Analytics => "firebaseanalytics.googleapis.com",
            Auth => "firebaseauth.googleapis.com",
            Database => "firebasedatabase.googleapis.com",
            Firestore => "firestore.googleapis.com",
            PubSub => pubsub::SERVICE,
            RemoteConfig => "firebaseremoteconfig.googleapis.com",
            Storage => "storage.googleapis.com",
        }
    }
}

/// What an event was about, in the two attributes of a CloudEvent.
struct Place {
    /// Below the service: `projects/_/buckets/{bucket}`.
    name: String,
    subject: Option<String>,
}

impl Place {
    fn new(name: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            subject: Some(subject.into()),
        }
    }

    fn whole(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            subject: None,
        }
    }
}

pub(super) fn read(mut members: Map<String, Value>) -> Result<CloudEvent<Value>, Malformed> {
    let data = members.remove("data").unwrap_or_default();
    let sent = Sent(members);
    let event_type = sent.text("eventType").ok_or(Malformed::NotAnEvent)?;
    let (_, service, kind) = EVENT_TYPES
        .iter()
        .find(|(name, ..)| *name == event_type)
        .ok_or(Malformed::EventType)?;
    let place = sent.place(*service, &data)?;
    let host = sent.service().unwrap_or(service.host());

    let id = sent.text("eventId").ok_or(Malformed::Missing("id"))?;
    let source = format!("//{host}/{}", place.name);
    let data = sent.data(*service, id, data)?;
    let mut event = CloudEvent::new(id, source, *kind, data);
    event.subject = place.subject;
    event.time = sent.text("timestamp").map(time).transpose()?;
    event.datacontenttype = Some("application/json".to_owned());
    if let (Storage, Some(bucket)) = (service, place.name.strip_prefix("projects/_/buckets/")) {
        event
            .extensions
            .insert("bucket".to_owned(), bucket.to_owned());
    }
    Ok(event)
}

/// The event without its data.
struct Sent(Map<String, Value>);

impl Sent {
    /// A member of the context, or of the root.
    fn member(&self, name: &str) -> Option<&Value> {
        let context = self.0.get("context").and_then(|context| context.get(name));
        context.or_else(|| self.0.get(name))
    }

    fn text(&self, name: &str) -> Option<&str> {
        let text = self.member(name)?.as_str();
        text.filter(|text| !text.is_empty())
    }

    /// The service that the resource names itself.
    fn service(&self) -> Option<&str> {
        text(self.member("resource")?.as_object()?, "service")
    }

    fn place(&self, service: Service, data: &Value) -> Result<Place, Malformed> {
        let name = match self.member("resource") {
            Some(Value::Object(resource)) => text(resource, "name"),
            _ => self.text("resource"),
        };
        let name = name.ok_or(Malformed::Resource)?;
        let place = match service {
            Storage => stored_object(name, data),
            Firestore => document(name),
            Database => return self.reference(name),
            Auth => Some(user(name, data)),
            Analytics => logged_event(name, data),
            PubSub | RemoteConfig => Some(Place::whole(name)),
        };
        place.ok_or(Malformed::Resource)
    }

    /// `projects/_/instances/{instance}/refs/{path}`. The resource does not say where the instance
    /// is; the domain does: `firebaseio.com`, or `{location}.firebasedatabase.app`.
    fn reference(&self, name: &str) -> Result<Place, Malformed> {
        let (instance, path) = name
            .strip_prefix("projects/_/instances/")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(instance, path)| !instance.is_empty() && is_below(path, "refs/"))
            .ok_or(Malformed::Resource)?;
        let location = match self.text("domain").ok_or(Malformed::Domain)? {
            "firebaseio.com" => "us-central1",
            domain => domain.split('.').next().unwrap_or_default(),
        };
        if location.is_empty() {
            return Err(Malformed::Domain);
        }
        let name = format!("projects/_/locations/{location}/instances/{instance}");
        Ok(Place::new(name, path))
    }

    /// The data in the shape that the 2nd generation has.
    fn data(&self, service: Service, id: &str, data: Value) -> Result<Value, Malformed> {
        match (service, data) {
            (PubSub, Value::Object(mut message)) => {
                message.entry("messageId").or_insert_with(|| id.into());
                if let Some(time) = self.member("timestamp") {
                    message.entry("publishTime").or_insert_with(|| time.clone());
                }
                Ok(json!({"message": message}))
            }
            (PubSub, _) => Err(Malformed::Data),
            (Auth, mut data) => {
                if let Some(Value::Object(metadata)) = data.get_mut("metadata") {
                    rename(metadata, "createdAt", "createTime");
                    rename(metadata, "lastSignedInAt", "lastSignInTime");
                }
                Ok(data)
            }
            (_, data) => Ok(data),
        }
    }
}

/// `projects/_/buckets/{bucket}/objects/{name}`, perhaps with `#{generation}` behind it.
fn stored_object(name: &str, data: &Value) -> Option<Place> {
    let (bucket, object) = name
        .strip_prefix("projects/_/buckets/")?
        .split_once('/')
        .filter(|(bucket, object)| !bucket.is_empty() && is_below(object, "objects/"))?;
    let path = object.strip_prefix("objects/")?;
    // A name may end like that itself; the object's own data know.
    let is_name = data.get("name").and_then(Value::as_str) == Some(path);
    let object = match object.rsplit_once('#') {
        Some((plain, generation))
            if !is_name
                && !generation.is_empty()
                && plain != "objects/"
                && generation.bytes().all(|b| b.is_ascii_digit()) =>
        {
            plain
        }
        _ => object,
    };
    Some(Place::new(format!("projects/_/buckets/{bucket}"), object))
}

/// `projects/{project}/databases/{database}/documents/{path}`
fn document(name: &str) -> Option<Place> {
    let (database, path) = name.split_once("/documents/")?;
    let (project, id) = database
        .strip_prefix("projects/")?
        .split_once("/databases/")?;
    let whole = [project, id].iter().all(|part| is_segment(part)) && !path.is_empty();
    whole.then(|| Place::new(database, format!("documents/{path}")))
}

/// `projects/{project}`: the user is in the data.
fn user(name: &str, data: &Value) -> Place {
    match data.get("uid").and_then(Value::as_str) {
        Some(uid) => Place::new(name, format!("users/{uid}")),
        None => Place::whole(name),
    }
}

/// `projects/{project}/events/{name}`: the app is in the data.
fn logged_event(name: &str, data: &Value) -> Option<Place> {
    let (project, event) = name.split_once("/events/")?;
    let id = project.strip_prefix("projects/")?;
    if !is_segment(id) || event.is_empty() {
        return None;
    }
    let app = data
        .pointer("/userDim/appInfo/appId")
        .and_then(Value::as_str);
    let source = app.map_or(project.to_owned(), |app| format!("{project}/apps/{app}"));
    Some(Place::new(source, format!("events/{event}")))
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

fn is_below(path: &str, folder: &str) -> bool {
    path.len() > folder.len() && path.starts_with(folder)
}

fn rename(members: &mut Map<String, Value>, old: &str, new: &str) {
    if let Some(value) = members.remove(old) {
        members.insert(new.to_owned(), value);
    }
}
