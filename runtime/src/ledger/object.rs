//! What the ledger knows of one object: its name, its measures, its history. Nothing of files.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name of an object in its bucket: 1 to 1024 bytes of UTF-8, and any characters at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ObjectName(Arc<str>);

/// The text is empty or longer than 1024 bytes.
#[derive(Debug, thiserror::Error)]
#[error("an object name has 1 to {} bytes", ObjectName::MAX_BYTES)]
pub struct InvalidObjectName;

impl ObjectName {
    pub const MAX_BYTES: usize = 1024;

    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidObjectName> {
        let name = name.into();
        match name.len() {
            1..=Self::MAX_BYTES => Ok(Self(name)),
            _ => Err(InvalidObjectName),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ObjectName {
    type Error = InvalidObjectName;

    fn try_from(name: String) -> Result<Self, InvalidObjectName> {
        Self::new(name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One generation of an object, as Cloud Storage describes it. Its serialized form is the ledger's,
/// not Cloud Storage's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The bucket's key in the manifest.
    pub bucket: String,
    pub name: ObjectName,
    /// The segment of the name that says whose object it is; empty: nobody's.
    pub owner: String,
    /// Microseconds since 1970 when these bytes were finalized, and greater than every generation
    /// given out before.
    pub generation: i64,
    /// How often the metadata of this generation was written, from 1.
    pub metageneration: i64,
    /// Bytes.
    pub size: u64,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub md5: [u8; 16],
    /// Castagnoli; on the wire its four bytes are big-endian.
    pub crc32c: u32,
    pub sha256: [u8; 32],
    pub created: Timestamp,
    pub updated: Timestamp,
    /// Custom metadata, as the uploader gave it.
    pub metadata: BTreeMap<String, String>,
}

impl Object {
    /// The entity tag, without quotes: generation and metageneration in the encoding that Cloud
    /// Storage's own tags have (two protobuf varints, base64).
    pub fn etag(&self) -> String {
        let mut tag = Vec::with_capacity(16);
        for (field, value) in [(1, self.generation), (2, self.metageneration)] {
            tag.push(field << 3);
            push_varint(&mut tag, value.cast_unsigned());
        }
        STANDARD.encode(tag)
    }

    /// The MD5 as it stands in `md5Hash` and `x-goog-hash`.
    pub fn md5_base64(&self) -> String {
        STANDARD.encode(self.md5)
    }

    /// The CRC32C as it stands in `crc32c` and `x-goog-hash`.
    pub fn crc32c_base64(&self) -> String {
        STANDARD.encode(self.crc32c.to_be_bytes())
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Bytes of an object's custom metadata, keys and values together: Cloud Storage's.
const MAX_METADATA: usize = 8 << 10;

/// An object has more custom metadata than Cloud Storage would keep.
#[derive(Debug, thiserror::Error)]
#[error("custom metadata has at most {MAX_METADATA} bytes")]
pub(crate) struct MetadataTooLong;

/// Custom metadata in the place of `before`, which may be older than the limit: it may stay as long, not grow.
pub(crate) fn check_metadata(
    custom: &BTreeMap<String, String>,
    before: &BTreeMap<String, String>,
) -> Result<(), MetadataTooLong> {
    let bytes = |metadata: &BTreeMap<String, String>| -> usize {
        let pairs = metadata.iter();
        pairs.map(|(key, text)| key.len() + text.len()).sum()
    };
    match bytes(custom) <= MAX_METADATA.max(bytes(before)) {
        true => Ok(()),
        false => Err(MetadataTooLong),
    }
}

/// What an object is given beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PutOptions {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    /// Custom metadata.
    pub metadata: BTreeMap<String, String>,
    /// The bytes to come, if the sender says so: lets limits refuse before the first one.
    pub content_length: Option<u64>,
    /// The hash of the bytes to come, if the sender says so: others become no object.
    pub md5: Option<[u8; 16]>,
}

/// What a writer wants different about an object's metadata; the bytes and the generation stay. Of
/// the optional fields, `None` keeps what is and `Some(None)` unsets it.
#[derive(Debug, Clone, Default)]
pub struct MetadataChange {
    pub content_type: Option<Option<String>>,
    pub cache_control: Option<Option<String>>,
    pub content_disposition: Option<Option<String>>,
    pub content_encoding: Option<Option<String>>,
    pub content_language: Option<Option<String>>,
    /// Forget all custom metadata before `metadata` is merged.
    pub clear_metadata: bool,
    /// Custom metadata by key: `None` deletes the key, others are merged.
    pub metadata: BTreeMap<String, Option<String>>,
}

impl MetadataChange {
    pub(super) fn apply(self, object: &mut Object) {
        for (field, change) in [
            (&mut object.content_type, self.content_type),
            (&mut object.cache_control, self.cache_control),
            (&mut object.content_disposition, self.content_disposition),
            (&mut object.content_encoding, self.content_encoding),
            (&mut object.content_language, self.content_language),
        ] {
            if let Some(value) = change {
                *field = value;
            }
        }
        if self.clear_metadata {
            object.metadata.clear();
        }
        for (key, value) in self.metadata {
            match value {
                Some(value) => object.metadata.insert(key, value),
                None => object.metadata.remove(&key),
            };
        }
    }
}
