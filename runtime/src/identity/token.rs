//! What the tokens of users, senders and apps have in common: three parts signed with RS256 under a key
//! that the header names, for one audience, within two times. Pure, given the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
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
    #[serde(default, deserialize_with = "present")]
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

/// When a token counts, in seconds since the epoch. Whole numbers, as Firebase writes them.
#[derive(Deserialize)]
pub(super) struct Times {
    iat: u64,
    pub(super) exp: u64,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    auth_time: Option<u64>,
}

/// May be left out, but not be `null`.
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl Times {
    fn check(&self, now: u64) -> Result<(), AuthError> {
        let is_to_come = |time: u64| time > now.saturating_add(LEEWAY);
        if self.exp.saturating_add(LEEWAY) <= now {
            return Err(AuthError::Rejected("expired"));
        }
        if is_to_come(self.iat) {
            return Err(AuthError::Rejected("iat is in the future"));
        }
        if self.nbf.is_some_and(is_to_come) {
            return Err(AuthError::Rejected("nbf is in the future"));
        }
        if self.auth_time.is_some_and(is_to_come) {
            return Err(AuthError::Rejected("auth_time is in the future"));
        }
        Ok(())
    }
}

/// The times of a token that counts now.
pub(super) fn check_times(token: &str) -> Result<Times, AuthError> {
    let times: Times = claims(token)?;
    times.check(now())?;
    Ok(times)
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
    use serde_json::json;

    use super::*;

    #[test]
    fn two_clocks_may_differ_by_thirty_seconds() {
        const NOW: u64 = 1_800_000_000;
        for (iat, exp, nbf, auth_time, counts) in [
            (NOW, NOW + 3600, None, None, true),
            (NOW - 3600, NOW, None, None, true),
            (NOW - 3600, NOW - 29, None, None, true),
            (NOW - 3600, NOW - 30, None, None, false),
            (NOW - 3600, 0, None, None, false),
            (NOW, u64::MAX, None, None, true),
            (NOW + 30, NOW + 3600, None, None, true),
            (NOW + 31, NOW + 3600, None, None, false),
            (u64::MAX, u64::MAX, None, None, false),
            (0, NOW + 3600, None, None, true),
            (NOW, NOW + 3600, Some(NOW + 30), None, true),
            (NOW, NOW + 3600, Some(NOW + 31), None, false),
            (NOW, NOW + 3600, None, Some(NOW + 30), true),
            (NOW, NOW + 3600, None, Some(NOW + 31), false),
            (NOW, NOW + 3600, Some(0), Some(0), true),
        ] {
            let times = Times {
                iat,
                exp,
                nbf,
                auth_time,
            };
            let told = times.check(NOW);
            assert_eq!(
                told.is_ok(),
                counts,
                "{iat} {exp} {nbf:?} {auth_time:?}: {told:?}"
            );
        }
    }

    /// The library of tokens panics at its first one when it was built without cryptography.
    #[test]
    fn what_verifies_signatures_was_compiled_in() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let header = encode(json!({"alg": "RS256", "kid": "1"}));
        let exp = now() + 60;
        let claims = encode(json!({"aud": "a", "iss": "i", "sub": "s", "exp": exp}));
        let message = format!("{header}.{claims}");
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        )
        .unwrap();

        // PKCS#1: nine bytes of lengths and signs before the modulus, five before the exponent.
        let der = pair.public_key().as_ref();
        let key = DecodingKey::from_rsa_raw_components(&der[9..265], &der[267..]);
        let verified = |signature: &[u8]| {
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
            check::<Value>(&token, &key, &validation("a"))
        };
        assert_eq!(verified(&signature).unwrap()["sub"], "s");
        signature[0] ^= 1;
        let forged = AuthError::Rejected("the signature does not fit");
        assert_eq!(verified(&signature), Err(forged));
    }
}
