//! The transactions that create, change and end objects.

use jiff::Timestamp;
use manifest::StorageEvent;
use rusqlite::{Connection, OptionalExtension, params};

use super::object_row::{
    delete, find, forget_removal, insert, name_of, now_in_microseconds, parsed, write,
};
use super::sessions::finish_session;
use super::{
    Ledger, MetadataChange, MetadataTooLong, Object, ObjectName, PutOptions, check_metadata,
};
use crate::database::sqlite::SqliteError;

/// The measures of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) crc32c: u32,
    pub(crate) sha256: [u8; 32],
}

/// A new generation of an object, whose bytes are durable in a staged file.
#[derive(Debug, Clone)]
pub(crate) struct CommitObject {
    pub(crate) bucket: String,
    pub(crate) name: ObjectName,
    pub(crate) owner: String,
    pub(crate) content: Content,
    pub(crate) options: PutOptions,
    pub(crate) now: Timestamp,
    /// The staged file; `None` when the bytes already lie where they belong.
    pub(crate) staged: Option<String>,
    /// Bytes that all objects of the owner may have together.
    pub(crate) quota: Option<u64>,
    /// The upload session that ends with this.
    pub(crate) session: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error("the owner's quota does not hold this object")]
    QuotaExceeded,
    #[error(transparent)]
    MetadataTooLong(#[from] MetadataTooLong),
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
}

impl CommitError {
    /// Whether nothing of the transaction can come back. One whose commit the disk failed to sync
    /// is refused now, but may lie whole in SQLite's log, which the next start replays.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::QuotaExceeded | Self::MetadataTooLong(_) => true,
            Self::Sqlite(SqliteError::Job(_) | SqliteError::Panicked | SqliteError::Busy) => true,
            Self::Sqlite(SqliteError::Commit(error)) => {
                // The log ends before the mark that makes it a commit.
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            Self::Sqlite(SqliteError::Closed) => false,
        }
    }
}

/// What the ledger says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The object exists. Its bytes are in the staged file if there still is one.
    Exists {
        object: Box<Object>,
        staged: Option<String>,
    },
    /// The object was deleted; its file may still be there and is nobody's.
    Removed,
    /// Never heard of. A file of that name is older than the ledger.
    Unknown,
}

impl Ledger {
    /// The commit point of an upload: before it the object does not exist, after it a crash cannot
    /// take the object away. The events that tell of it, and their deliveries, are written in the same
    /// transaction. A file that is merely adopted is no event: nothing happened to it.
    ///
    /// After an error that is not [final](CommitError::is_final) only the next start knows.
    pub(crate) async fn commit(&self, mut new: CommitObject) -> Result<Object, CommitError> {
        let announcer = self.announcer.clone();
        let (object, told) = self
            .sqlite
            .write(move |tx| {
                if let Some(quota) = new.quota {
                    let others = owner_total(tx, &new.bucket, &new.owner, &new.name)?;
                    if others.saturating_add(new.content.size) > quota {
                        return Ok(Err(CommitError::QuotaExceeded));
                    }
                }
                // The new file replaces the one that waits to be removed.
                forget_removal(tx, &new.bucket, &new.name)?;
                let happened = new.staged.is_some();
                let replaced = find(tx, &new.bucket, &new.name)?;
                let session = new.session.take();
                let object = insert(tx, new)?;
                if let Some(id) = session {
                    finish_session(tx, &id, &object)?;
                }
                let mut told = false;
                if happened {
                    let now = object.created;
                    if let Some((replaced, _)) = replaced {
                        told |= announcer.announce(tx, StorageEvent::Deleted, &replaced, now)?;
                    }
                    told |= announcer.announce(tx, StorageEvent::Finalized, &object, now)?;
                }
                Ok(Ok((object, told)))
            })
            .await??;
        self.wake_if(told);
        Ok(object)
    }

    /// Deletes an object: from here on it does not exist, and the removal of its file is owed until
    /// [`Ledger::removed`]. Its event is part of the transaction.
    pub(crate) async fn remove(&self, bucket: &str, name: &ObjectName) -> Result<(), SqliteError> {
        let (bucket, name) = (bucket.to_owned(), name.clone());
        let announcer = self.announcer.clone();
        let told = self
            .sqlite
            .write(move |tx| {
                let mut told = false;
                if let Some((object, _)) = find(tx, &bucket, &name)? {
                    let now = Timestamp::now();
                    told = announcer.announce(tx, StorageEvent::Deleted, &object, now)?;
                }
                delete(tx, &bucket, &name)?;
                tx.prepare_cached("INSERT OR IGNORE INTO removals (bucket, name) VALUES (?1, ?2)")?
                    .execute(params![bucket, name.as_str()])?;
                Ok(told)
            })
            .await?;
        self.wake_if(told);
        Ok(())
    }

    /// Changes the metadata of an object, with the event that tells of it; `None`: there is no such
    /// object. What it has after many changes is no more than one could have given it.
    pub(crate) async fn update(
        &self,
        bucket: &str,
        name: &ObjectName,
        change: MetadataChange,
    ) -> Result<Option<Object>, CommitError> {
        let (bucket, name) = (bucket.to_owned(), name.clone());
        let announcer = self.announcer.clone();
        let updated = self
            .sqlite
            .write(move |tx| {
                let Some((mut object, staged)) = find(tx, &bucket, &name)? else {
                    return Ok(Ok(None));
                };
                let before = object.metadata.clone();
                change.apply(&mut object);
                if let Err(too_long) = check_metadata(&object.metadata, &before) {
                    return Ok(Err(too_long.into()));
                }
                object.metageneration += 1;
                object.updated = parsed(now_in_microseconds())?;
                write(tx, &object, staged.as_deref())?;
                let now = object.updated;
                let happened = StorageEvent::MetadataUpdated;
                let told = announcer.announce(tx, happened, &object, now)?;
                Ok::<_, rusqlite::Error>(Ok::<_, CommitError>(Some((object, told))))
            })
            .await??;
        let Some((object, told)) = updated else {
            return Ok(None);
        };
        self.wake_if(told);
        Ok(Some(object))
    }

    fn wake_if(&self, told: bool) {
        if told {
            self.wake();
        }
    }

    /// The file of a deleted object is durably gone.
    pub(crate) async fn removed(&self, bucket: &str, name: &ObjectName) -> Result<(), SqliteError> {
        let (bucket, name) = (bucket.to_owned(), name.clone());
        self.sqlite
            .write(move |tx| forget_removal(tx, &bucket, &name))
            .await
    }

    pub(crate) async fn find(
        &self,
        bucket: &str,
        name: &ObjectName,
    ) -> Result<Standing, SqliteError> {
        let (bucket, name) = (bucket.to_owned(), name.clone());
        self.sqlite
            .read(move |connection| {
                if let Some((object, staged)) = find(connection, &bucket, &name)? {
                    let object = Box::new(object);
                    return Ok(Standing::Exists { object, staged });
                }
                let removed = connection
                    .prepare_cached("SELECT 1 FROM removals WHERE bucket = ?1 AND name = ?2")?
                    .exists(params![bucket, name.as_str()])?;
                Ok(if removed {
                    Standing::Removed
                } else {
                    Standing::Unknown
                })
            })
            .await
    }

    /// The (bucket, name) of the object whose bytes a staged file holds; `None`: it is nobody's.
    pub(crate) async fn find_staged(
        &self,
        staged: &str,
    ) -> Result<Option<(String, ObjectName)>, SqliteError> {
        let staged = staged.to_owned();
        self.sqlite
            .read(move |connection| {
                connection
                    .prepare_cached(FIND_STAGED)?
                    .query_row([staged], |row| Ok((row.get(0)?, name_of(row, 1)?)))
                    .optional()
            })
            .await
    }

    /// Bytes of all objects of `owner` but `except`.
    pub(crate) async fn owner_total(
        &self,
        bucket: &str,
        owner: &str,
        except: &ObjectName,
    ) -> Result<u64, SqliteError> {
        let (bucket, owner, except) = (bucket.to_owned(), owner.to_owned(), except.clone());
        self.sqlite
            .read(move |connection| owner_total(connection, &bucket, &owner, &except))
            .await
    }
}

const FIND_STAGED: &str = "SELECT bucket, name FROM objects WHERE staged = ?1";

const OWNER_TOTAL: &str = "SELECT
    coalesce((SELECT bytes FROM owners WHERE bucket = ?1 AND owner = ?2), 0)
    - coalesce((SELECT size FROM objects WHERE bucket = ?1 AND name = ?3 AND owner = ?2), 0)";

fn owner_total(
    connection: &Connection,
    bucket: &str,
    owner: &str,
    except: &ObjectName,
) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(OWNER_TOTAL)?
        .query_row(params![bucket, owner, except.as_str()], |row| row.get(0))
        .map(i64::cast_unsigned)
}
