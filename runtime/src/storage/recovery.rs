//! What a start owes to the run before it: finish what was committed, sweep what was not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bucket::{Bucket, BucketState};
use super::folder::Folder;
use super::lookup;
use super::place::Place;
use super::work::blocking;
use super::{ObjectName, StorageError};
use crate::failpoint::left_out;
use crate::ledger::Ledger;

/// Before the first upload: every staged file is the previous run's. What the disk refuses now stays
/// owed, and is no reason not to serve the rest.
pub(super) async fn recover(
    staging: &Arc<Folder>,
    buckets: &BTreeMap<String, Bucket>,
    ledger: &Ledger,
) -> Result<(), StorageError> {
    let names = {
        let staging = staging.clone();
        blocking(move || staging.names()).await?
    };
    for staged in names {
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
    // Whoever held them is gone: only one process has this disk.
    ledger.release_leases().await?;
    for (bucket, name) in ledger.removals().await? {
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

/// `None` (and a warning): the manifest no longer has the bucket, or names its objects otherwise.
/// What is owed stays owed until it does again.
fn locate(
    buckets: &BTreeMap<String, Bucket>,
    bucket: &str,
    name: &ObjectName,
) -> Option<(Arc<BucketState>, Place)> {
    let found = buckets.get(bucket).and_then(|bucket| {
        let state = bucket.state();
        let place = Place::of(name, &state.spec.object_name).ok()?;
        Some((state.clone(), place))
    });
    if found.is_none() {
        tracing::warn!(bucket, object.name = %name, "no bucket of the manifest has this object");
    }
    found
}
