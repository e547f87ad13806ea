//! Firebase ID tokens that the subject believes, and the keys that it asks for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

const PROJECT: &str = "guard-bench";
const KEY: &str = "key";

/// Whoever signs tokens.
pub(crate) struct Signer {
    pair: RsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let random = SystemRandom::new();
        Ok(Self { pair, random })
    }

    /// A token of the size that Firebase gives users who signed in with Google.
    pub(crate) fn token(&self, uid: &str) -> anyhow::Result<String> {
        let then = Timestamp::now().as_second() - 60;
        let header = json!({"alg": "RS256", "kid": KEY, "typ": "JWT"});
        let claims = json!({
            "name": "Ada Lovelace",
            "picture": "https://lh3.googleusercontent.com/a/ACg8ocJ0Zz0V0a1a2b3c4d5e6f7g8h9i0j1k2l3m4n5o=s96-c",
            "iss": format!("https://securetoken.google.com/{PROJECT}"),
            "aud": PROJECT,
            "auth_time": then,
            "user_id": uid,
            "sub": uid,
            "iat": then,
            "exp": then + 3600,
            "email": "ada.lovelace@example.com",
            "email_verified": true,
            "firebase": {
                "identities": {
                    "google.com": ["103547991597142817347"],
                    "email": ["ada.lovelace@example.com"],
                },
                "sign_in_provider": "google.com",
            },
        });
        let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &self.random,
                message.as_bytes(),
                &mut signature,
            )
            .map_err(|_| anyhow!("no signature"))?;
        Ok(format!(
            "{message}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    /// Serves the key for as long as this process lives; the URL of it.
    pub(crate) fn serve_keys(&self) -> anyhow::Result<String> {
        // PKCS#1: a sequence of the modulus (257 bytes with its sign) and the exponent 65537.
        let der = self.pair.public_key().as_ref();
        let modulus = der.get(9..265).context("a key of 2048 bits")?;
        let modulus = BASE64_URL_SAFE_NO_PAD.encode(modulus);
        let key = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY, "n": modulus, "e": "AQAB"});
        let keys = json!({"keys": [key]}).to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, max-age=19000\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{keys}",
            keys.len()
        );
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut request = BufReader::new(&stream).lines();
                while request
                    .next()
                    .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
                {}
                // Whoever hung up needs no key.
                let _ = (&stream).write_all(answer.as_bytes());
            }
        });
        Ok(format!("http://{address}/keys"))
    }
}
