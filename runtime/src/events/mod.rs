//! CloudEvents as functions see them. Only [`receive`] knows of HTTP.

pub(crate) mod publish;
pub(crate) mod receive;
pub(crate) mod retry;
pub(crate) mod worker;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A CloudEvent 1.0 whose payload is `Data`; as JSON, the event format of CloudEvents. `id` is the
/// idempotency key: a redelivery carries the same one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CloudEvent<Data> {
    pub specversion: SpecVersion,
    pub id: String,
    /// Where it happened: `//storage.googleapis.com/projects/_/buckets/{bucket}`.
    pub source: String,
    /// What happened: `google.cloud.storage.object.v1.finalized`.
    #[serde(rename = "type")]
    pub kind: String,
    /// To what it happened, within the source: `objects/{name}`, slashes kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<jiff::Timestamp>,
    /// The media type of `data`; JSON when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataschema: Option<String>,
    /// Attributes beyond those of the specification, by their names; numbers and booleans as text.
    #[serde(flatten)]
    pub extensions: BTreeMap<String, String>,
    pub data: Data,
}

/// The one version of CloudEvents that is read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpecVersion {
    #[default]
    #[serde(rename = "1.0")]
    V1,
}

impl<Data> CloudEvent<Data> {
    /// An event with what every event has.
    pub fn new(
        id: impl Into<String>,
        source: impl Into<String>,
        kind: impl Into<String>,
        data: Data,
    ) -> Self {
        Self {
            specversion: SpecVersion::V1,
            id: id.into(),
            source: source.into(),
            kind: kind.into(),
            subject: None,
            time: None,
            datacontenttype: None,
            dataschema: None,
            extensions: BTreeMap::new(),
            data,
        }
    }

    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.get(name).map(String::as_str)
    }

    /// The same event with another payload.
    ///
    /// # Errors
    /// Those of `convert`.
    pub fn try_map<Other, E>(
        self,
        convert: impl FnOnce(Data) -> Result<Other, E>,
    ) -> Result<CloudEvent<Other>, E> {
        Ok(CloudEvent {
            specversion: self.specversion,
            id: self.id,
            source: self.source,
            kind: self.kind,
            subject: self.subject,
            time: self.time,
            datacontenttype: self.datacontenttype,
            dataschema: self.dataschema,
            extensions: self.extensions,
            data: convert(self.data)?,
        })
    }
}

impl CloudEvent<Value> {
    /// The event with its data as a type of the function's own.
    ///
    /// # Errors
    /// Data of another shape. The text quotes the data, so it is for the log and never for a sender.
    pub fn typed<Data: DeserializeOwned>(self) -> serde_json::Result<CloudEvent<Data>> {
        self.try_map(serde_json::from_value)
    }
}

impl CloudEvent<StorageObjectData> {
    /// The bucket of the object, whether or not the sender named it in the attribute `bucket` too.
    pub fn bucket(&self) -> &str {
        &self.data.bucket
    }
}

impl<Data> CloudEvent<Data> {
    /// An event as Cloud Storage tells it: the source is the bucket, the subject the object, and the
    /// extension `bucket` is where firebase-functions reads the bucket from.
    pub(crate) fn of_object(
        id: impl Into<String>,
        kind: impl Into<String>,
        bucket: &str,
        name: &str,
        data: Data,
    ) -> Self {
        let source = format!("//storage.googleapis.com/projects/_/buckets/{bucket}");
        let mut event = Self::new(id, source, kind, data);
        event.subject = Some(format!("objects/{name}"));
        event.datacontenttype = Some("application/json".to_owned());
        event
            .extensions
            .insert("bucket".to_owned(), bucket.to_owned());
        event
    }
}

/// The object resource of Cloud Storage's JSON API, as far as events carry it. 64-bit numbers are
/// decimal strings, times RFC 3339, `md5_hash` and `crc32c` base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageObjectData {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `{bucket}/{name}/{generation}`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub name: String,
    pub bucket: String,
    #[serde(deserialize_with = "decimal")]
    pub generation: String,
    #[serde(deserialize_with = "decimal")]
    pub metageneration: String,
    #[serde(deserialize_with = "decimal")]
    pub size: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_storage_class_updated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What the uploader said of the object: never trusted for ownership.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A 64-bit number as text. Protobuf's JSON mapping writes a string and reads both.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Decimal {
        Text(String),
        Number(i64),
    }
    Ok(match Decimal::deserialize(deserializer)? {
        Decimal::Text(text) => text,
        Decimal::Number(number) => number.to_string(),
    })
}
