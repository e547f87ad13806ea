//! Buckets on a disk: bytes in files, everything else in the [ledger](crate::ledger).
//!
//! # The protocol
//!
//! An upload becomes an object in this order ([`publish`]):
//!
//! 1. The bytes go to a file of their own in `.staging`, on the same file system, while they are
//!    hashed.
//! 2. The file is synced, then `.staging`, which names it. The object's folder is made and synced.
//! 3. **Commit**: one transaction of the ledger writes the object, which names the staged file.
//! 4. The file is renamed to where the object is read, and that folder is synced.
//! 5. The sender gets its answer.
//!
//! A crash before 3 leaves a staged file that no object names: the next start removes it, unless an
//! [upload session](session) goes on with it. A crash
//! after 3 leaves one that an object names: the next start, or the next one to open the object,
//! does step 4. So an acknowledged object is durable and whole, and any other is whole or absent.
//! A sync that fails is never tried again on the same bytes: the upload fails, or the session cuts them
//! off and has them sent again. If it is the commit's
//! own sync, only the next start knows the outcome, so the staged file stays until then.
//!
//! Deleting is the same the other way round: one transaction ends the object and notes that its
//! file is to be removed; the file is removed and its folder synced; the note is deleted.
//!
//! Steps 3 and 4, opening and deleting hold the [lock of the object](lock).
//!
//! # Room
//!
//! An upload writes only into [room] that it was promised: for what it declares, at its start; for
//! the rest, block by block. So `min_free` bytes stay free, however many uploads there are at once.
//!
//! # Older files
//!
//! A file that lies where an object would, of which the ledger has never heard, was put there by a
//! former server. It becomes an object when somebody asks for it by name.

mod access;
mod bucket;
mod error;
mod folder;
mod intake;
mod lane;
mod lock;
mod lookup;
mod measure;
mod place;
mod publish;
mod quota;
mod reader;
mod recovery;
mod room;
mod session;
mod staged;
mod tree;
mod upload;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use manifest::BucketSpec;

pub use self::access::Operation;
pub use self::bucket::Bucket;
pub use self::error::StorageError;
pub use self::reader::ObjectReader;
pub use self::session::{SessionWriter, UploadSession};
pub use self::upload::Upload;
pub use crate::ledger::{
    InvalidObjectName, Listing, MetadataChange, Object, ObjectName, PutOptions, SessionState,
};

pub(crate) use self::folder::{Entry, Folder};
#[cfg(feature = "testing")]
pub(crate) use self::place::{Place, owner_segment};

use self::lane::Crew;
use self::room::Room;
use self::tree::Tree;
use self::work::blocking;
use crate::ledger::{self, Announcer, Ledger};

/// Bytes that are read in one go, and that an upload session promises in one go.
const BLOCK: usize = 256 * 1024;

const STAGING: &str = ".staging";

/// How often upload sessions are looked through for those whose time is up.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// Every bucket of the manifest, on one disk.
#[derive(Clone)]
pub(crate) struct Storage(Arc<Parts>);

struct Parts {
    buckets: BTreeMap<String, Bucket>,
    staging: Arc<Folder>,
    ledger: Ledger,
}

impl Storage {
    /// Opens the buckets below `base` and settles what the previous run left unfinished. Folders
    /// that are missing are made.
    ///
    /// # Errors
    /// Also when another process has the same disk open.
    pub(crate) async fn open(
        base: &Path,
        specs: &BTreeMap<String, BucketSpec>,
        announcer: Announcer,
    ) -> Result<Self, StorageError> {
        let folder = Folder::open_base(base)?;
        let staging = Arc::new(folder.make_folder(STAGING)?);
        staging.claim()?;
        let disk = staging.clone();
        let room = Arc::new(Room::new(move || disk.free()));
        let ledger = Ledger::open(&base.join(ledger::FOLDER), announcer).await?;
        let crew = Arc::new(Crew::default());
        let mut buckets = BTreeMap::new();
        for (name, spec) in specs {
            let tree = Tree::open(&folder, &spec.root)?;
            let (staging, room) = (staging.clone(), room.clone());
            let (crew, ledger) = (crew.clone(), ledger.clone());
            let bucket = Bucket::new(spec.clone(), tree, staging, room, crew, ledger);
            buckets.insert(name.clone(), bucket);
        }
        recovery::recover(&staging, &buckets, &ledger).await?;
        let parts = Arc::new(Parts {
            buckets,
            staging,
            ledger,
        });
        tokio::spawn(sweep(Arc::downgrade(&parts)));
        Ok(Self(parts))
    }

    /// `name` is the bucket's key in the manifest.
    pub(crate) fn bucket(&self, name: &str) -> Option<Bucket> {
        self.0.buckets.get(name).cloned()
    }

    /// What happened to the objects, and who still has to be told.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Whether an upload could start now: the ledger answers, and the disk has the room that every
    /// bucket wants left free.
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        self.0.ledger.ping().await?;
        let min_free = self.0.buckets.values().map(Bucket::min_free).max();
        let staging = self.0.staging.clone();
        blocking(move || staging.check_free(min_free.unwrap_or_default())).await
    }
}

/// Ends with the storage.
async fn sweep(parts: Weak<Parts>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(parts) = parts.upgrade() else { return };
        if let Err(error) = parts.expire(Timestamp::now()).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "expired upload sessions stay for now");
        }
    }
}

impl Parts {
    async fn expire(&self, now: Timestamp) -> Result<(), StorageError> {
        let expired = self.ledger.expired_sessions(now).await?;
        session::expire(&self.staging, &self.buckets, &self.ledger, expired).await
    }
}

#[cfg(test)]
mod tests;
