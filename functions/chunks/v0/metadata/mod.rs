//! An object's metadata as JSON: what the SDKs read, send with an upload, and send to change it. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use runtime::{HeaderValue, MetadataChange, Object, PutOptions, Result};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::super::content::encoded;
use super::bad_request;

/// The custom metadata in which an object's download tokens are, with commas between. The protocol shows
/// them apart, and nobody sets them as metadata: a token is no secret unless it was made here.
pub(super) const TOKENS: &str = "firebaseStorageDownloadTokens";

/// `2026-11-23T06:29:06.952Z`: always three digits.
const TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// What the SDKs read of an object. 64-bit numbers are decimal strings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'o> {
    name: &'o str,
    bucket: &'o str,
    generation: String,
    metageneration: String,
    content_type: &'o str,
    time_created: String,
    updated: String,
    storage_class: &'static str,
    size: String,
    md5_hash: String,
    crc32c: String,
    etag: String,
    content_encoding: &'o str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_disposition: Option<&'o str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_language: Option<&'o str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'o str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_tokens: Option<&'o str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'o str, &'o str>,
}

/// `bucket` is the name that clients know.
pub(super) fn resource<'o>(bucket: &'o str, object: &'o Object) -> impl Serialize + use<'o> {
    let time = |time: &Timestamp| TIMES.timestamp_to_string(time);
    Resource {
        name: object.name.as_str(),
        bucket,
        generation: object.generation.to_string(),
        metageneration: object.metageneration.to_string(),
        content_type: object
            .content_type
            .as_deref()
            .unwrap_or("application/octet-stream"),
        time_created: time(&object.created),
        updated: time(&object.updated),
        storage_class: "STANDARD",
        size: object.size.to_string(),
        md5_hash: object.md5_base64(),
        crc32c: object.crc32c_base64(),
        etag: object.etag(),
        content_encoding: object.content_encoding.as_deref().unwrap_or("identity"),
        content_disposition: object.content_disposition.as_deref(),
        content_language: object.content_language.as_deref(),
        cache_control: object.cache_control.as_deref(),
        download_tokens: object.metadata.get(TOKENS).map(String::as_str),
        metadata: object
            .metadata
            .iter()
            .filter(|(key, _)| *key != TOKENS)
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
    }
}

/// What a client says of an object; keys that it may not set are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Said {
    pub(super) name: Option<String>,
    /// Of the bytes that are uploaded, in base64.
    md5_hash: Value,
    #[serde(deserialize_with = "given")]
    content_type: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    cache_control: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    content_disposition: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    content_encoding: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    content_language: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    metadata: Option<Option<BTreeMap<String, Value>>>,
}

/// Tells null (`Some(None)`) from what is not there.
#[expect(clippy::option_option, reason = "null and absent differ")]
fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

impl Said {
    /// # Errors
    /// 400 for other than a JSON object with texts, and for a text that no header can carry.
    pub(super) fn read(json: &[u8]) -> Result<Self> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        let malformed =
            |error| bad_request("The metadata is not what it should be.").because(error);
        // A list would do for a struct.
        let object: Map<String, Value> = serde_json::from_slice(json).map_err(malformed)?;
        let mut said: Self = serde_json::from_value(object.into()).map_err(malformed)?;
        for said in [
            &mut said.content_type,
            &mut said.cache_control,
            &mut said.content_disposition,
            &mut said.content_encoding,
            &mut said.content_language,
        ] {
            let Some(Some(text)) = said else { continue };
            if HeaderValue::from_bytes(text.as_bytes()).is_err() {
                return Err(bad_request(
                    "The metadata has characters that no header has.",
                ));
            }
            // An empty header says less than none.
            if text.is_empty() {
                *said = Some(None);
            }
        }
        Ok(said)
    }

    /// For a new object of that name: shown in its place under its own name, unless said otherwise.
    /// `content_type` is what the request said of the bytes beside the JSON.
    ///
    /// # Errors
    /// 400 for a hash that is none.
    pub(super) fn options(
        self,
        name: &str,
        content_type: Option<String>,
        content_length: Option<u64>,
    ) -> Result<PutOptions> {
        let file = name.rsplit('/').next().unwrap_or(name);
        let disposition = || format!("inline; filename*=utf-8''{}", encoded(file));
        Ok(PutOptions {
            content_type: self
                .content_type
                .flatten()
                .or(content_type)
                .or_else(|| Some("application/octet-stream".to_owned())),
            cache_control: self.cache_control.flatten(),
            content_disposition: self
                .content_disposition
                .flatten()
                .or_else(|| Some(disposition())),
            content_encoding: self.content_encoding.flatten(),
            content_language: self.content_language.flatten(),
            metadata: custom(self.metadata.flatten())
                .filter_map(|(key, value)| Some((key, value?)))
                .collect(),
            content_length,
            md5: md5(&self.md5_hash)?,
        })
    }

    /// To an object as it is now, whose tokens stay.
    pub(super) fn change(self, object: &Object) -> MetadataChange {
        let clear_metadata = self.metadata == Some(None);
        let mut metadata: BTreeMap<_, _> = custom(self.metadata.flatten()).collect();
        if clear_metadata && let Some(tokens) = object.metadata.get(TOKENS) {
            metadata.insert(TOKENS.to_owned(), Some(tokens.clone()));
        }
        MetadataChange {
            content_type: self.content_type,
            cache_control: self.cache_control,
            content_disposition: self.content_disposition,
            content_encoding: self.content_encoding,
            content_language: self.content_language,
            clear_metadata,
            metadata,
        }
    }
}

/// Null is none.
fn md5(said: &Value) -> Result<Option<[u8; 16]>> {
    if said.is_null() {
        return Ok(None);
    }
    let hash = said
        .as_str()
        .and_then(|text| BASE64_STANDARD.decode(text).ok());
    match hash.map(<[u8; 16]>::try_from) {
        Some(Ok(hash)) => Ok(Some(hash)),
        _ => Err(bad_request("The md5Hash is not an MD5 in base64.")),
    }
}

/// Every value is kept as text; null is none.
fn custom(said: Option<BTreeMap<String, Value>>) -> impl Iterator<Item = (String, Option<String>)> {
    said.unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| key != TOKENS)
        .map(|(key, value)| match value {
            Value::Null => (key, None),
            Value::String(text) => (key, Some(text)),
            other => (key, Some(other.to_string())),
        })
}

#[cfg(test)]
mod tests;
