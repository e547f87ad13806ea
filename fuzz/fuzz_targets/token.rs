//! Tokens and the keys they are checked with: what our key did not sign is never accepted, and what it did
//! only with the claims that count.
#![no_main]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use runtime::AuthError;
use runtime::testing::parsing::{Keys, Tokens};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

const PROJECT: &str = "demo-1";
const AUDIENCE: &str = "https://router.example/on_event";
const SENDER: &str = "sender@demo-1.iam.gserviceaccount.com";

static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        // A key set.
        Some((b'k', answer)) => FIXTURE.check_keys(answer),
        // Two lines, header and claims, to be signed.
        Some((b's', parts)) => FIXTURE.check_signed(parts),
        // A whole token.
        _ => FIXTURE.check_forged(data),
    }
});

struct Fixture {
    runtime: Runtime,
    tokens: Tokens,
    pair: RsaKeyPair,
    /// A source of keys that no token is checked with.
    others: Keys,
}

impl Fixture {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        // PKCS#1: nine bytes of lengths and signs before the modulus, five before the exponent.
        let der = pair.public_key().as_ref();
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let key =
            json!({"kid": "1", "kty": "RSA", "n": encode(&der[9..265]), "e": encode(&der[267..])});
        let entered = runtime.enter();
        let (keys, others) = (Keys::none(), Keys::none());
        drop(entered);
        let answer = json!({"keys": [key]}).to_string();
        keys.install(answer.as_bytes()).expect("a key set");
        Self {
            tokens: Tokens::new(PROJECT, AUDIENCE, SENDER, &keys),
            runtime,
            pair,
            others,
        }
    }

    fn check_keys(&self, answer: &[u8]) {
        let before = self.others.number();
        match self.others.install(answer) {
            Err(_) => assert_eq!(self.others.number(), before),
            Ok(number) => {
                assert!(number == before || number == before + 1);
                let again = self.others.install(answer).expect("the same key set");
                assert_eq!(again, number);
            }
        }
    }

    fn check_forged(&self, token: &[u8]) {
        for accepted in self.accepted(token) {
            assert!(!accepted, "a forged token");
        }
    }

    fn check_signed(&self, parts: &[u8]) {
        let Some(end) = parts.iter().position(|byte| *byte == b'\n') else {
            return;
        };
        let (header, claims) = (&parts[..end], &parts[end + 1..]);
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let message = message.join(".");
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self.pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        );
        signed.expect("a signature");

        let token = |signature: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        let accepted = self.accepted(token(&signature).as_bytes());
        if accepted == [false; 3] {
            return;
        }
        check_claims(header, claims, accepted);
        signature[7] ^= 1;
        self.check_forged(token(&signature).as_bytes());
        self.check_forged(token(b"").as_bytes());
    }

    /// As a user's, an app's, a sender's.
    fn accepted(&self, token: &[u8]) -> [bool; 3] {
        let Ok(app) = HeaderValue::from_bytes(token) else {
            return [false; 3];
        };
        let bearer = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
        let bearer = bearer.expect("the characters of a header");
        let headers = HeaderMap::from_iter([
            (http::header::AUTHORIZATION, bearer),
            (http::HeaderName::from_static("x-firebase-appcheck"), app),
        ]);
        // The keys are known, so nothing else says that they cannot be had.
        let told = |error: AuthError| assert!(!matches!(error, AuthError::Unavailable(_)));
        self.runtime.block_on(async {
            [
                self.tokens.user(&headers).await.map_err(told).is_ok(),
                self.tokens.app(&headers).await.map_err(told).is_ok(),
                self.tokens.sender(&headers).await.map_err(told).is_ok(),
            ]
        })
    }
}

/// What holds for the claims of every token that is accepted.
fn check_claims(header: &[u8], claims: &[u8], [user, app, sender]: [bool; 3]) {
    // A text that nobody asks for may be no UTF-8: Firebase's libraries put a replacement into it and read on.
    let read = |part| {
        let text = String::from_utf8_lossy(part);
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let (header, claims) = (read(header), read(claims));
    assert!(header["alg"] == "RS256" && header["kid"] == "1" && header.get("crit").is_none());

    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a time after 1970").as_secs();
    let time = |name: &str| claims[name].as_u64();
    assert!(time("exp").expect("an end") + 31 >= now);
    assert!(time("iat").expect("a beginning") <= now + 30);
    for name in ["nbf", "auth_time"] {
        assert!(time(name).unwrap_or_default() <= now + 30);
    }

    let subject = claims["sub"].as_str().expect("a subject");
    if user {
        assert!((1..=128).contains(&subject.chars().count()));
        assert_eq!(claims["aud"], PROJECT);
        assert_eq!(
            claims["iss"],
            format!("https://securetoken.google.com/{PROJECT}")
        );
    }
    if app {
        assert!(!subject.is_empty() && header["typ"] == "JWT");
        let audiences = claims["aud"].as_array().expect("audiences");
        assert!(audiences.contains(&format!("projects/{PROJECT}").into()));
        let issuer = claims["iss"].as_str().expect("an issuer");
        assert!(issuer.starts_with("https://firebaseappcheck.googleapis.com/"));
    }
    if sender {
        assert!(claims["email"] == SENDER && claims["email_verified"] == true);
        let aud = &claims["aud"];
        let audiences = aud.as_array().cloned().unwrap_or_else(|| vec![aud.clone()]);
        assert!(audiences.contains(&AUDIENCE.into()));
    }
}
