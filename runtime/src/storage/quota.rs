//! Bytes that running uploads have claimed from their owner's quota. The ledger's transaction
//! decides in the end; this keeps parallel uploads from filling the disk before they are refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::bucket::BucketState;
use super::{ObjectName, StorageError, session};

/// Claimed bytes by owner.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_owner: Mutex<HashMap<String, u64>>,
}

/// Claims the bytes that an upload declares. `None`: no quota counts them. Sessions of the owner that
/// nobody has gone on with for a while give way, the oldest first.
pub(super) async fn claim(
    bucket: &Arc<BucketState>,
    name: &ObjectName,
    owner: &str,
    declared: u64,
) -> Result<Option<Claim>, StorageError> {
    let Some(room) = room(bucket, name, owner).await? else {
        return Ok(None);
    };
    let mut claim = Claim::new(bucket.claims.clone(), owner, room);
    loop {
        match claim.grow_to(declared) {
            Ok(()) => return Ok(Some(claim)),
            Err(refused) if !session::make_way(bucket, owner).await? => return Err(refused),
            Err(_) => {}
        }
    }
}

/// Bytes that the owner's uploads may claim together, one of them for the object `name`. `None`: no
/// quota counts them.
pub(super) async fn room(
    bucket: &BucketState,
    name: &ObjectName,
    owner: &str,
) -> Result<Option<u64>, StorageError> {
    let Some(quota) = bucket.quota_of(owner) else {
        return Ok(None);
    };
    let others = bucket.ledger.owner_total(&bucket.spec.name, owner, name);
    Ok(Some(quota.saturating_sub(others.await?)))
}

/// What one upload has claimed; given back on drop.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    owner: String,
    bytes: u64,
    /// Bytes that the owner's uploads may claim together.
    room: u64,
}

impl Claim {
    pub(super) fn new(claims: Arc<Claims>, owner: &str, room: u64) -> Self {
        Self {
            claims,
            owner: owner.to_owned(),
            bytes: 0,
            room,
        }
    }

    /// The claim of a session of the previous run, which is not asked whether it fits.
    pub(super) fn restored(claims: Arc<Claims>, owner: &str, bytes: u64) -> Self {
        let mut claim = Self::new(claims, owner, u64::MAX);
        claim
            .grow_to(bytes)
            .expect("sums stay below the largest number");
        claim
    }

    /// The room has changed.
    ///
    /// # Errors
    /// When what is claimed no longer fits in.
    pub(super) fn renew(&mut self, room: u64) -> Result<(), StorageError> {
        self.room = room;
        let claimed = self.claims.lock().get(&self.owner).copied();
        if claimed.unwrap_or_default() > room {
            return Err(StorageError::QuotaExceeded);
        }
        Ok(())
    }

    /// Claims `total` bytes instead of what was claimed, if that is more.
    pub(super) fn grow_to(&mut self, total: u64) -> Result<(), StorageError> {
        let more = total.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let mut by_owner = self.claims.lock();
        let claimed = by_owner.get(&self.owner).copied().unwrap_or_default();
        let claimed = claimed.saturating_add(more);
        if claimed > self.room {
            return Err(StorageError::QuotaExceeded);
        }
        by_owner.insert(self.owner.clone(), claimed);
        self.bytes += more;
        Ok(())
    }
}

impl Claims {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut by_owner = self.claims.lock();
        if let Some(claimed) = by_owner.get_mut(&self.owner) {
            *claimed -= self.bytes;
            if *claimed == 0 {
                by_owner.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_claims_of_one_owner_share_the_room_and_give_it_back() {
        let claims = Arc::new(Claims::default());
        let mut first = Claim::new(claims.clone(), "U1", 10);
        let mut second = Claim::new(claims.clone(), "U1", 10);
        let mut stranger = Claim::new(claims.clone(), "U2", 10);

        first.grow_to(6).unwrap();
        assert!(second.grow_to(5).is_err());
        second.grow_to(4).unwrap();
        stranger.grow_to(10).unwrap();
        first.grow_to(3).unwrap();
        assert!(second.grow_to(5).is_err());

        drop(first);
        second.grow_to(10).unwrap();
        drop((second, stranger));
        assert!(claims.lock().is_empty());
    }
}
