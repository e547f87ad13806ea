//! Firebase ID tokens: a valid one, and every way to spoil it.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::PROJECT;

/// The keys that a [`super::KeyServer`] serves at first.
pub(crate) static FIRST: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("first"));
/// What a rotation brings.
pub(crate) static SECOND: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("second"));
/// Never served by anybody, under the key id of [`FIRST`].
pub(crate) static FORGED: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("first"));

/// Of the service account whose key file [`super::AccountServer`] gives away.
pub(crate) static SERVICE: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("service"));

/// An RSA key with the id that tokens name it by.
pub(crate) struct SigningKey {
    id: &'static str,
    pair: RsaKeyPair,
}

impl SigningKey {
    fn generate(id: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
        Self { id, pair }
    }

    /// PKCS#1 DER: a sequence of the modulus (257 bytes with its sign) and the exponent 65537.
    pub(crate) fn public_der(&self) -> &[u8] {
        let der = self.pair.public_key().as_ref();
        assert_eq!(der.len(), 270, "the DER of a 2048-bit key");
        der
    }

    /// The modulus, as a JWK spells it.
    pub(crate) fn modulus(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(&self.public_der()[9..265])
    }

    pub(crate) fn jwk(&self) -> Value {
        let (id, modulus) = (self.id, self.modulus());
        json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": modulus, "e": "AQAB"})
    }

    /// The private key, as a key file of Google's spells it.
    pub(crate) fn pem(&self) -> String {
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&self.pair).expect("PKCS#8");
        let text = BASE64_STANDARD.encode(der.as_ref());
        let lines: Result<Vec<_>, _> = text.as_bytes().chunks(64).map(str::from_utf8).collect();
        let lines = lines.expect("ASCII").join("\n");
        format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
    }

    /// The claims of a token that this key signed; `None` when it did not.
    pub(crate) fn claims(&self, token: &str) -> Option<Value> {
        let (message, signature) = token.rsplit_once('.')?;
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.public_der());
        key.verify(message.as_bytes(), &decode(signature)?).ok()?;
        serde_json::from_slice(&decode(message.split_once('.')?.1)?).ok()
    }

    fn sign(&self, message: &str, encoding: &'static dyn signature::RsaEncoding) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                encoding,
                &SystemRandom::new(),
                message.as_bytes(),
                &mut signature,
            )
            .expect("a signature");
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A token before it is signed.
pub(crate) struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Token {
    /// What Firebase gives a user who signed in a minute ago.
    pub(crate) fn of(uid: &str) -> Self {
        let (then, provider) = (now() - 60, json!({"sign_in_provider": "password"}));
        let claims = json!({
            "iss": format!("https://securetoken.google.com/{PROJECT}"),
            "aud": PROJECT,
            "auth_time": then,
            "user_id": uid,
            "sub": uid,
            "iat": then,
            "exp": then + 3600,
            "firebase": provider,
        });
        Self {
            header: object(json!({"alg": "RS256", "kid": FIRST.id, "typ": "JWT"})),
            claims: object(claims),
        }
    }

    pub(crate) fn email(self, email: &str) -> Self {
        self.claim("email", email).claim("email_verified", true)
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signed with the key that the header names.
    pub(crate) fn signed(&self) -> String {
        self.signed_with(&FIRST)
    }

    /// Names `key` in the header and signs with it.
    pub(crate) fn signed_by(self, key: &SigningKey) -> String {
        self.header("kid", key.id).signed_with(key)
    }

    /// Signs with `key`, whatever the header says.
    pub(crate) fn signed_with(&self, key: &SigningKey) -> String {
        self.with_encoding(key, &RSA_PKCS1_SHA256)
    }

    /// Signs in another of RSA's ways.
    pub(crate) fn with_encoding(
        &self,
        key: &SigningKey,
        encoding: &'static dyn signature::RsaEncoding,
    ) -> String {
        let message = self.message();
        let signature = key.sign(&message, encoding);
        format!("{message}.{signature}")
    }

    /// Signed with HMAC under a secret that everybody can know.
    pub(crate) fn with_hmac(&self, secret: &[u8]) -> String {
        let message = self.message();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signature = hmac::sign(&key, message.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        format!("{message}.{signature}")
    }

    /// With a signature part that is not one.
    pub(crate) fn with_signature(&self, signature: &str) -> String {
        format!("{}.{signature}", self.message())
    }

    /// The header and the claims as JSON.
    pub(crate) fn texts(&self) -> (String, String) {
        let text = |part: &Map<String, Value>| serde_json::to_string(part).expect("JSON");
        (text(&self.header), text(&self.claims))
    }

    fn message(&self) -> String {
        let (header, claims) = self.texts();
        message(header, claims)
    }
}

fn message(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    format!("{}.{}", encode(header.as_ref()), encode(claims.as_ref()))
}

/// A token with any bytes for its header and its claims, which the right key signed.
pub(crate) fn signed_texts(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    signed_message(&message(header, claims))
}

/// A token with any text before its signature, which the right key signed.
pub(crate) fn signed_message(message: &str) -> String {
    format!("{message}.{}", FIRST.sign(message, &RSA_PKCS1_SHA256))
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else {
        unreachable!("written as an object above")
    };
    object
}
