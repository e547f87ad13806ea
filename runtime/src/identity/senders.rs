//! Who may POST an event to a function: the holder of a shared secret, or a service account that
//! Google vouches for.

use std::sync::Arc;

use http::HeaderMap;
use manifest::Senders;
use serde::Deserialize;

use super::{AuthError, KeySource, Principal, bearer, token};
use crate::secrets::Secret;

/// Both spellings that Google has used.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Verifies the senders of events.
pub(crate) struct SenderVerifier {
    /// EVENT_TOKEN
    shared: Option<Secret>,
    /// Of Google's OIDC tokens.
    keys: Arc<KeySource>,
}

/// An OIDC token of a service account, as Pub/Sub and Eventarc send it.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    email: String,
    email_verified: bool,
}

impl SenderVerifier {
    pub(crate) fn new(shared: Option<Secret>, keys: Arc<KeySource>) -> Self {
        Self { shared, keys }
    }

    /// The sender; for the shared secret a principal without a name.
    pub(crate) async fn verify(
        &self,
        headers: &HeaderMap,
        senders: Option<&Senders>,
    ) -> Result<Arc<Principal>, AuthError> {
        let token = bearer(headers)?;
        if self.shared.as_ref().is_some_and(|shared| shared.is(token)) {
            return Ok(Arc::new(Principal {
                uid: String::new(),
                email: None,
                claims: Default::default(),
            }));
        }
        let Some(senders) = senders else {
            return Err(AuthError::Rejected(
                "no senders but the holder of EVENT_TOKEN",
            ));
        };
        let header = token::Header::read(token)?;
        let (key, _) = self.keys.get(header.signing_key()?).await?;
        let mut validation = token::validation(&senders.audience);
        validation.set_issuer(&ISSUERS);
        let claims: Claims = token::check(token, &key, &validation)?;
        token::check_times(token)?;
        if !claims.email_verified || !senders.emails.contains(&claims.email) {
            return Err(AuthError::Rejected("the e-mail is not a sender's"));
        }
        Ok(Arc::new(Principal {
            uid: claims.sub,
            email: Some(claims.email),
            claims: Default::default(),
        }))
    }
}
