//! Which events are recorded, and for whom: those of an object in the transaction that changes it, so
//! that neither can exist without the other; those that functions publish in one of their own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use manifest::StorageEvent;
use rusqlite::{Transaction, params};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;

use super::{Ledger, Object};
use crate::database::sqlite::SqliteError;
use crate::events::{CloudEvent, StorageObjectData};

/// A function that wants to know, as the manifest says.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) function: String,
    pub(crate) topic: Topic,
}

/// What it wants to know of.
#[derive(Debug, Clone)]
pub(crate) enum Topic {
    Objects {
        /// The bucket's key in the manifest.
        bucket: String,
        event: StorageEvent,
        prefix: String,
    },
    /// Published events of this type.
    Published { kind: String },
}

/// Who is told what, and under which name clients know each bucket.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    subscriptions: ArcSwap<Vec<Subscription>>,
    /// From `[project] bucket`: what the events call the only bucket. Of several, each is called by
    /// its key.
    pub(super) public_name: Option<String>,
}

/// Why an event is not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("an event of another type or source has the id {0:?}")]
    IdTaken(String),
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
}

/// `2026-11-23T06:29:06.952Z`: always three digits.
const TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

impl Ledger {
    /// Records an event for each function that subscribes to its type. One that is known already,
    /// by its id, is left as it is: a publisher that was not told of its success may try again.
    ///
    /// After [`SqliteError::Commit`] only the next start knows whether it was recorded.
    pub(crate) async fn publish(&self, event: CloudEvent<Value>) -> Result<(), PublishError> {
        let announcer = self.announcer.clone();
        let recorded = self.recorded.clone();
        let told = self.sqlite.write(move |tx| {
            // Dropped after the commit, also when whoever published has stopped waiting for it.
            let wake = Wake(recorded);
            let functions = announcer.functions(
                |topic| matches!(topic, Topic::Published { kind } if *kind == event.kind),
            );
            let new = record(tx, &event, Timestamp::now(), &functions)?;
            if !new && !is_known(tx, &event)? {
                return Ok(Err(PublishError::IdTaken(event.id)));
            }
            Ok(Ok(wake))
        });
        told.await?.map(drop)
    }
}

/// Wakes whoever leases when it is dropped.
struct Wake(Arc<Notify>);

impl Drop for Wake {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Announcer {
    pub(crate) fn new(subscriptions: Vec<Subscription>, public_name: Option<String>) -> Self {
        Self {
            subscriptions: ArcSwap::from_pointee(subscriptions),
            public_name,
        }
    }

    /// From now on these functions are told, and no others.
    pub(super) fn subscribe(&self, subscriptions: Vec<Subscription>) {
        self.subscriptions.store(Arc::new(subscriptions));
    }

    /// Records the event, with one delivery for each function that subscribes to it. Returns whether
    /// there is any.
    pub(super) fn announce(
        &self,
        tx: &Transaction<'_>,
        happened: StorageEvent,
        object: &Object,
        now: Timestamp,
    ) -> rusqlite::Result<bool> {
        let functions = self.functions(|topic| match topic {
            Topic::Objects {
                bucket,
                event,
                prefix,
            } => {
                *event == happened
                    && *bucket == object.bucket
                    && object.name.as_str().starts_with(prefix)
            }
            Topic::Published { .. } => false,
        });
        record(tx, &self.event(happened, object, now), now, &functions)?;
        Ok(!functions.is_empty())
    }

    fn functions(&self, concerns: impl Fn(&Topic) -> bool) -> Vec<String> {
        let subscriptions = self.subscriptions.load();
        subscriptions
            .iter()
            .filter(|subscription| concerns(&subscription.topic))
            .map(|subscription| subscription.function.clone())
            .collect()
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

/// Returns whether no event had this id.
fn record(
    tx: &Transaction<'_>,
    event: &CloudEvent<impl Serialize>,
    now: Timestamp,
    functions: &[String],
) -> rusqlite::Result<bool> {
    let json = serde_json::to_string(event)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let subject = event.subject.as_deref().unwrap_or_default();
    let now = now.as_microsecond();
    let new = tx
        .prepare_cached(
            "INSERT INTO events (id, kind, subject, recorded, event) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![event.id, event.kind, subject, now, json])?;
    if new == 0 {
        return Ok(false);
    }
    let number = tx.last_insert_rowid();
    for function in functions {
        tx.prepare_cached(
            "INSERT INTO deliveries (event, function, state, attempts, due, since)
             VALUES (?1, ?2, 'pending', 0, ?3, ?3)",
        )?
        .execute(params![number, function, now])?;
    }
    Ok(true)
}

/// Whether the event of this id is this one. An id names an event within its source (CloudEvents 1.0),
/// and a function may pass on the id of the event that it was run for: what is another event must not
/// vanish as if it were published twice.
fn is_known(tx: &Transaction<'_>, event: &CloudEvent<Value>) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM events WHERE id = ?1 AND kind = ?2 AND event ->> '$.source' = ?3",
    )?
    .exists(params![event.id, event.kind, event.source])
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn event(id: &str, kind: &str) -> CloudEvent<Value> {
        CloudEvent::new(id, "//shop", kind, json!({"n": 1}))
    }

    /// A ledger in which `mail` and `stock` want to know of what is paid, and `stock` of what is sent.
    async fn open() -> (tempfile::TempDir, Ledger) {
        let subscription = |function: &str, kind: &str| Subscription {
            function: function.to_owned(),
            topic: Topic::Published {
                kind: kind.to_owned(),
            },
        };
        let of_objects = Subscription {
            function: "index".to_owned(),
            topic: Topic::Objects {
                bucket: "files".to_owned(),
                event: StorageEvent::Finalized,
                prefix: String::new(),
            },
        };
        let announcer = Announcer::new(
            vec![
                subscription("mail", "paid"),
                subscription("stock", "paid"),
                subscription("stock", "sent"),
                of_objects,
            ],
            None,
        );
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), announcer).await.unwrap();
        (folder, ledger)
    }

    /// The events that are due for a function, by id, and each leased.
    async fn leased(ledger: &Ledger, function: &str) -> Vec<String> {
        let leased = ledger.lease(function, 100, 8, Duration::from_secs(60));
        let deliveries = leased.await.unwrap();
        deliveries.into_iter().map(|it| it.event.id).collect()
    }

    #[tokio::test]
    async fn an_event_is_for_every_function_that_subscribes_to_its_type() {
        let (_folder, ledger) = open().await;
        ledger.publish(event("1", "paid")).await.unwrap();
        ledger.publish(event("2", "sent")).await.unwrap();
        assert_eq!(leased(&ledger, "mail").await, ["1"]);
        assert_eq!(leased(&ledger, "stock").await, ["1", "2"]);
        assert!(leased(&ledger, "index").await.is_empty());
    }

    #[tokio::test]
    async fn what_is_delivered_is_what_was_published() {
        let (_folder, ledger) = open().await;
        let mut published = event("1", "paid");
        published.subject = Some("orders/ü".to_owned());
        published.extensions = [("tenant".to_owned(), "t".to_owned())].into();
        ledger.publish(published.clone()).await.unwrap();
        let leased = ledger.lease("mail", 1, 8, Duration::from_secs(60));
        let delivery = leased.await.unwrap().remove(0);
        assert_eq!(delivery.event, published);
        assert_eq!(delivery.attempt, 1);
    }

    #[tokio::test]
    async fn the_second_time_changes_nothing() {
        let (_folder, ledger) = open().await;
        ledger.publish(event("1", "paid")).await.unwrap();
        assert_eq!(leased(&ledger, "mail").await, ["1"]);
        let mut again = event("1", "paid");
        again.data = json!("other");
        ledger.publish(again).await.unwrap();
        assert!(leased(&ledger, "mail").await.is_empty());
        let leased = ledger.lease("stock", 100, 8, Duration::from_secs(60));
        let deliveries = leased.await.unwrap();
        assert_eq!(deliveries.len(), 1);
        assert_eq!(deliveries[0].event.data, json!({"n": 1}));
    }

    #[tokio::test]
    async fn another_event_under_the_same_id_is_refused_and_not_lost() {
        let (_folder, ledger) = open().await;
        ledger.publish(event("1", "paid")).await.unwrap();
        let mut elsewhere = event("1", "paid");
        elsewhere.source = "//warehouse".to_owned();
        for other in [event("1", "sent"), elsewhere] {
            let refused = ledger.publish(other).await;
            assert!(matches!(refused, Err(PublishError::IdTaken(id)) if id == "1"));
        }
        assert_eq!(leased(&ledger, "stock").await, ["1"]);
    }

    #[tokio::test]
    async fn an_event_for_nobody_is_recorded_until_it_is_old() {
        let (_folder, ledger) = open().await;
        ledger.publish(event("1", "unheard")).await.unwrap();
        ledger.publish(event("2", "paid")).await.unwrap();
        let pruned = ledger.prune(Timestamp::MAX).await.unwrap();
        assert_eq!(pruned, 1, "the other one still waits for its functions");
    }

    #[tokio::test]
    async fn whoever_leases_is_woken_even_if_the_publisher_has_stopped_waiting() {
        let (_folder, ledger) = open().await;
        {
            let publishing = pin!(ledger.publish(event("1", "paid")));
            let _queued = publishing.poll(&mut Context::from_waker(Waker::noop()));
        }
        let woken = tokio::time::timeout(Duration::from_secs(10), ledger.recorded());
        woken.await.unwrap();
        assert_eq!(leased(&ledger, "mail").await, ["1"]);
    }
}
