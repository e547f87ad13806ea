//! What a start owes to the run before it: finish what was committed, sweep what was not.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::bucket::{Bucket, BucketState};
use super::folder::Folder;
use super::lookup;
use super::place::Place;
use super::work::blocking;
use super::{ObjectName, StorageError, session};
use crate::failpoint::left_out;
use crate::ledger::Ledger;

/// Before the first upload: every staged file is the previous run's, and stays only if a session goes
/// on with it. What the disk refuses now stays owed, and is no reason not to serve the rest.
pub(super) async fn recover(
    staging: &Arc<Folder>,
    buckets: &BTreeMap<String, Bucket>,
    ledger: &Ledger,
) -> Result<(), StorageError> {
    // On this thread: as yet nobody else waits for it.
    let names = staging.names()?;
    // The leases are given back too: whoever held them is gone, for only one process has this disk.
    let owed = ledger.take_over(Timestamp::now()).await?;
    let kept: HashSet<&str> = owed.active.iter().map(|it| it.staged.as_str()).collect();
    for staged in names {
        if kept.contains(staged.as_str()) {
            continue;
        }
        let settled = match ledger.find_staged(&staged).await? {
            Some((bucket, name)) => match locate(buckets, &bucket, &name) {
                Some((bucket, place)) => {
                    tracing::info!(object.name = %name, "rolling a committed upload forward");
                    blocking(move || lookup::roll_forward(&bucket, &staged, &place)).await
                }
                None => Ok(()),
            },
            None if left_out!("no-clean-up") => Ok(()),
            None => {
                let staging = staging.clone();
                blocking(move || staging.remove_file(&staged)).await
            }
        };
        warn_of(settled);
    }
    for row in owed.active {
        match buckets.get(&row.bucket) {
            Some(bucket) => warn_of(session::restore(bucket.state(), &row).await),
            None => tracing::warn!(row.bucket, "no bucket of the manifest has this session"),
        }
    }
    session::expire(staging, buckets, ledger, owed.expired).await?;
    for (bucket, name) in owed.removals {
        if let Some((bucket, place)) = locate(buckets, &bucket, &name) {
            warn_of(lookup::finish_removal(&bucket, &name, place).await);
        }
    }
    Ok(())
}

fn warn_of(settled: Result<(), StorageError>) {
    if let Err(error) = settled {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "something that the previous run left stays as it is");
    }
}

/// `None` (and a warning): the manifest no longer has the bucket. What is owed stays owed until it does again.
fn locate(
    buckets: &BTreeMap<String, Bucket>,
    bucket: &str,
    name: &ObjectName,
) -> Option<(Arc<BucketState>, Place)> {
    let found = buckets.get(bucket).map(|bucket| {
        let state = bucket.state();
        let place = Place::of(name, &state.spec.object_name);
        (state.clone(), place)
    });
    if found.is_none() {
        tracing::warn!(bucket, object.name = %name, "no bucket of the manifest has this object");
    }
    found
}
