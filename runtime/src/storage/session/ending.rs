//! How sessions end that become no object, and how they come back after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::live::PATIENCE;
use crate::failpoint::failpoint;
use crate::ledger::{Ledger, Session, SessionState};
use crate::storage::StorageError;
use crate::storage::bucket::{Bucket, BucketState};
use crate::storage::folder::Folder;
use crate::storage::quota::Claim;
use crate::storage::work::blocking;

/// Ends an active session without an object. Returns whether it was active: one that has ended stays
/// as it is.
pub(super) async fn cancel(bucket: &Arc<BucketState>, id: &str) -> Result<bool, StorageError> {
    let Some(live) = bucket.sessions.get(id) else {
        return Ok(false);
    };
    let mut work = live.enter().await;
    let Some(progress) = &work.progress else {
        return Ok(false);
    };
    let staged = progress.staged().to_owned();
    bucket.ledger.cancel_session(id, Timestamp::now()).await?;
    work.end();
    bucket.sessions.remove(id);
    failpoint!("after-cancel")?;
    remove(&bucket.staging, staged).await;
    Ok(true)
}

async fn remove(staging: &Arc<Folder>, staged: String) {
    let staging = staging.clone();
    if let Err(error) = blocking(move || staging.remove_file(&staged)).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            "the file of an upload session stays until the next start"
        );
    }
}

/// Cancels the session of the owner of which nobody was heard for longest, if that is longer than a
/// sender waits. Returns whether there was one: an upload that was given up without a word must not
/// keep its owner from the next.
pub(in crate::storage) async fn make_way(
    bucket: &Arc<BucketState>,
    owner: &str,
) -> Result<bool, StorageError> {
    match bucket.sessions.idle(owner, Timestamp::now() - PATIENCE) {
        None => Ok(false),
        Some(id) => cancel(bucket, &id).await,
    }
}

/// Ends and forgets sessions whose time is up.
pub(in crate::storage) async fn expire(
    staging: &Arc<Folder>,
    buckets: &BTreeMap<String, Bucket>,
    ledger: &Ledger,
    expired: Vec<Session>,
) -> Result<(), StorageError> {
    for session in expired {
        if let Some(bucket) = buckets.get(&session.bucket) {
            cancel(bucket.state(), &session.id).await?;
        } else if session.state == SessionState::Active {
            remove(staging, session.staged).await;
        }
        ledger.forget_session(&session.id).await?;
    }
    Ok(())
}

/// Goes on with a session of the previous run. What its file has beyond the promise is cut off.
pub(in crate::storage) async fn restore(
    bucket: &Arc<BucketState>,
    row: &Session,
) -> Result<(), StorageError> {
    let Some(live) = bucket.sessions.add(row) else {
        return Err(StorageError::TooManySessions);
    };
    if bucket.quota_of(&row.owner).is_some() {
        let declared = row.options.content_length.unwrap_or_default();
        let claims = bucket.claims.clone();
        let bytes = declared.max(row.received);
        live.enter_unheard().await.claim = Some(Claim::restored(claims, &row.owner, bytes));
    }
    let (staging, staged, received) = (bucket.staging.clone(), row.staged.clone(), row.received);
    blocking(move || staging.cut(&staged, received)).await
}
