//! What the tokens of users, senders and apps have in common: three parts signed with RS256 under a key
//! that the header names, for one audience, within two times. Pure, given the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{AuthError, now};

/// Seconds by which two clocks may differ.
const LEEWAY: u64 = 30;
/// Bytes of a token; Firebase's are about 1 kB, with the largest custom claims below 3 kB.
const LONGEST_TOKEN: usize = 16 << 10;

/// The first part of a token.
#[derive(Deserialize)]
pub(super) struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// RFC 7515 §4.1.11: an extension that the recipient must understand. We understand none.
    crit: Option<Value>,
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

    pub(super) fn is_jwt(&self) -> bool {
        self.typ.as_deref() == Some("JWT")
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

/// For tokens of one audience; the issuer is left to the caller.
pub(super) fn validation(audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation
}

/// The claims of a token whose signature fits.
pub(super) fn check<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<T, AuthError> {
    match jsonwebtoken::decode(token, key, validation) {
        Ok(decoded) => Ok(decoded.claims),
        Err(error) => Err(AuthError::Rejected(reason(error.kind()))),
    }
}

/// Whether a token that says it is unsigned has no signature.
pub(super) fn check_unsigned(token: &str) -> Result<(), AuthError> {
    match token.ends_with('.') {
        true => Ok(()),
        false => Err(AuthError::Rejected("unsigned, with a signature")),
    }
}

/// Whether a token that began at `iat` counts now, until `exp`; both in seconds since the epoch.
pub(super) fn check_times(iat: u64, exp: u64) -> Result<(), AuthError> {
    if exp.saturating_add(LEEWAY) <= now() {
        return Err(AuthError::Rejected("expired"));
    }
    if is_to_come(iat) {
        return Err(AuthError::Rejected("iat is in the future"));
    }
    Ok(())
}

pub(super) fn is_to_come(time: u64) -> bool {
    time > now() + LEEWAY
}

/// The claims, whatever they prove.
pub(super) fn claims<T: DeserializeOwned>(token: &str) -> Result<T, AuthError> {
    read_part(token, 1)
}

/// Part 0 (header) or 1 (claims) of exactly three.
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

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::InvalidSignature => "the signature does not fit",
        ErrorKind::InvalidAudience => "aud is another",
        ErrorKind::InvalidIssuer => "iss is another",
        ErrorKind::ImmatureSignature => "nbf is in the future",
        _ => "not a token",
    }
}
