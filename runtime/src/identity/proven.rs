//! Tokens that were proven once, remembered by their SHA-256 until they expire: the second request with
//! one costs a hash instead of an RSA check, and no live token stays in memory.

use std::sync::Arc;

use jsonwebtoken::DecodingKey;
use quick_cache::sync::Cache;

use super::{AuthError, KeySource, now, token};

/// Tokens of one kind that are remembered.
const REMEMBERED: usize = 10_000;

/// Of one kind of token, what each proves.
pub(super) struct Proven<T> {
    keys: Arc<KeySource>,
    cache: Cache<[u8; 32], Proof<T>>,
}

#[derive(Clone)]
struct Proof<T> {
    proven: T,
    /// Seconds since the epoch.
    expires: u64,
    /// The set of keys that the token was checked with: a later set may have dropped its key.
    key_set: u64,
}

impl<T: Clone> Proven<T> {
    pub(super) fn new(keys: Arc<KeySource>) -> Self {
        Self {
            keys,
            cache: Cache::new(REMEMBERED),
        }
    }

    pub(super) fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// What `token` proves: what `check` makes of it with the key it names, beside the second at which it
    /// expires.
    ///
    /// # Errors
    /// `check`'s, and those of a token that names no key or one that cannot be had.
    pub(super) async fn get(
        &self,
        token: &str,
        check: impl FnOnce(&token::Header, &DecodingKey) -> Result<(T, u64), AuthError>,
    ) -> Result<T, AuthError> {
        let digest = sha256(token);
        if let Some(known) = self.cache.get(&digest)
            && known.expires > now()
            && known.key_set == self.keys.current_set()
        {
            return Ok(known.proven);
        }
        let header = token::Header::read(token)?;
        let (key, key_set) = self.keys.get(header.signing_key()?).await?;
        let (proven, expires) = check(&header, &key)?;
        let proof = Proof {
            proven: proven.clone(),
            expires,
            key_set,
        };
        self.cache.insert(digest, proof);
        Ok(proven)
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
