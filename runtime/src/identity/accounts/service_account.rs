//! A service account: its key file, and the assertions that are signed with it (RFC 7523).
//!
//! No text that leaves this module holds anything of the file.

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};

use crate::secrets::Secret;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// All that a look-up of accounts needs.
const SCOPE: &str = "https://www.googleapis.com/auth/identitytoolkit";
/// Seconds that an assertion counts, the most that Google takes.
const LIFE: u64 = 3600;

pub(crate) struct ServiceAccount {
    email: String,
    key_id: String,
    key: RsaKeyPair,
    /// Where access tokens are.
    pub(super) token_uri: String,
}

impl ServiceAccount {
    /// Of the JSON file that Google's console makes for a key.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn new(key_file: &Secret) -> anyhow::Result<Self> {
        // An error of serde's would quote what it read.
        let file: Map<String, Value> =
            serde_json::from_str(key_file.expose()).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                anyhow!("it is not a JSON object (line {line}, column {column})")
            })?;
        let text = |name: &str| file.get(name).and_then(Value::as_str);
        let required = |name: &str| text(name).with_context(|| format!("it lacks `{name}`"));
        anyhow::ensure!(
            text("type") == Some("service_account"),
            "it is not the key of a service account: `type` is not \"service_account\""
        );
        let token_uri = text("token_uri").unwrap_or(TOKEN_URI);
        anyhow::ensure!(
            reqwest::Url::parse(token_uri).is_ok(),
            "`token_uri` is not a URL"
        );
        let unreadable = "`private_key` is not an RSA key in PEM (PKCS#8)";
        let pem = required("private_key")?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .ok()
            .context(unreadable)?;
        Ok(Self {
            email: required("client_email")?.to_owned(),
            key_id: required("private_key_id")?.to_owned(),
            key: RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
                .ok()
                .context(unreadable)?,
            token_uri: token_uri.to_owned(),
        })
    }

    /// What an access token is given for. `now` in seconds since the epoch.
    pub(super) fn assertion(&self, now: u64) -> anyhow::Result<Secret> {
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let header = encode(json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id}));
        let claims = encode(json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + LIFE,
        }));
        let message = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .ok()
            .context("the key of the service account does not sign")?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(Secret::new(format!("{message}.{signature}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(file: &Value) -> String {
        let Err(error) = ServiceAccount::new(&Secret::new(file.to_string())) else {
            panic!("{file} is taken");
        };
        format!("{error:#}")
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_said_without_quoting_it() {
        const KEY: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let file = |key: &str| {
            json!({
                "type": "service_account", "client_email": "a@b.c", "private_key_id": "1",
                "private_key": key,
            })
        };
        let without = |name: &str| {
            let mut file = file(KEY);
            file.as_object_mut().unwrap().remove(name);
            file
        };
        for (file, words) in [
            (json!(KEY), "not a JSON object (line 1"),
            (json!([KEY]), "not a JSON object"),
            (file(KEY), "`private_key` is not an RSA key"),
            (file("c2VjcmV0"), "`private_key` is not an RSA key"),
            (without("private_key"), "it lacks `private_key`"),
            (without("type"), "not the key of a service account"),
            (
                json!({"type": "authorized_user", "refresh_token": "c2VjcmV0"}),
                "not the key of a service account",
            ),
        ] {
            let fault = fault(&file);
            assert!(fault.contains(words), "{fault}");
            assert!(!fault.contains("c2VjcmV0"), "{fault}");
        }
    }
}
