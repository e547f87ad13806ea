//! What functions see of storage: objects by name.

use std::fmt;
use std::sync::Arc;

use manifest::BucketSpec;

use super::folder::Folder;
use super::lock::ObjectLocks;
use super::place::Place;
use super::quota::Claims;
use super::room::Room;
use super::tree::Tree;
use super::upload::{PutOptions, Upload};
use super::work::uninterrupted;
use super::{
    InvalidObjectName, MetadataChange, Object, ObjectName, ObjectReader, StorageError, lookup,
};
use crate::ledger::Ledger;

/// A bucket of the manifest. Clones are cheap and mean the same bucket.
#[derive(Clone)]
pub struct Bucket(Arc<BucketState>);

pub(super) struct BucketState {
    pub(super) spec: BucketSpec,
    pub(super) tree: Tree,
    pub(super) staging: Arc<Folder>,
    pub(super) room: Arc<Room>,
    pub(super) ledger: Ledger,
    pub(super) locks: Arc<ObjectLocks>,
    pub(super) claims: Arc<Claims>,
}

impl Bucket {
    pub(super) fn new(
        spec: BucketSpec,
        tree: Tree,
        staging: Arc<Folder>,
        room: Arc<Room>,
        ledger: Ledger,
    ) -> Self {
        Self(Arc::new(BucketState {
            spec,
            tree,
            staging,
            room,
            ledger,
            locks: Arc::default(),
            claims: Arc::default(),
        }))
    }

    pub(super) fn state(&self) -> &Arc<BucketState> {
        &self.0
    }

    pub(super) fn min_free(&self) -> u64 {
        self.0.spec.min_free
    }

    /// The bucket's key in the manifest.
    pub fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// The name of an object of `owner`, by the manifest's `object_name`. An owner with a slash becomes
    /// one segment all the same (`%2F`): it would be a folder of somebody else's.
    ///
    /// # Errors
    /// When the name is too long, or the owner empty.
    pub fn object_name(&self, owner: &str, path: &str) -> Result<ObjectName, InvalidObjectName> {
        if owner.is_empty() {
            return Err(InvalidObjectName);
        }
        let prefix = &self.0.spec.object_name.prefix;
        let owner = owner.replace('%', "%25").replace('/', "%2F");
        ObjectName::new(format!("{prefix}{owner}/{path}"))
    }

    /// The object's place below the disk's base path, as far as it has plain names:
    /// `{root}/{owner}/{path}`.
    pub fn key(&self, owner: &str, path: &str) -> String {
        format!("{}/{owner}/{path}", self.0.spec.root)
    }

    /// Starts an upload. An object of that name stays as it is until [`Upload::finish`].
    pub async fn put(&self, name: ObjectName, options: PutOptions) -> Result<Upload, StorageError> {
        Upload::start(self.0.clone(), name, options).await
    }

    /// The object and its bytes, which belong together; `None`: there is no such object, or its
    /// file was taken away behind the ledger's back (which is logged).
    ///
    /// A file that is older than the ledger becomes an object here, which takes the time to read it.
    pub async fn open(
        &self,
        name: &ObjectName,
    ) -> Result<Option<(Object, ObjectReader)>, StorageError> {
        let place = Place::of(name, &self.0.spec.object_name)?;
        let lock = self.0.locks.lock(name).await;
        lookup::open(self.0.clone(), name.clone(), place, lock).await
    }

    /// The object alone, when [`Bucket::open`] would find it.
    pub async fn head(&self, name: &ObjectName) -> Result<Option<Object>, StorageError> {
        Ok(self.open(name).await?.map(|(object, _)| object))
    }

    /// Deletes the object, durably, and returns what it was; `None`: there was none. Once polled it
    /// runs to its end, even if the future is dropped.
    pub async fn delete(&self, name: &ObjectName) -> Result<Option<Object>, StorageError> {
        let place = Place::of(name, &self.0.spec.object_name)?;
        uninterrupted(lookup::delete(self.0.clone(), name.clone(), place)).await
    }

    /// Changes the object's metadata and returns what it is now; `None`: there is no such object.
    pub async fn update(
        &self,
        name: &ObjectName,
        change: MetadataChange,
    ) -> Result<Option<Object>, StorageError> {
        let _lock = self.0.locks.lock(name).await;
        let updated = self.0.ledger.update(self.name(), name, change);
        Ok(updated.await?)
    }

    /// At most `limit` objects whose names start with `prefix`, in the order of the names' bytes,
    /// from the first one after `start_after` (`""`: from the start).
    pub async fn list(
        &self,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<Object>, StorageError> {
        let found = self.0.ledger.list(self.name(), prefix, start_after, limit);
        Ok(found.await?)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.name()).finish()
    }
}
