//! Who is calling: from an `Authorization` header to a [`Principal`].
//!
//! A token that was verified once is remembered by its SHA-256 until it expires, so the second call
//! costs a hash instead of an RSA check and no live token stays in memory.

mod device;
mod keys;
mod senders;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use quick_cache::sync::Cache;

pub(crate) use device::Device;
pub(crate) use keys::{KeySource, KeySourceSettings};
pub(crate) use senders::SenderVerifier;

/// The caller of an invocation, as the verified claims of a Firebase ID token describe them.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    /// `sub`: 1 to 128 characters, any.
    pub uid: String,
    /// Not an identity: two users may show the same address, and one may show none.
    pub email: Option<String>,
    /// All claims, for functions that look at custom ones.
    pub claims: BTreeMap<String, serde_json::Value>,
}

/// Why a request has no [`Principal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("no Authorization header")]
    Missing,
    /// Another scheme, or no token behind it.
    #[error("the Authorization header is not `Bearer` and a token")]
    Malformed,
    /// The token proves nothing: forged, expired, of another project.
    #[error("the token is refused: {0}")]
    Rejected(&'static str),
    /// Google's keys cannot be had now. Says nothing about the token.
    #[error("the keys that tokens are checked with cannot be had")]
    KeysUnavailable,
}

/// Verified tokens that are remembered.
const CACHED_TOKENS: usize = 10_000;

/// Verifies Firebase ID tokens of one project.
pub(crate) struct Verifier {
    rules: token::Rules,
    keys: Arc<KeySource>,
    cache: Cache<[u8; 32], Verified>,
    unsigned: bool,
}

#[derive(Clone)]
struct Verified {
    principal: Arc<Principal>,
    /// Seconds since the epoch.
    expires: u64,
    /// The set of keys that the token was checked with: a later set may have dropped its key.
    key_set: u64,
}

impl Verifier {
    /// `unsigned`: accept the tokens of Firebase's emulator, which prove nothing. Only for
    /// `router dev` on a loopback socket.
    pub(crate) fn new(project: &str, keys: Arc<KeySource>, unsigned: bool) -> Self {
        Self {
            rules: token::Rules::new(project),
            keys,
            cache: Cache::new(CACHED_TOKENS),
            unsigned,
        }
    }

    /// The caller that the headers prove.
    pub(crate) async fn verify(&self, headers: &HeaderMap) -> Result<Arc<Principal>, AuthError> {
        let token = bearer(headers)?;
        let digest = sha256(token);
        let now = now();
        if let Some(known) = self.cache.get(&digest)
            && known.expires > now
            && known.key_set == self.keys.current_set()
        {
            return Ok(known.principal);
        }
        let header = token::Header::read(token)?;
        if self.unsigned && header.is_unsigned() {
            return self.rules.check_unsigned(token).map(Arc::new);
        }
        let kid = header.signing_key()?;
        let (key, key_set) = self.keys.get(kid).await?;
        let (principal, expires) = self.rules.check(token, &key)?;
        let principal = Arc::new(principal);
        self.cache.insert(
            digest,
            Verified {
                principal: principal.clone(),
                expires,
                key_set,
            },
        );
        Ok(principal)
    }

    pub(crate) fn keys(&self) -> &KeySource {
        &self.keys
    }
}

/// The token behind `Authorization: Bearer`. The scheme's case does not matter (RFC 9110 §11.1), nor
/// does the number of spaces behind it; `Firebase` is what the Storage SDKs write.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Malformed);
    }
    let value = value.to_str().map_err(|_| AuthError::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(AuthError::Malformed)?;
    let known = ["Bearer", "Firebase"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    known.then(|| token.trim()).ok_or(AuthError::Malformed)
}

fn sha256(token: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// Seconds since the epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
