//! Bytes that running uploads have claimed from their owner's quota. The ledger's transaction
//! decides in the end; this keeps parallel uploads from filling the disk before they are refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::StorageError;

/// Claimed bytes by owner.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_owner: Mutex<HashMap<String, u64>>,
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
