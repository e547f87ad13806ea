//! Finding an object's bytes, and ending an object. Everything here happens under its lock.

use std::fs::File;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::bucket::BucketState;
use super::folder::Entry;
use super::lock::ObjectLock;
use super::measure::Measures;
use super::place::Place;
use super::publish;
use super::work::{blocking, uninterrupted};
use super::{MetadataChange, Object, ObjectName, ObjectReader, PutOptions, StorageError};
use crate::ledger::{CommitObject, Standing};

/// Consumes the lock, so that it is held to the end even if the future is dropped before.
pub(super) async fn open(
    bucket: Arc<BucketState>,
    name: ObjectName,
    place: Place,
    lock: ObjectLock,
) -> Result<Option<(Object, ObjectReader)>, StorageError> {
    match bucket.ledger.find(&bucket.spec.name, &name).await? {
        Standing::Exists { object, staged } => {
            let file = blocking(move || {
                let _lock = lock;
                if let Some(staged) = staged {
                    roll_forward(&bucket, &staged, &place)?;
                }
                open_file(&bucket, &place)
            });
            Ok(with_reader(*object, file.await?))
        }
        Standing::Removed => {
            uninterrupted(async move {
                let _lock = lock;
                finish_removal(&bucket, &name, place).await
            })
            .await?;
            Ok(None)
        }
        Standing::Unknown => {
            uninterrupted(async move {
                let _lock = lock;
                adopt(&bucket, &name, place).await
            })
            .await
        }
    }
}

fn with_reader(object: Object, file: Option<(File, u64)>) -> Option<(Object, ObjectReader)> {
    match file {
        Some((file, size)) if size == object.size => {
            let reader = ObjectReader::new(file, size);
            Some((object, reader))
        }
        found => {
            tracing::warn!(
                bucket = object.bucket,
                object.name = %object.name,
                object.size,
                file.size = found.map(|(_, size)| size),
                "the bytes of an object are not what the ledger says",
            );
            None
        }
    }
}

fn open_file(bucket: &BucketState, place: &Place) -> io::Result<Option<(File, u64)>> {
    let Some(folder) = bucket.tree.find(place)? else {
        return Ok(None);
    };
    let Some(file) = folder.open_file(place.file())? else {
        return Ok(None);
    };
    let size = file.metadata()?.len();
    Ok(Some((file, size)))
}

/// Carries out what a committed upload still owes: a crash or an error came between its commit and
/// its rename. Nothing to do when the staged file is gone.
pub(super) fn roll_forward(bucket: &BucketState, staged: &str, place: &Place) -> io::Result<()> {
    if bucket.staging.entry(staged)? == Entry::Absent {
        return Ok(());
    }
    let folder = bucket.tree.make(place)?;
    publish::rename(&bucket.staging, staged, &folder, place.file())?;
    publish::sync_folder(&folder)
}

/// Makes an object of a file that was put there before there was a ledger.
async fn adopt(
    bucket: &Arc<BucketState>,
    name: &ObjectName,
    place: Place,
) -> Result<Option<(Object, ObjectReader)>, StorageError> {
    let owner = place.owner().to_owned();
    let measured = {
        let bucket = bucket.clone();
        blocking(move || {
            let Some((file, _)) = open_file(&bucket, &place)? else {
                return Ok(None);
            };
            let content = Measures::read(&file)?.content();
            let modified = Timestamp::try_from(file.metadata()?.modified()?);
            Ok(Some((file, content, modified.map_err(io::Error::other)?)))
        })
        .await?
    };
    let Some((file, content, modified)) = measured else {
        return Ok(None);
    };
    let object = bucket
        .ledger
        .commit(CommitObject {
            bucket: bucket.spec.name.clone(),
            name: name.clone(),
            owner,
            content,
            options: PutOptions::default(),
            // Generations are given out from this time, which must not run ahead.
            now: modified.min(Timestamp::now()),
            staged: None,
            quota: None,
            session: None,
        })
        .await?;
    tracing::info!(bucket = object.bucket, object.name = %object.name, "adopted a file");
    let reader = ObjectReader::new(file, object.size);
    Ok(Some((object, reader)))
}

pub(super) async fn update(
    bucket: Arc<BucketState>,
    name: ObjectName,
    place: Place,
    change: MetadataChange,
) -> Result<Option<Object>, StorageError> {
    let _lock = bucket.locks.lock(&name).await;
    let standing = bucket.ledger.find(&bucket.spec.name, &name).await?;
    if standing == Standing::Unknown && adopt(&bucket, &name, place).await?.is_none() {
        return Ok(None);
    }
    Ok(bucket
        .ledger
        .update(&bucket.spec.name, &name, change)
        .await?)
}

pub(super) async fn delete(
    bucket: Arc<BucketState>,
    name: ObjectName,
    place: Place,
) -> Result<Option<Object>, StorageError> {
    let _lock = bucket.locks.lock(&name).await;
    let object = match bucket.ledger.find(&bucket.spec.name, &name).await? {
        Standing::Exists { object, .. } => Some(*object),
        Standing::Removed => None,
        Standing::Unknown => match adopt(&bucket, &name, place.clone()).await? {
            Some((object, _)) => Some(object),
            None => return Ok(None),
        },
    };
    if object.is_some() {
        bucket.ledger.remove(&bucket.spec.name, &name).await?;
    }
    // The object is gone, whatever happens to its file now.
    if let Err(error) = finish_removal(&bucket, &name, place).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the file of a deleted object stays until it is asked for or the next start"
        );
    }
    Ok(object)
}

/// Removes the file of a deleted object, durably, and then the ledger's note of it.
pub(super) async fn finish_removal(
    bucket: &Arc<BucketState>,
    name: &ObjectName,
    place: Place,
) -> Result<(), StorageError> {
    let state = bucket.clone();
    blocking(move || {
        if let Some(folder) = state.tree.find(&place)?
            && matches!(folder.entry(place.file())?, Entry::File | Entry::Absent)
        {
            folder.remove_file(place.file())?;
            // Even if there was nothing to remove: an earlier removal may not have come this far.
            folder.sync()?;
        }
        Ok(())
    })
    .await?;
    Ok(bucket.ledger.removed(&bucket.spec.name, name).await?)
}
