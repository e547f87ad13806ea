//! Which events a change of an object makes, and for whom: written in the change's own transaction,
//! so that neither can exist without the other.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use manifest::StorageEvent;
use rusqlite::{Transaction, params};

use super::Object;
use crate::events::{CloudEvent, StorageObjectData};

/// A function that wants to know, as the manifest says.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) function: String,
    /// The bucket's key in the manifest.
    pub(crate) bucket: String,
    pub(crate) event: StorageEvent,
    pub(crate) prefix: String,
}

/// Who is told what, and under which name clients know each bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Announcer {
    pub(crate) subscriptions: Vec<Subscription>,
    /// From `[project] bucket`: what the events call the only bucket. Of several, each is called by
    /// its key.
    pub(crate) public_name: Option<String>,
}

/// `2026-11-23T06:29:06.952Z`: always three digits.
const TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

impl Announcer {
    /// Records the event, with one delivery for each function that subscribes to it. Returns whether
    /// there is any.
    pub(super) fn announce(
        &self,
        tx: &Transaction<'_>,
        happened: StorageEvent,
        object: &Object,
        now: Timestamp,
    ) -> rusqlite::Result<bool> {
        let functions: Vec<&str> = self
            .subscriptions
            .iter()
            .filter(|subscription| {
                subscription.event == happened
                    && subscription.bucket == object.bucket
                    && object.name.as_str().starts_with(&subscription.prefix)
            })
            .map(|subscription| subscription.function.as_str())
            .collect();
        let event = self.event(happened, object, now);
        let json = serde_json::to_string(&event)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let now = now.as_microsecond();
        tx.prepare_cached(
            "INSERT INTO events (id, kind, subject, recorded, event) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![event.id, event.kind, event.subject, now, json])?;
        let number = tx.last_insert_rowid();
        for function in &functions {
            tx.prepare_cached(
                "INSERT INTO deliveries (event, function, state, attempts, due, since)
                 VALUES (?1, ?2, 'pending', 0, ?3, ?3)",
            )?
            .execute(params![number, function, now])?;
        }
        Ok(!functions.is_empty())
    }

    fn event(
        &self,
        happened: StorageEvent,
        object: &Object,
        now: Timestamp,
    ) -> CloudEvent<StorageObjectData> {
        let bucket = self.public_name.as_deref().unwrap_or(&object.bucket);
        let mut event = CloudEvent::of_object(
            uuid::Uuid::now_v7().to_string(),
            kind(happened),
            bucket,
            object.name.as_str(),
            resource(object, bucket),
        );
        event.time = Some(now);
        event
    }
}

fn kind(happened: StorageEvent) -> &'static str {
    match happened {
        StorageEvent::Finalized => "google.cloud.storage.object.v1.finalized",
        StorageEvent::Deleted => "google.cloud.storage.object.v1.deleted",
        StorageEvent::MetadataUpdated => "google.cloud.storage.object.v1.metadataUpdated",
    }
}

/// The object as Cloud Storage's JSON API describes it.
fn resource(object: &Object, bucket: &str) -> StorageObjectData {
    let time = |time: &Timestamp| Some(TIMES.timestamp_to_string(time));
    StorageObjectData {
        kind: Some("storage#object".to_owned()),
        id: Some(format!("{bucket}/{}/{}", object.name, object.generation)),
        name: object.name.as_str().to_owned(),
        bucket: bucket.to_owned(),
        generation: object.generation.to_string(),
        metageneration: object.metageneration.to_string(),
        size: object.size.to_string(),
        content_type: object.content_type.clone(),
        cache_control: object.cache_control.clone(),
        content_disposition: object.content_disposition.clone(),
        content_encoding: object.content_encoding.clone(),
        content_language: object.content_language.clone(),
        storage_class: Some("STANDARD".to_owned()),
        time_created: time(&object.created),
        updated: time(&object.updated),
        time_storage_class_updated: time(&object.created),
        md5_hash: Some(object.md5_base64()),
        crc32c: Some(object.crc32c_base64()),
        etag: Some(object.etag()),
        metadata: object.metadata.clone(),
    }
}
