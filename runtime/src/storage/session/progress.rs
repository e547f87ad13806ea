//! How far the bytes of one session have come: on the disk, in the ledger, through the hashes.
//!
//! The ledger's number is the promise. What is written beyond it counts once it is durable and the
//! ledger says so; after a failure it is cut off and must come again, because a page that the disk
//! failed to write is never trusted. The hashes stay in memory between requests, so bytes are read
//! again only after a failure or a restart.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::failpoint::failpoint;
use crate::ledger::Session;
use crate::storage::bucket::BucketState;
use crate::storage::intake::Intake;
use crate::storage::measure::Measures;
use crate::storage::room::Reservation;
use crate::storage::staged::{Kept, StagedFile};
use crate::storage::work::blocking;
use crate::storage::{BLOCK, StorageError};

pub(super) struct Progress {
    session: String,
    staged: String,
    declared: Option<u64>,
    /// Bytes that the ledger promises.
    received: u64,
    /// Held by whatever has the file open, so also by a write that goes on behind a failure.
    file: Arc<Mutex<()>>,
    stage: Stage,
}

/// What there is beside the file. A step that fails leaves nothing.
#[derive(Default)]
enum Stage {
    #[default]
    Unmeasured,
    Measured(Measures),
    Running(Box<Intake>),
}

/// What becomes of the bytes that do not fill a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    Kept,
    Dropped,
}

impl Progress {
    pub(super) fn of(row: &Session) -> Self {
        Self {
            session: row.id.clone(),
            staged: row.staged.clone(),
            declared: row.options.content_length,
            received: row.received,
            file: Arc::default(),
            stage: match row.received {
                0 => Stage::Measured(Measures::default()),
                _ => Stage::Unmeasured,
            },
        }
    }

    /// The file's name.
    pub(super) fn staged(&self) -> &str {
        &self.staged
    }

    /// Bytes that the ledger promises.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Bytes that were received and those that are on their way.
    pub(super) fn taken(&self) -> u64 {
        match &self.stage {
            Stage::Running(intake) => intake.taken(),
            _ => self.received,
        }
    }

    /// Whether the bytes are as many as were declared, if that is known.
    pub(super) fn is_whole(&self) -> Option<bool> {
        self.declared.map(|declared| declared == self.taken())
    }

    /// # Errors
    /// When `more` bytes would be more than were declared.
    pub(super) fn check_length(&self, more: u64) -> Result<(), StorageError> {
        let received = self.taken().saturating_add(more);
        match self.declared {
            Some(declared) if received > declared => {
                Err(StorageError::LengthMismatch { declared, received })
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// When fewer bytes have come than were declared.
    pub(super) fn check_whole(&self) -> Result<(), StorageError> {
        match self.declared {
            Some(declared) if declared != self.received => Err(StorageError::LengthMismatch {
                declared,
                received: self.received,
            }),
            _ => Ok(()),
        }
    }

    /// Opens the file for a writer.
    pub(super) async fn run(&mut self, bucket: &Arc<BucketState>) -> Result<(), StorageError> {
        let expected = self.declared.unwrap_or_default();
        let expected = expected.saturating_sub(self.received);
        let (room, min_free) = (bucket.room.clone(), bucket.spec.min_free);
        let room = blocking(move || room.reserve(expected, min_free)).await?;
        let (file, measures) = self.open(bucket, room).await?;
        let intake = Intake::new(bucket, file, measures.md5, BLOCK, expected)?;
        self.stage = Stage::Running(Box::new(intake));
        Ok(())
    }

    /// Opens the file as it was promised, with the measures of its bytes.
    async fn open(
        &mut self,
        bucket: &BucketState,
        room: Reservation,
    ) -> Result<(StagedFile, Measures), StorageError> {
        let measures = match mem::take(&mut self.stage) {
            Stage::Measured(measures) => Some(measures),
            Stage::Unmeasured | Stage::Running(_) => None,
        };
        let kept = Kept {
            id: self.staged.clone(),
            size: self.received,
            measures,
            turn: self.file.clone().lock_owned().await,
        };
        let staging = bucket.staging.clone();
        let opened = blocking(move || StagedFile::reopen(staging, room, kept));
        opened.await?.ok_or_else(|| {
            tracing::warn!(
                staged = self.staged,
                "the file of an upload session is gone"
            );
            StorageError::SessionCancelled
        })
    }

    /// Takes the next bytes of the writer.
    pub(super) async fn take(
        &mut self,
        bucket: &BucketState,
        bytes: Bytes,
    ) -> Result<(), StorageError> {
        let Stage::Running(intake) = mem::take(&mut self.stage) else {
            return Err(StorageError::Aborted);
        };
        let intake = intake.take(bytes).await?;
        let durable = intake.durable();
        self.stage = Stage::Running(Box::new(intake));
        self.promise(bucket, durable).await
    }

    /// Makes whole blocks durable and promises them. A writer goes on.
    pub(super) async fn catch_up(&mut self, bucket: &BucketState) -> Result<(), StorageError> {
        match mem::take(&mut self.stage) {
            Stage::Running(intake) => {
                let intake = intake.sync().await?;
                self.promise(bucket, intake.durable()).await?;
                self.stage = Stage::Running(Box::new(intake));
            }
            other => self.stage = other,
        }
        Ok(())
    }

    /// Ends the writer's part: makes what came durable and promises it.
    pub(super) async fn settle(
        &mut self,
        bucket: &BucketState,
        tail: Tail,
    ) -> Result<(), StorageError> {
        match mem::take(&mut self.stage) {
            Stage::Running(intake) => {
                let intake = match tail {
                    Tail::Kept => intake.pass_on().await?,
                    Tail::Dropped => *intake,
                };
                let intake = intake.sync().await?;
                self.promise(bucket, intake.durable()).await?;
                let (_, measures) = intake.end().await?;
                self.stage = Stage::Measured(measures);
            }
            other => self.stage = other,
        }
        Ok(())
    }

    async fn promise(&mut self, bucket: &BucketState, durable: u64) -> Result<(), StorageError> {
        if durable > self.received {
            failpoint!("before-promise")?;
            let now = Timestamp::now();
            let promised = bucket.ledger.session_received(&self.session, durable, now);
            promised.await?;
            self.received = durable;
            failpoint!("after-promise")?;
        }
        Ok(())
    }

    /// The file, to make an object of it, and its measures.
    pub(super) async fn seal(
        &mut self,
        bucket: &BucketState,
    ) -> Result<(StagedFile, Measures), StorageError> {
        let room = bucket.room.reserve_nothing();
        let (file, measures) = self.open(bucket, room).await?;
        self.stage = Stage::Measured(measures.clone());
        Ok((file, measures))
    }
}
