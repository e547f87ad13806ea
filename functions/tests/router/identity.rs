//! Which ID tokens count: each rule broken alone, at two doors that word their refusals differently.

use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use serde_json::json;

use crate::harness::identity::{FIRST, FORGED, SECOND, now};
use crate::harness::router::{download_url, refused};
use crate::harness::{PROJECT, Router, Token};

/// Asks both doors, as `U1`.
///
/// # Panics
/// When either lets the token in, or words the refusal in another way than its contract.
async fn must_be_refused(router: &Router, flaw: &str, token: &str) {
    let reply = router.sync(token).await;
    let body = refused("Invalid or expired token.");
    assert_eq!((reply.status, reply.json()), (401, body), "{flaw}");

    let reply = router.download("U1", token, "absent.webm").await;
    assert_eq!(reply.status, 401, "{flaw}: {reply:?}");
    assert!(reply.json()["detail"].is_string(), "{flaw}: {reply:?}");
    assert!(
        reply.header("www-authenticate").starts_with("Bearer"),
        "{flaw}: {reply:?}"
    );
}

/// # Panics
/// Unless both doors take `token` for one of the user `uid`.
async fn must_be_accepted(router: &Router, which: &str, token: &str, uid: &str) {
    let reply = router.sync(token).await;
    assert!(matches!(reply.status, 200 | 201), "{which}: {reply:?}");
    assert_eq!(reply.json()["user_id"], uid, "{which}");
    let reply = router.download(uid, token, "absent.webm").await;
    assert_eq!(reply.status, 404, "{which}: {reply:?}");
}

#[tokio::test]
async fn a_token_that_follows_every_rule_is_accepted() {
    let router = Router::start().await;
    let longest = "x".repeat(128);
    let accepted = [
        ("plain", Token::of("U1"), "U1"),
        (
            "expired within the leeway",
            Token::of("U1").claim("exp", now() - 10),
            "U1",
        ),
        (
            "issued by a clock slightly ahead",
            Token::of("U1").claim("iat", now() + 10),
            "U1",
        ),
        ("with the longest uid", Token::of(&longest), &longest),
        (
            "with claims of its own",
            Token::of("U1").claim("admin", true),
            "U1",
        ),
        (
            "without a type",
            Token::of("U1").without_header("typ"),
            "U1",
        ),
        (
            "of a tenant",
            Token::of("U1").claim("firebase", json!({"tenant": "t1"})),
            "U1",
        ),
    ];
    for (which, token, uid) in accepted {
        must_be_accepted(&router, which, &token.signed(), uid).await;
    }
}

#[tokio::test]
async fn a_token_is_of_this_project_and_of_one_user() {
    let router = Router::start().await;
    let token = || Token::of("U1");
    let custom =
        "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit";
    let cookie = format!("https://session.firebase.google.com/{PROJECT}");
    let other_issuer = "https://securetoken.google.com/other-project";
    let slashed = format!("https://securetoken.google.com/{PROJECT}/");
    let app_check = "https://firebaseappcheck.googleapis.com/123456";
    let (project, issuer) = (json!([PROJECT]), "https://securetoken.google.com/");
    let other = json!([PROJECT, "other-project"]);
    let flaws = [
        (
            "of another project",
            token()
                .claim("aud", "other-project")
                .claim("iss", other_issuer),
        ),
        (
            "aud: another project",
            token().claim("aud", "other-project"),
        ),
        ("aud: a list of one", token().claim("aud", project)),
        ("aud: a list", token().claim("aud", other)),
        ("aud: missing", token().without("aud")),
        ("aud: a number", token().claim("aud", 5)),
        ("iss: another project", token().claim("iss", other_issuer)),
        ("iss: no project", token().claim("iss", issuer)),
        ("iss: a trailing slash", token().claim("iss", slashed)),
        ("iss: a list", token().claim("iss", json!([issuer]))),
        ("iss: missing", token().without("iss")),
        ("iss: of a session cookie", token().claim("iss", cookie)),
        ("iss: of App Check", token().claim("iss", app_check)),
        (
            "a custom token",
            token().claim("aud", custom).claim("uid", "U1"),
        ),
        ("sub: missing", token().without("sub")),
        ("sub: empty", token().claim("sub", "")),
        ("sub: 129 characters", token().claim("sub", "x".repeat(129))),
        ("sub: a number", token().claim("sub", 1)),
        ("sub: null", token().claim("sub", json!(null))),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&router, flaw, &token.signed()).await;
    }
    assert!(router.users().await.is_empty());
}

#[tokio::test]
async fn a_token_counts_between_its_two_times() {
    let router = Router::start().await;
    let token = || Token::of("U1");
    let flaws = [
        ("exp: missing", token().without("exp")),
        ("exp: past the leeway", token().claim("exp", now() - 40)),
        ("exp: long past", token().claim("exp", now() - 86_400)),
        ("exp: zero", token().claim("exp", 0)),
        ("exp: negative", token().claim("exp", -1)),
        (
            "exp: a string",
            token().claim("exp", (now() + 3600).to_string()),
        ),
        ("exp: null", token().claim("exp", json!(null))),
        ("exp: a list", token().claim("exp", json!([now() + 3600]))),
        ("iat: missing", token().without("iat")),
        ("iat: in the future", token().claim("iat", now() + 90)),
        ("iat: a string", token().claim("iat", now().to_string())),
        (
            "auth_time: in the future",
            token().claim("auth_time", now() + 90),
        ),
        (
            "auth_time: a string",
            token().claim("auth_time", "yesterday"),
        ),
        ("nbf: in the future", token().claim("nbf", now() + 90)),
        (
            "nbf: a string",
            token().claim("nbf", (now() + 90).to_string()),
        ),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&router, flaw, &token.signed()).await;
    }
    assert!(router.users().await.is_empty());
}

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
        ("kid with a NUL", token().header("kid", "first\0").signed()),
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
    // Unknown ids may cause the one look that a rotation needs.
    assert!(router.keys.fetches() <= fetches_of_a_valid_token + 1);
}

#[tokio::test]
async fn what_is_not_exactly_a_token_is_not_one() {
    let router = Router::start().await;
    let valid = Token::of("U1").signed();
    let parts: Vec<&str> = valid.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let long = "x".repeat(20_000);
    let flaws = [
        ("garbage", "garbage".to_owned()),
        ("dots", "..".to_owned()),
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{valid}.{signature}")),
        ("a trailing dot", format!("{valid}.")),
        ("a leading dot", format!(".{valid}")),
        ("padding", format!("{valid}==")),
        ("a space inside", format!("{header}. {claims}.{signature}")),
        ("a word after it", format!("{valid} x")),
        ("a comma after it", format!("{valid},")),
        ("a second token", format!("{valid}, {valid}")),
        ("another header", format!("{claims}.{claims}.{signature}")),
        (
            "truncated claims",
            format!("{header}.{}.{signature}", &claims[..20]),
        ),
        ("long garbage", long),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&router, flaw, &token).await;
    }
}

#[tokio::test]
async fn no_token_is_written_to_the_log() {
    let router = Router::start().await;
    let good = Token::of("U1").signed();
    let bad = Token::of("U1").claim("aud", "other-project").signed();
    for token in [&good, &bad] {
        router.sync(token).await;
        router
            .get(&download_url("U1", "a.webm"))
            .bearer(token)
            .send()
            .await;
    }
    let log = router.log();
    for token in [&good, &bad] {
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(
            !log.contains(&token[..60]) && !log.contains(signature),
            "{log}"
        );
    }
}
