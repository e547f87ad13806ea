//! Which user is calling, as a Firebase ID token says.
//!
//! The rules are those of the Admin SDK (`verifyIdToken`), and stricter where it is lax: `exp` and `iat`
//! must be there, and neither `iat` nor `auth_time` may lie in the future.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::proven::Proven;
use super::{AuthError, KeySource, Principal, bearer, token};

/// Characters of a `sub`.
const LONGEST_UID: usize = 128;

/// Verifies the ID tokens of one project.
pub(crate) struct Verifier {
    project: String,
    issuer: String,
    validation: Validation,
    tokens: Proven<Arc<Principal>>,
    unsigned: bool,
}

/// The claims that are looked at, with the types they must have.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
}

impl Verifier {
    /// `unsigned`: accept the tokens of Firebase's emulator, which prove nothing. Only for
    /// `router dev` on a loopback socket.
    pub(crate) fn new(project: &str, keys: Arc<KeySource>, unsigned: bool) -> Self {
        let issuer = format!("https://securetoken.google.com/{project}");
        let mut validation = token::validation(project);
        validation.set_issuer(&[&issuer]);
        Self {
            project: project.to_owned(),
            issuer,
            validation,
            tokens: Proven::new(keys),
            unsigned,
        }
    }

    /// The caller that the headers prove.
    pub(crate) async fn verify(&self, headers: &HeaderMap) -> Result<Arc<Principal>, AuthError> {
        let token = bearer(headers)?;
        if self.unsigned && token::Header::read(token)?.is_unsigned() {
            return self.check_unsigned(token).map(Arc::new);
        }
        self.tokens
            .get(token, |_, key| self.check(token, key))
            .await
    }

    pub(crate) fn keys(&self) -> &KeySource {
        self.tokens.keys()
    }

    /// The principal of a signed token, and the second at which it expires.
    fn check(&self, token: &str, key: &DecodingKey) -> Result<(Arc<Principal>, u64), AuthError> {
        let all: BTreeMap<String, Value> = token::check(token, key, &self.validation)?;
        let claims = self.typed(token)?;
        let times = token::check_times(token)?;
        Ok((Arc::new(principal(claims.sub, all)), times.exp))
    }

    /// A token of the emulator or of the SDK's `mockUserToken`, whose times mean nothing.
    fn check_unsigned(&self, token: &str) -> Result<Principal, AuthError> {
        token::check_unsigned(token)?;
        let claims = self.typed(token)?;
        Ok(principal(claims.sub, token::claims(token)?))
    }

    /// The claims in their types, from this project, with a uid.
    fn typed(&self, token: &str) -> Result<Claims, AuthError> {
        let claims: Claims = token::claims(token)?;
        if claims.aud != self.project {
            return Err(AuthError::Rejected("aud is another project"));
        }
        if claims.iss != self.issuer {
            return Err(AuthError::Rejected("iss is not the project's"));
        }
        if !(1..=LONGEST_UID).contains(&claims.sub.chars().count()) {
            return Err(AuthError::Rejected("sub is not 1 to 128 characters"));
        }
        Ok(claims)
    }
}

fn principal(uid: String, claims: BTreeMap<String, Value>) -> Principal {
    Principal {
        uid,
        email: claims
            .get("email")
            .and_then(Value::as_str)
            .map(str::to_owned),
        claims,
    }
}
