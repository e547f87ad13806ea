//! The rules of one token: pure, given the key.
//!
//! Those of the Admin SDK (`verifyIdToken`), and stricter where it is lax: `exp` and `iat` must be
//! there, and neither `iat` nor `auth_time` may lie in the future.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{AuthError, Principal, now};

/// Seconds by which two clocks may differ.
pub(super) const LEEWAY: u64 = 30;
/// Characters of a `sub`.
const LONGEST_UID: usize = 128;
/// Bytes of a token; Firebase's are about 1 kB, with the largest custom claims below 3 kB.
const LONGEST_TOKEN: usize = 16 << 10;

/// The first part of a token.
#[derive(Deserialize)]
pub(super) struct Header {
    alg: String,
    kid: Option<String>,
    /// RFC 7515 §4.1.11: an extension that the recipient must understand. We understand none.
    crit: Option<Value>,
}

/// The claims that are looked at, with the types they must have.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    iat: u64,
    auth_time: Option<u64>,
}

impl Header {
    pub(super) fn read(token: &str) -> Result<Self, AuthError> {
        if token.len() > LONGEST_TOKEN {
            return Err(AuthError::Rejected("longer than a token can be"));
        }
        read_part(token, 0)
    }

    pub(super) fn is_unsigned(&self) -> bool {
        self.alg == "none"
    }

    /// The id of the key that the token says it is signed with.
    pub(super) fn signing_key(&self) -> Result<&str, AuthError> {
        if self.alg != "RS256" {
            return Err(AuthError::Rejected("alg is not RS256"));
        }
        if self.crit.is_some() {
            return Err(AuthError::Rejected("crit names an extension"));
        }
        self.kid.as_deref().ok_or(AuthError::Rejected("no kid"))
    }
}

/// What a token of one project must say.
pub(super) struct Rules {
    project: String,
    issuer: String,
    validation: Validation,
}

impl Rules {
    pub(super) fn new(project: &str) -> Self {
        let issuer = format!("https://securetoken.google.com/{project}");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[project]);
        validation.set_issuer(&[&issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        Self {
            project: project.to_owned(),
            issuer,
            validation,
        }
    }

    /// The principal of a signed token, and the second at which it expires.
    pub(super) fn check(
        &self,
        token: &str,
        key: &DecodingKey,
    ) -> Result<(Principal, u64), AuthError> {
        let all: BTreeMap<String, Value> = jsonwebtoken::decode(token, key, &self.validation)
            .map_err(|error| AuthError::Rejected(reason(error.kind())))?
            .claims;
        let claims = self.typed(token)?;
        let latest = now() + LEEWAY;
        if claims.exp + LEEWAY <= now() {
            return Err(AuthError::Rejected("expired"));
        }
        if claims.iat > latest {
            return Err(AuthError::Rejected("iat is in the future"));
        }
        if claims.auth_time.is_some_and(|time| time > latest) {
            return Err(AuthError::Rejected("auth_time is in the future"));
        }
        Ok((principal(claims.sub, all), claims.exp))
    }

    /// A token of the emulator or of the SDK's `mockUserToken`, whose times mean nothing.
    pub(super) fn check_unsigned(&self, token: &str) -> Result<Principal, AuthError> {
        if !token.ends_with('.') {
            return Err(AuthError::Rejected("unsigned, with a signature"));
        }
        let claims = self.typed(token)?;
        Ok(principal(claims.sub, read_part(token, 1)?))
    }

    /// The claims in their types, from this project, with a uid.
    fn typed(&self, token: &str) -> Result<Claims, AuthError> {
        let claims: Claims = read_part(token, 1)?;
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

/// Part 0 (header) or 1 (claims) of exactly three.
/// Whether it has the parts of a token and they can be read; nothing about what they prove.
pub(super) fn is_readable(token: &str) -> bool {
    token.len() <= LONGEST_TOKEN
        && read_part::<Header>(token, 0).is_ok()
        && read_part::<BTreeMap<String, Value>>(token, 1).is_ok()
}

fn read_part<T: DeserializeOwned>(token: &str, index: usize) -> Result<T, AuthError> {
    const NOT_A_TOKEN: AuthError = AuthError::Rejected("not a token");
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(NOT_A_TOKEN);
    };
    let json = URL_SAFE_NO_PAD
        .decode([header, claims][index])
        .map_err(|_| NOT_A_TOKEN)?;
    serde_json::from_slice(&json).map_err(|_| NOT_A_TOKEN)
}

pub(super) fn reason(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::InvalidSignature => "the signature does not fit",
        ErrorKind::InvalidAudience => "aud is another project",
        ErrorKind::InvalidIssuer => "iss is not the project's",
        ErrorKind::ImmatureSignature => "nbf is in the future",
        _ => "not a token",
    }
}
