//! Takes down each chunk that was uploaded: whose it is, what its uploader said of it, and what its
//! bytes say themselves.
//!
//! Whose it is, its name says, which only its owner could give it; what the uploader claims beside
//! that never decides. The same event may come again, late, or from a bucket that is not kept here:
//! the row then stays as it is, or goes without what only the bytes could tell.

mod media;
mod upload;

#[cfg(feature = "testing")]
pub(crate) mod testing;

use std::time::Instant;

use runtime::{CloudEvent, Context, Error, ObjectName, Result, StorageError, StorageObjectData};

use crate::tables::chunks::{self, Chunk, Contents};
use media::{Limits, Media};
use upload::Upload;

pub async fn handle(context: Context, event: CloudEvent<StorageObjectData>) -> Result<()> {
    let upload = match Upload::of(&event) {
        Ok(upload) => upload,
        Err(reason) => {
            // Nothing of it would be different the next time.
            tracing::warn!(event = event.id, %reason, "the event is passed over");
            return Ok(());
        }
    };
    let (database, storage_ref) = (context.database(), upload.storage_ref());
    let generation = upload.generation()?;
    if chunks::is_recorded(database, &storage_ref, generation).await? {
        return Ok(());
    }
    let media = read(&context, upload.name(), generation).await?;
    let chunk = Chunk {
        user_id: upload.owner(),
        storage_ref,
        generation,
        chunk_type: upload.chunk_type().to_owned(),
        mime_type: upload.content_type().map(str::to_owned),
        original_filename: upload.original_filename().map(str::to_owned),
        custom_metadata: serde_json::json!(event.data.metadata),
        contents: media
            .as_ref()
            .map(contents)
            .transpose()?
            .unwrap_or_default(),
    };
    chunks::record(database, &chunk).await
}

/// What the uploaded bytes are; `None` when they are not here: deleted, overwritten, or never kept in
/// this bucket.
async fn read(context: &Context, name: &str, generation: i64) -> Result<Option<Media>> {
    // A name that is none here is one of another bucket.
    let Ok(name) = ObjectName::new(name) else {
        return Ok(None);
    };
    let (object, reader) = match context.bucket("chunks")?.open(&name).await {
        Ok(Some(found)) => found,
        Ok(None) | Err(StorageError::InvalidName) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if object.generation != generation {
        return Ok(None);
    }
    let left = context.deadline().into_std();
    let left = left.saturating_duration_since(Instant::now());
    let mut limits = Limits::default();
    limits.time = limits.time.min(left);
    let reading = tokio::task::spawn_blocking(move || media::describe(reader.blocking(), &limits));
    let media = reading.await.map_err(Error::internal)?;
    Ok(Some(media.map_err(StorageError::from)?))
}

fn contents(media: &Media) -> Result<Contents> {
    // A size beyond the column's is not one of a picture.
    let pixels = |size: Option<u32>| size.and_then(|size| i32::try_from(size).ok());
    let features = serde_json::to_value(media).map_err(Error::internal)?;
    Ok(Contents {
        duration_seconds: media.duration_seconds,
        width: pixels(media.width),
        height: pixels(media.height),
        features: Some(features),
    })
}
