//! CloudEvents as functions see them. Knows nothing of HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A CloudEvent 1.0 whose payload is `Data`. `id` is the idempotency key: a redelivery carries the
/// same one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CloudEvent<Data> {
    pub specversion: String,
    pub id: String,
    /// `//storage.googleapis.com/projects/_/buckets/{bucket}`
    pub source: String,
    /// `google.cloud.storage.object.v1.finalized`, `.deleted` or `.metadataUpdated`
    #[serde(rename = "type")]
    pub kind: String,
    /// `objects/{name}`, slashes kept
    pub subject: String,
    pub time: jiff::Timestamp,
    /// The extension attribute that firebase-functions reads the bucket from.
    pub bucket: String,
    pub data: Data,
}

/// The object resource of Cloud Storage's JSON API, as far as events carry it. 64-bit numbers are
/// decimal strings, `md5_hash` and `crc32c` base64.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageObjectData {
    pub name: String,
    pub bucket: String,
    pub generation: String,
    pub metageneration: String,
    pub size: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_created: Option<jiff::Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
    /// What the uploader said of the object: never trusted for ownership.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}
