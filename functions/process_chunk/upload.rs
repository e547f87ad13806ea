//! What an event says of the upload it tells of. Pure.

use runtime::{CloudEvent, Error, ErrorCode, Result, StorageObjectData};

const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";

/// An upload into a user's own folder, `user_uploads/{owner}/…`.
#[derive(Debug)]
pub(super) struct Upload<'e> {
    owner: &'e str,
    object: &'e StorageObjectData,
}

/// Why an event is none of this function's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PassedOver {
    #[error("it is not about a finished upload")]
    AnotherKind,
    #[error("the object is not in user_uploads/{{uid}}/")]
    Elsewhere,
    #[error("the object's metadata names another user than its path")]
    AnotherOwner,
    /// The database could not keep it, and no browser can send it.
    #[error("there is a NUL character in it")]
    Nul,
}

impl<'e> Upload<'e> {
    pub(super) fn of(event: &'e CloudEvent<StorageObjectData>) -> Result<Self, PassedOver> {
        let object = &event.data;
        owner(event).map(|owner| Self { owner, object })
    }

    /// The uid, as the bucket spells it in a name: a slash in it is `%2F`, a percent sign `%25`.
    pub(super) fn owner(&self) -> String {
        uid(self.owner)
    }

    pub(super) fn name(&self) -> &'e str {
        &self.object.name
    }

    /// # Errors
    /// `INVALID_ARGUMENT` for what Cloud Storage cannot have sent.
    pub(super) fn generation(&self) -> Result<i64> {
        self.object.generation.parse().map_err(|error| {
            Error::new(ErrorCode::InvalidArgument, "The request is not an event.")
                .because(format!("its generation: {error}"))
        })
    }

    /// With the name by which clients know the bucket.
    pub(super) fn storage_ref(&self) -> String {
        format!("gs://{}/{}", self.object.bucket, self.object.name)
    }

    pub(super) fn content_type(&self) -> Option<&'e str> {
        self.object
            .content_type
            .as_deref()
            .filter(|t| !t.is_empty())
    }

    pub(super) fn chunk_type(&self) -> &'e str {
        let content_type = self.content_type().unwrap_or("unknown");
        content_type.split('/').next().unwrap_or(content_type)
    }

    /// As the uploader called it, else the last segment of the object's name.
    pub(super) fn original_filename(&self) -> Option<&'e str> {
        let given = self.object.metadata.get("originalFilename");
        given
            .map(String::as_str)
            .or_else(|| self.name().rsplit('/').find(|segment| !segment.is_empty()))
    }
}

fn uid(segment: &str) -> String {
    segment.replace("%2F", "/").replace("%25", "%")
}

/// The uid in the object's name, which the metadata may confirm and never changes.
fn owner(event: &CloudEvent<StorageObjectData>) -> Result<&str, PassedOver> {
    let object = &event.data;
    if event.kind != FINALIZED {
        return Err(PassedOver::AnotherKind);
    }
    let (owner, _) = object
        .name
        .strip_prefix("user_uploads/")
        .and_then(|path| path.split_once('/'))
        .filter(|(owner, rest)| !owner.is_empty() && !rest.is_empty())
        .ok_or(PassedOver::Elsewhere)?;
    if let Some(claimed) = object.metadata.get("firebaseUserId")
        && *claimed != uid(owner)
    {
        return Err(PassedOver::AnotherOwner);
    }
    let mut texts = [&object.bucket, &object.name]
        .into_iter()
        .chain(&object.content_type)
        .chain(object.metadata.keys())
        .chain(object.metadata.values());
    if texts.any(|text| text.contains('\0')) {
        return Err(PassedOver::Nul);
    }
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An event of Cloud Storage with `changes` to its object.
    fn event(changes: &Value) -> CloudEvent<StorageObjectData> {
        let mut object = json!({
            "bucket": "b",
            "name": "user_uploads/U1/1_a_x.webm_x.webm",
            "generation": "7",
            "metageneration": "1",
            "size": "10",
            "contentType": "video/webm",
            "metadata": {"firebaseUserId": "U1", "originalFilename": "x.webm"},
        });
        for (key, value) in changes.as_object().unwrap() {
            object[key] = value.clone();
        }
        let object = serde_json::from_value(object).unwrap();
        CloudEvent::new(
            "e1",
            "//storage.googleapis.com/projects/_/buckets/b",
            FINALIZED,
            object,
        )
    }

    #[test]
    fn the_owner_is_who_the_path_says() {
        for (changes, expected) in [
            (json!({}), Ok("U1")),
            (json!({"metadata": {}}), Ok("U1")),
            (
                json!({"metadata": {"firebaseUserId": "U2"}}),
                Err(PassedOver::AnotherOwner),
            ),
            (
                json!({"metadata": {"firebaseUserId": ""}}),
                Err(PassedOver::AnotherOwner),
            ),
            (json!({"name": "user_uploads/U1/a/b/"}), Ok("U1")),
            (json!({"name": "other/x"}), Err(PassedOver::Elsewhere)),
            (
                json!({"name": "user_uploads/U1"}),
                Err(PassedOver::Elsewhere),
            ),
            (
                json!({"name": "user_uploads/U1/"}),
                Err(PassedOver::Elsewhere),
            ),
            (
                json!({"name": "user_uploads/a%2Fb%25/x", "metadata": {"firebaseUserId": "a/b%"}}),
                Ok("a/b%"),
            ),
            (
                json!({"name": "user_uploads//x"}),
                Err(PassedOver::Elsewhere),
            ),
            (
                json!({"name": "/user_uploads/U1/x"}),
                Err(PassedOver::Elsewhere),
            ),
            (json!({"name": "user_uploads/U1/a\0"}), Err(PassedOver::Nul)),
            (json!({"metadata": {"note": "a\0"}}), Err(PassedOver::Nul)),
            (json!({"contentType": "a\0"}), Err(PassedOver::Nul)),
        ] {
            let event = event(&changes);
            let found = Upload::of(&event).map(|upload| upload.owner());
            assert_eq!(found, expected.map(str::to_owned), "{changes}");
        }
    }

    #[test]
    fn only_a_finished_upload_counts() {
        let mut deleted = event(&json!({}));
        deleted.kind = "google.cloud.storage.object.v1.deleted".to_owned();
        let found = Upload::of(&deleted).unwrap_err();
        assert_eq!(found, PassedOver::AnotherKind);
    }

    #[test]
    fn a_generation_is_a_number() {
        for (generation, expected) in [
            ("7", Ok(7)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("9223372036854775808", Err(ErrorCode::InvalidArgument)),
            ("x", Err(ErrorCode::InvalidArgument)),
        ] {
            let event = event(&json!({"generation": generation}));
            let found = Upload::of(&event).unwrap().generation();
            assert_eq!(found.map_err(|error| error.code()), expected);
        }
    }

    #[test]
    fn the_type_is_what_stands_before_the_slash() {
        for (content_type, chunk_type, mime_type) in [
            (
                json!("video/webm;codecs=vp9"),
                "video",
                Some("video/webm;codecs=vp9"),
            ),
            (json!("audio/wav"), "audio", Some("audio/wav")),
            (json!("strange"), "strange", Some("strange")),
            (json!(""), "unknown", None),
            (Value::Null, "unknown", None),
        ] {
            let event = event(&json!({"contentType": content_type}));
            let upload = Upload::of(&event).unwrap();
            assert_eq!(
                (upload.chunk_type(), upload.content_type()),
                (chunk_type, mime_type)
            );
        }
    }

    #[test]
    fn a_file_is_called_as_its_uploader_called_it_or_as_its_object_ends() {
        for (changes, filename) in [
            (json!({}), "x.webm"),
            (json!({"metadata": {}}), "1_a_x.webm_x.webm"),
            (json!({"metadata": {}, "name": "user_uploads/U1/a/b/"}), "b"),
        ] {
            let event = event(&changes);
            let upload = Upload::of(&event).unwrap();
            assert_eq!(upload.original_filename(), Some(filename));
        }
    }
}
