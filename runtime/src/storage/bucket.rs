//! What functions see of storage: objects by name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::SignedDuration;
use manifest::{AccessRule, BucketSpec};

use super::folder::Folder;
use super::lane::Crew;
use super::lock::ObjectLocks;
use super::place::{Place, owner_segment};
use super::quota::Claims;
use super::room::Room;
use super::session::{self, Sessions, UploadSession};
use super::tree::Tree;
use super::upload::Upload;
use super::work::uninterrupted;
use super::{
    InvalidObjectName, Listing, MetadataChange, Object, ObjectName, ObjectReader, Operation,
    PutOptions, StorageError, access, lookup,
};
use crate::identity::Principal;
use crate::ledger::{Ledger, Standing};

/// A bucket of the manifest. Clones are cheap and mean the same bucket.
#[derive(Clone)]
pub struct Bucket(Arc<BucketState>);

pub(super) struct BucketState {
    /// Its `access` is what the start had; see [`Bucket::govern`].
    pub(super) spec: BucketSpec,
    access: ArcSwap<Vec<AccessRule>>,
    pub(super) tree: Tree,
    pub(super) staging: Arc<Folder>,
    pub(super) room: Arc<Room>,
    pub(super) crew: Arc<Crew>,
    pub(super) ledger: Ledger,
    pub(super) locks: Arc<ObjectLocks>,
    pub(super) claims: Arc<Claims>,
    pub(super) sessions: Sessions,
}

impl BucketState {
    /// Bytes of all objects of the owner; `None`: as many as they like, or objects of nobody.
    pub(super) fn quota_of(&self, owner: &str) -> Option<u64> {
        self.spec.quota_per_user.filter(|_| !owner.is_empty())
    }

    /// `size`: bytes of one object.
    pub(super) fn check_size(&self, size: u64) -> Result<(), StorageError> {
        let limit = self.spec.max_object;
        if size > limit {
            return Err(StorageError::TooLarge { limit });
        }
        Ok(())
    }
}

impl Bucket {
    pub(super) fn new(
        spec: BucketSpec,
        tree: Tree,
        staging: Arc<Folder>,
        room: Arc<Room>,
        crew: Arc<Crew>,
        ledger: Ledger,
    ) -> Self {
        Self(Arc::new(BucketState {
            access: ArcSwap::from_pointee(spec.access.clone()),
            spec,
            tree,
            staging,
            room,
            crew,
            ledger,
            locks: Arc::default(),
            claims: Arc::default(),
            sessions: Sessions::default(),
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

    /// The name under which clients know the bucket, and its events call it: `[project] bucket`, or of
    /// several buckets each one's key.
    pub fn public_name(&self) -> &str {
        self.0.ledger.public_name().unwrap_or(self.name())
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
        let owner = owner_segment(owner);
        ObjectName::new(format!("{prefix}{owner}/{path}"))
    }

    /// The object's place below the disk's base path, as far as it has plain names:
    /// `{root}/{owner}/{path}`.
    pub fn key(&self, owner: &str, path: &str) -> String {
        format!("{}/{}/{path}", self.0.spec.root, owner_segment(owner))
    }

    /// Starts an upload. An object of that name stays as it is until [`Upload::finish`].
    pub async fn put(&self, name: ObjectName, options: PutOptions) -> Result<Upload, StorageError> {
        Upload::start(self.0.clone(), name, options).await
    }

    /// Starts an upload that takes several requests and outlives the process. An object of that name
    /// stays as it is until [`UploadSession::finish`]. A session that is not finished expires seven
    /// days later.
    pub async fn start_session(
        &self,
        name: ObjectName,
        options: PutOptions,
    ) -> Result<UploadSession, StorageError> {
        session::start(self.0.clone(), name, options, session::LIFETIME).await
    }

    /// The same for a session that expires earlier.
    pub async fn start_session_for(
        &self,
        lifetime: Duration,
        name: ObjectName,
        options: PutOptions,
    ) -> Result<UploadSession, StorageError> {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(session::LIFETIME);
        let lifetime = lifetime.min(session::LIFETIME);
        session::start(self.0.clone(), name, options, lifetime).await
    }

    /// The session of that id, as it stands now: what has come by now is made durable first. `None`:
    /// there is none in this bucket, or it has expired.
    pub async fn session(&self, id: &str) -> Result<Option<UploadSession>, StorageError> {
        session::find(self.0.clone(), id).await
    }

    /// The object and its bytes, which belong together; `None`: there is no such object, or its
    /// file was taken away behind the ledger's back (which is logged).
    ///
    /// A file that is older than the ledger becomes an object here, which takes the time to read it.
    pub async fn open(
        &self,
        name: &ObjectName,
    ) -> Result<Option<(Object, ObjectReader)>, StorageError> {
        let place = Place::of(name, &self.0.spec.object_name);
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
        let place = Place::of(name, &self.0.spec.object_name);
        uninterrupted(lookup::delete(self.0.clone(), name.clone(), place)).await
    }

    /// Changes the object's metadata and returns what it is now, with a new metageneration even if
    /// nothing differs; `None`: there is no such object. Once polled it runs to its end, even if the
    /// future is dropped.
    pub async fn update(
        &self,
        name: &ObjectName,
        change: MetadataChange,
    ) -> Result<Option<Object>, StorageError> {
        let place = Place::of(name, &self.0.spec.object_name);
        uninterrupted(lookup::update(self.0.clone(), name.clone(), place, change)).await
    }

    /// Changes the object's metadata by what it is now, and nothing comes between: `change` sees the
    /// object, and changes nothing with `None`. `None`: there is no such object, or nobody has asked
    /// for that older file yet.
    pub async fn revise(
        &self,
        name: &ObjectName,
        change: impl FnOnce(&Object) -> Option<MetadataChange>,
    ) -> Result<Option<Object>, StorageError> {
        let _lock = self.0.locks.lock(name).await;
        let found = self.0.ledger.find(self.name(), name).await?;
        let Standing::Exists { object, .. } = found else {
            return Ok(None);
        };
        match change(&object) {
            None => Ok(Some(*object)),
            Some(change) => Ok(self.0.ledger.update(self.name(), name, change).await?),
        }
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

    /// One page of a folder: names that start with `prefix`, in the order of their bytes, after
    /// `start_after` (`""`: from the start). Those with a `delimiter` behind the prefix are folders:
    /// each is listed once, by its name up to the delimiter, and a folder that `start_after` lies in
    /// counts as listed. Prefixes and objects together are at most `limit`.
    ///
    /// As in Firebase's lists, names with an empty segment (but for a leading slash) do not appear;
    /// one that ends in a slash has one.
    pub async fn list_folder(
        &self,
        prefix: &str,
        delimiter: Option<char>,
        start_after: &str,
        limit: usize,
    ) -> Result<Listing, StorageError> {
        let ledger = &self.0.ledger;
        let found = ledger.list_folder(self.name(), prefix, delimiter, start_after, limit);
        Ok(found.await?)
    }

    /// From now on these rules say who may do what.
    pub(crate) fn govern(&self, access: Vec<AccessRule>) {
        self.0.access.store(Arc::new(access));
    }

    /// Whether the bucket's `access` in the manifest lets the caller do that. Functions ask; nothing
    /// else of a bucket does.
    pub fn permits(
        &self,
        operation: Operation,
        name: &ObjectName,
        caller: Option<&Principal>,
    ) -> bool {
        access::permits(&self.0.access.load(), operation, name, caller)
    }

    /// Whether the caller may read every object whose name starts with `prefix`, and so list them.
    pub fn permits_list(&self, prefix: &str, caller: Option<&Principal>) -> bool {
        access::permits_list(&self.0.access.load(), prefix, caller)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.name()).finish()
    }
}
