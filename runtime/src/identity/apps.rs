//! Which app is calling, as Firebase App Check vouches for it in `X-Firebase-AppCheck`.
//!
//! The rules are those of the Admin SDK (`appCheck().verifyToken`) and of Firebase's page on custom
//! backends, which also wants the type `JWT`.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::proven::Proven;
use super::token::Header;
use super::{AuthError, KeySource, token};

const APP_CHECK: HeaderName = HeaderName::from_static("x-firebase-appcheck");
/// The number of the project follows.
const ISSUER: &str = "https://firebaseappcheck.googleapis.com/";

/// Verifies the App Check tokens of one project.
pub(crate) struct AppVerifier {
    /// `projects/{id}`; beside it Google lists `projects/{number}`.
    audience: String,
    validation: Validation,
    tokens: Proven<Arc<str>>,
    unsigned: bool,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Vec<String>,
    /// The id of the app: `1:1234567890:web:321abc`.
    sub: String,
}

impl AppVerifier {
    /// `unsigned` as for [`super::Verifier`].
    pub(crate) fn new(project: &str, keys: Arc<KeySource>, unsigned: bool) -> Self {
        let audience = format!("projects/{project}");
        let validation = token::validation(&audience);
        Self {
            audience,
            validation,
            tokens: Proven::new(keys),
            unsigned,
        }
    }

    /// The id of the app that the headers prove.
    ///
    /// # Errors
    /// As for a token of a user: refused, or keys that cannot be had.
    pub(crate) async fn verify(&self, headers: &HeaderMap) -> Result<Arc<str>, AuthError> {
        let mut values = headers.get_all(APP_CHECK).iter();
        let token = match (values.next(), values.next()) {
            (Some(token), None) => token.to_str().map_err(|_| AuthError::Malformed)?,
            (None, _) => return Err(AuthError::Missing),
            (Some(_), Some(_)) => return Err(AuthError::Malformed),
        };
        if self.unsigned && Header::read(token)?.is_unsigned() {
            token::check_unsigned(token)?;
            return Ok(self.typed(token)?.sub.into());
        }
        let check = |header: &Header, key: &DecodingKey| match header.is_jwt() {
            true => self.check(token, key),
            false => Err(AuthError::Rejected("typ is not JWT")),
        };
        self.tokens.get(token, check).await
    }

    fn check(&self, token: &str, key: &DecodingKey) -> Result<(Arc<str>, u64), AuthError> {
        let _: IgnoredAny = token::check(token, key, &self.validation)?;
        let claims = self.typed(token)?;
        let times = token::check_times(token)?;
        Ok((claims.sub.into(), times.exp))
    }

    /// The claims in their types, of this project, with an app.
    fn typed(&self, token: &str) -> Result<Claims, AuthError> {
        let claims: Claims = token::claims(token)?;
        if !claims.aud.contains(&self.audience) {
            return Err(AuthError::Rejected("aud is another project"));
        }
        if !claims.iss.starts_with(ISSUER) {
            return Err(AuthError::Rejected("iss is not App Check"));
        }
        if claims.sub.is_empty() {
            return Err(AuthError::Rejected("sub is no app"));
        }
        Ok(claims)
    }
}
