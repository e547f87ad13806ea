//! From a staged file to an object: the steps of the protocol (see [the module](super)), in order.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::bucket::BucketState;
use super::folder::{Entry, Folder};
use super::place::Place;
use super::staged::StagedFile;
use super::work::blocking;
use super::{Object, ObjectName, PutOptions, StorageError};
use crate::failpoint::{failpoint, left_out};
use crate::ledger::{CommitObject, Content};

/// All bytes of an upload, written but not yet durable.
pub(super) struct Sealed {
    pub(super) file: StagedFile,
    pub(super) content: Content,
    /// The upload session whose bytes they are. It ends with the commit, and until then its file
    /// stays.
    pub(super) session: Option<String>,
}

/// # Errors
/// [`StorageError::ChecksumMismatch`]
pub(super) fn check(content: &Content, options: &PutOptions) -> Result<(), StorageError> {
    match options.md5 {
        Some(said) if said != content.md5 => Err(StorageError::ChecksumMismatch),
        _ => Ok(()),
    }
}

pub(super) async fn publish(
    bucket: Arc<BucketState>,
    name: ObjectName,
    place: Place,
    options: PutOptions,
    sealed: Sealed,
) -> Result<Object, StorageError> {
    let Sealed {
        file,
        content,
        session,
    } = sealed;
    let staged = file.id().to_owned();
    let new = CommitObject {
        bucket: bucket.spec.name.clone(),
        name: name.clone(),
        owner: place.owner().to_owned(),
        content,
        options,
        now: Timestamp::now(),
        staged: Some(staged.clone()),
        quota: bucket.quota_of(place.owner()),
        session,
    };
    let (file, folder, place) = {
        let bucket = bucket.clone();
        blocking(move || {
            sync_file(&file)?;
            sync_staging(&bucket.staging)?;
            let folder = make_folder(&bucket, &place)?;
            Ok((file, folder, place))
        })
        .await?
    };

    let _lock = bucket.locks.lock(&name).await;
    let object = commit(&bucket, file, new).await?;
    let staging = bucket.staging.clone();
    blocking(move || {
        rename(&staging, &staged, &folder, place.file())?;
        sync_folder(&folder)
    })
    .await?;
    failpoint!("before-answer")?;
    Ok(object)
}

fn sync_file(file: &StagedFile) -> io::Result<()> {
    failpoint!("before-fsync")?;
    file.sync()?;
    failpoint!("after-fsync")
}

/// The ledger is about to name an entry of this folder.
fn sync_staging(staging: &Folder) -> io::Result<()> {
    staging.sync()
}

/// Before the commit, because the disk can refuse it. So can whoever planted something there.
fn make_folder(bucket: &BucketState, place: &Place) -> io::Result<Folder> {
    let folder = bucket.tree.make(place)?;
    match folder.entry(place.file())? {
        Entry::Absent | Entry::File => Ok(folder),
        Entry::Folder | Entry::Foreign => Err(io::Error::other("not a regular file")),
    }
}

async fn commit(
    bucket: &BucketState,
    file: StagedFile,
    new: CommitObject,
) -> Result<Object, StorageError> {
    // Before the transaction: if this future is dropped, the ledger may commit all the same.
    let staged = file.hand_over();
    let stays = new.session.is_some();
    match bucket.ledger.commit(new).await {
        Ok(object) => {
            failpoint!("after-commit")?;
            Ok(object)
        }
        Err(error) => {
            if error.is_final() && !stays {
                let staging = bucket.staging.clone();
                blocking(move || staging.remove_file(&staged)).await?;
            }
            Err(error.into())
        }
    }
}

/// Moves the bytes of a committed object to where they are read.
pub(super) fn rename(
    staging: &Folder,
    staged: &str,
    folder: &Folder,
    file: &str,
) -> io::Result<()> {
    failpoint!("before-rename")?;
    if !left_out!("no-staging") {
        staging.rename(staged, folder, file)?;
    }
    failpoint!("after-rename")
}

pub(super) fn sync_folder(folder: &Folder) -> io::Result<()> {
    failpoint!("before-dir-fsync")?;
    folder.sync()?;
    failpoint!("after-dir-fsync")
}
