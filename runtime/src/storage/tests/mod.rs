//! The promises of storage, on real folders.

mod access;
mod adoption;
mod hostile;
mod limits;
mod listing;
mod metadata;
mod protocol;
mod reading;
mod session_endings;
mod session_kills;
mod session_kit;
mod session_limits;
mod sessions;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt;
use manifest::{BucketSpec, ObjectNameTemplate};

use super::*;

/// A disk with one bucket, whose process can be started again.
struct Disk {
    path: PathBuf,
    spec: BucketSpec,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            path: folder.path().to_owned(),
            spec: spec(),
            _folder: folder,
        }
    }

    /// A second handle to the ledger, to put there what only a crash would leave.
    async fn ledger(&self) -> Ledger {
        Ledger::open(&self.path.join(ledger::FOLDER), Announcer::default())
            .await
            .unwrap()
    }

    async fn start(&self) -> Result<Storage, StorageError> {
        open(&self.path, &self.spec).await
    }

    async fn open(&self) -> Bucket {
        self.start().await.unwrap().bucket("chunks").unwrap()
    }

    /// Starts again as soon as the run before, whose handles were dropped, lets go of the disk.
    async fn restart(&self) -> Bucket {
        for _ in 0..100_000 {
            match self.start().await {
                Ok(storage) => return storage.bucket("chunks").unwrap(),
                Err(StorageError::Io(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("a handle of the run before is still there");
    }

    /// A path below the bucket's folder.
    fn file(&self, path: &str) -> PathBuf {
        self.path.join("user_chunks").join(path)
    }

    /// Puts a file where the former server would have.
    fn plant(&self, path: &str, bytes: &[u8]) {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    fn staged(&self) -> Vec<String> {
        names_in(&self.path.join(STAGING))
    }

    /// Staged files are removed in the background.
    async fn nothing_staged(&self) {
        while !self.staged().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

async fn open(path: &Path, spec: &BucketSpec) -> Result<Storage, StorageError> {
    let specs = BTreeMap::from([(spec.name.clone(), spec.clone())]);
    Storage::open(path, &specs, Announcer::default()).await
}

fn spec() -> BucketSpec {
    BucketSpec {
        name: "chunks".to_owned(),
        root: "user_chunks".to_owned(),
        object_name: ObjectNameTemplate {
            prefix: "user_uploads/".to_owned(),
        },
        max_object: 64 << 20,
        quota_per_user: None,
        access: Vec::new(),
        min_free: 0,
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn name(path: &str) -> ObjectName {
    ObjectName::new(format!("user_uploads/{path}")).unwrap()
}

/// Bytes that differ between neighbouring blocks.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

async fn put(bucket: &Bucket, path: &str, bytes: &Bytes) -> Result<Object, StorageError> {
    let mut upload = bucket.put(name(path), PutOptions::default()).await?;
    upload.write(bytes.clone()).await?;
    upload.finish().await
}

async fn get(bucket: &Bucket, path: &str) -> Option<(Object, Bytes)> {
    let (object, reader) = bucket.open(&name(path)).await.unwrap()?;
    let bytes = collect(&reader, 0..u64::MAX).await;
    Some((object, bytes))
}

async fn collect(reader: &ObjectReader, range: std::ops::Range<u64>) -> Bytes {
    let blocks: Vec<Bytes> = reader.read_range(range).try_collect().await.unwrap();
    blocks.concat().into()
}
