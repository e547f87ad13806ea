//! Who signed a token, and how.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::{must_be_accepted, must_be_refused};
use crate::harness::identity::{FIRST, FORGED, SECOND};
use crate::harness::{Router, Token};

#[tokio::test]
async fn only_the_projects_keys_and_algorithm_sign_a_token() {
    let router = Router::start().await;
    let token = || Token::of("U1");
    let with_algorithm = |name: &str| token().header("alg", name);
    let valid = token().signed();
    let signature = valid.rsplit_once('.').unwrap().1.to_owned();
    let mut flaws = vec![
        (
            "alg none".to_owned(),
            with_algorithm("none").with_signature(""),
        ),
        (
            "alg None".to_owned(),
            with_algorithm("None").with_signature(""),
        ),
        (
            "alg none, signed".to_owned(),
            with_algorithm("none").signed(),
        ),
        (
            "alg missing".to_owned(),
            token().without_header("alg").signed(),
        ),
        ("alg rs256".to_owned(), with_algorithm("rs256").signed()),
        ("alg ES256".to_owned(), with_algorithm("ES256").signed()),
        ("no signature".to_owned(), token().with_signature("")),
        ("the signature of another token".to_owned(), {
            token().claim("admin", true).with_signature(&signature)
        }),
        (
            "a key of somebody else".to_owned(),
            token().signed_with(&FORGED),
        ),
        ("an unknown key".to_owned(), token().signed_by(&SECOND)),
        (
            "a signature cut short".to_owned(),
            valid[..valid.len() - 4].to_owned(),
        ),
    ];
    let secrets = [
        ("modulus", FIRST.modulus().into_bytes()),
        ("DER", FIRST.public_der().to_vec()),
        ("JWK", FIRST.jwk().to_string().into_bytes()),
        ("nothing", Vec::new()),
    ];
    for (what, secret) in secrets {
        let confused = with_algorithm("HS256").with_hmac(&secret);
        flaws.push((format!("HS256 under the public key's {what}"), confused));
        let disguised = token().with_hmac(&secret);
        flaws.push((
            format!("HMAC under the public key's {what}, said to be RS256"),
            disguised,
        ));
    }
    for (name, encoding) in [
        (
            "RS384",
            &RSA_PKCS1_SHA384 as &'static dyn aws_lc_rs::signature::RsaEncoding,
        ),
        ("RS512", &RSA_PKCS1_SHA512),
        ("PS256", &RSA_PSS_SHA256),
    ] {
        let token = with_algorithm(name).with_encoding(&FIRST, encoding);
        flaws.push((format!("{name} with the right key"), token));
    }
    for (flaw, token) in flaws {
        must_be_refused(&router, &flaw, &token).await;
    }
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_not_used() {
    let router = Router::start().await;
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    // 0x04, and then both coordinates.
    let point = &pair.public_key().as_ref()[1..];
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "x": encode(&point[..32]), "y": encode(&point[32..]),
    });
    for algorithm in ["ES256", "RS256"] {
        let token = Token::of("U1").header("alg", algorithm);
        let token = token.header("jwk", jwk.clone()).with_signature("");
        let message = token.trim_end_matches('.');
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        let token = format!("{message}.{}", encode(signature.as_ref()));
        must_be_refused(&router, algorithm, &token).await;
    }
}

/// RFC 8017 §8.2.2 and §5.2.2: the length is the modulus's, the number is below it.
#[tokio::test]
async fn a_signature_is_a_number_below_the_modulus() {
    let router = Router::start().await;
    let token = Token::of("U1");
    let valid = token.signed();
    let own = BASE64_URL_SAFE_NO_PAD
        .decode(valid.rsplit_once('.').unwrap().1)
        .unwrap();
    let modulus = &FIRST.public_der()[9..265];
    let mut one = vec![0; 256];
    one[255] = 1;
    let mut below = modulus.to_vec();
    // The modulus is odd.
    below[255] -= 1;
    let signatures = [
        ("zero", vec![0; 256]),
        ("one", one),
        ("the modulus less one", below),
        ("the modulus", modulus.to_vec()),
        ("the largest", vec![0xff; 256]),
        ("a byte", vec![0]),
        ("a byte more before", [&[0], own.as_slice()].concat()),
        ("a byte more behind", [own.as_slice(), &[0]].concat()),
        ("a byte less before", own[1..].to_vec()),
        ("a byte less behind", own[..255].to_vec()),
        ("twice", own.repeat(2)),
        ("backwards", own.iter().rev().copied().collect()),
        ("far too long", own.repeat(30)),
    ];
    for (flaw, signature) in signatures {
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        must_be_refused(&router, flaw, &token.with_signature(&signature)).await;
    }
    for at in (0..256).step_by(37) {
        let mut flipped = own.clone();
        flipped[at] ^= 0x10;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(flipped);
        must_be_refused(&router, "a bit flipped", &token.with_signature(&signature)).await;
    }
    must_be_accepted(&router, "untouched", &valid, "U1").await;
}
