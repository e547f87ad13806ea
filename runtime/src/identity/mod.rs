//! Who is calling: from the headers of a request to a [`Principal`], and to the app that sends it.
//!
//! Each kind of token has its rules in a module of its own; what they share is in `token`.

mod accounts;
mod apps;
mod fetched;
mod keys;
mod proven;
mod senders;
mod token;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::AUTHORIZATION;

pub(crate) use accounts::{Accounts, AccountsSettings, ServiceAccount};
pub(crate) use apps::AppVerifier;
pub(crate) use keys::{KeySource, KeySourceSettings};
pub(crate) use senders::SenderVerifier;
pub(crate) use users::Verifier;

/// Who verifies what proves anything of a request.
pub(crate) struct Verifiers {
    pub(crate) users: Verifier,
    pub(crate) senders: SenderVerifier,
    pub(crate) apps: AppVerifier,
    /// `None` when no function asks for them.
    pub(crate) accounts: Option<Arc<Accounts>>,
}

impl Verifiers {
    /// The user that the headers prove; with `check_revoked` one whose account still stands behind it.
    pub(crate) async fn user(
        &self,
        headers: &HeaderMap,
        check_revoked: bool,
    ) -> Result<Arc<Principal>, AuthError> {
        let user = self.users.verify(headers).await?;
        match &self.accounts {
            _ if !check_revoked => {}
            Some(accounts) => accounts.check(&user).await?,
            None => return Err(AuthError::Unavailable("there is no service account")),
        }
        Ok(user)
    }
}

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
    /// Google's keys, or what it knows of the account, cannot be had now. Says nothing about the token.
    #[error("the token cannot be checked now: {0}")]
    Unavailable(&'static str),
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

/// Seconds since the epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
