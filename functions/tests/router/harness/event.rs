//! Events of Cloud Storage as Google's services POST them.

use serde_json::{Value, json};

use super::{Call, Router};

/// The shared secret of every [`Router`] of these tests.
pub(crate) const EVENT_TOKEN: &str = "an-event-token-of-the-tests";
pub(crate) const BUCKET: &str = "holograms-media.firebasestorage.app";
pub(crate) const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";

/// A finished upload that the tests tell of.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    /// The object resource of Cloud Storage.
    pub(crate) object: Value,
}

impl Event {
    /// What the old client uploaded: a WebM with its three entries of metadata.
    pub(crate) fn of(name: &str) -> Self {
        Self {
            id: "5410482735".to_owned(),
            kind: FINALIZED,
            object: json!({
                "kind": "storage#object",
                "id": format!("{BUCKET}/{name}/1700000000000001"),
                "bucket": BUCKET,
                "name": name,
                "generation": "1700000000000001",
                "metageneration": "1",
                "size": "10",
                "storageClass": "STANDARD",
                "contentType": "video/webm",
                "timeCreated": "2025-06-04T06:17:00.123Z",
                "metadata": {
                    "firebaseUserId": "U1",
                    "originalFilename": "x.webm",
                    "clientTimestamp": "2025-06-04T06:16:59.000Z",
                },
            }),
        }
    }

    /// With `value` for `key` of the object.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.object[key] = value.into();
        self
    }

    pub(crate) fn without(mut self, key: &str) -> Self {
        self.object.as_object_mut().expect("an object").remove(key);
        self
    }

    /// CloudEvents' binary mode, without saying who sends it.
    pub(crate) fn posted(&self, router: &Router) -> Call {
        let name = self.object["name"].as_str().expect("a name");
        router
            .post("/process_chunk")
            .header("content-type", "application/json")
            .header("ce-id", &self.id)
            .header("ce-specversion", "1.0")
            .header("ce-type", self.kind)
            .header("ce-source", source())
            .header("ce-subject", format!("objects/{name}"))
            .header("ce-time", "2025-06-04T06:17:00.123456Z")
            .header("ce-bucket", BUCKET)
            .body(self.object.to_string())
    }

    pub(crate) async fn send(&self, router: &Router) -> super::Reply {
        self.posted(router).bearer(EVENT_TOKEN).send().await
    }

    /// CloudEvents' structured mode.
    pub(crate) fn structured(&self) -> Value {
        let name = self.object["name"].as_str().expect("a name");
        json!({
            "specversion": "1.0",
            "id": self.id,
            "type": self.kind,
            "source": source(),
            "subject": format!("objects/{name}"),
            "time": "2025-06-04T06:17:00Z",
            "datacontenttype": "application/json",
            "data": self.object,
        })
    }
}

fn source() -> String {
    format!("//storage.googleapis.com/projects/_/buckets/{BUCKET}")
}
