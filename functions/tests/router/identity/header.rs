//! What a token says of its key: an id among the known ones, and nothing else counts.

use serde_json::json;

use super::{must_be_accepted, must_be_refused};
use crate::harness::identity::{FORGED, signed_texts};
use crate::harness::{Router, Token};

#[tokio::test]
async fn no_header_of_a_token_chooses_where_its_key_comes_from() {
    let router = Router::start().await;
    let fetches_of_a_valid_token = {
        must_be_accepted(&router, "plain", &Token::of("U1").signed(), "U1").await;
        router.keys.fetches()
    };
    let url = router.keys.url();
    let token = || Token::of("U1");
    let flaws = [
        ("kid missing", token().without_header("kid").signed()),
        ("kid empty", token().header("kid", "").signed()),
        ("kid a number", token().header("kid", 1).signed()),
        ("kid null", token().header("kid", json!(null)).signed()),
        (
            "kid a list",
            token().header("kid", json!(["first"])).signed(),
        ),
        (
            "kid with a path",
            token().header("kid", "../../../../dev/null").signed(),
        ),
        (
            "kid with a URL",
            token().header("kid", url.as_str()).signed(),
        ),
        (
            "kid with SQL",
            token().header("kid", "first' OR '1'='1").signed(),
        ),
        ("kid in capitals", token().header("kid", "FIRST").signed()),
        ("kid and a space", token().header("kid", "first ").signed()),
        (
            "kid without end",
            token().header("kid", "first".repeat(2000)).signed(),
        ),
        ("kid with a NUL", token().header("kid", "first\0").signed()),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&router, flaw, &token).await;
    }
    // Unknown ids may cause the one look that a rotation needs.
    assert!(router.keys.fetches() <= fetches_of_a_valid_token + 1);
}

#[tokio::test]
async fn no_header_of_a_token_says_what_to_make_of_it() {
    let router = Router::start().await;
    let url = router.keys.url();
    let token = || Token::of("U1");
    let flaws = [
        (
            "a key of its own",
            token().header("jwk", FORGED.jwk()).signed_with(&FORGED),
        ),
        (
            "a key address of its own",
            token().header("jku", url.as_str()).signed_with(&FORGED),
        ),
        (
            "a certificate address",
            token().header("x5u", url.as_str()).signed_with(&FORGED),
        ),
        (
            "certificates of its own",
            token()
                .header("x5c", json!([FORGED.modulus()]))
                .signed_with(&FORGED),
        ),
        (
            "the thumbprint of a certificate",
            token().header("x5t", "c2hhMQ").signed_with(&FORGED),
        ),
        (
            "no extensions, critical",
            token().header("crit", json!([])).signed(),
        ),
        (
            "null extensions",
            token().header("crit", json!(null)).signed(),
        ),
        (
            "claims that are not encoded",
            token()
                .header("b64", false)
                .header("crit", json!(["b64"]))
                .signed(),
        ),
        (
            "a critical extension",
            token().header("crit", json!(["exp"])).signed(),
        ),
        ("an unknown critical extension", {
            token().header("crit", json!(["x"])).header("x", 1).signed()
        }),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&router, flaw, &token).await;
    }
    assert!(router.keys.fetches() <= 1, "nothing but the known keys");
}

#[tokio::test]
async fn a_header_has_one_algorithm_and_one_key() {
    let router = Router::start().await;
    let (header, claims) = Token::of("U1").texts();
    for doubled in [
        r#""alg":"RS256""#,
        r#""alg":"none""#,
        r#""alg":"HS256""#,
        r#""kid":"first""#,
        r#""kid":"second""#,
        r#""typ":"JWT""#,
    ] {
        let before = header.replacen('{', &format!("{{{doubled},"), 1);
        let after = header.replace('}', &format!(",{doubled}}}"));
        for header in [before, after] {
            must_be_refused(&router, &header, &signed_texts(&header, &claims)).await;
        }
    }
    for value in [json!(null), json!(1), json!(["RS256"]), json!({"RS256": 1})] {
        let token = Token::of("U1").header("alg", value.clone());
        must_be_refused(&router, &format!("alg: {value}"), &token.signed()).await;
    }
}
