//! What a token says: of which project, of whom, from when to when.

use serde_json::{Value, json};

use super::{must_be_accepted, must_be_refused};
use crate::harness::identity::{now, signed_texts};
use crate::harness::{PROJECT, Router, Token};

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

/// Of `claim` in every type of JSON but its own.
fn of_other_types(claim: &str) -> Vec<Value> {
    let number = now() - 60;
    let values = [
        json!(null),
        json!(true),
        json!(number),
        json!(number as f64 + 0.5),
        json!(1.0e300),
        json!(-1),
        json!(number.to_string()),
        json!(PROJECT),
        json!([]),
        json!([number]),
        json!({}),
        json!({"value": number}),
    ];
    let is_own = |value: &Value| match claim {
        "iss" | "aud" | "sub" => value.is_string(),
        _ => value.is_u64(),
    };
    let mut values = Vec::from(values);
    values.retain(|value| !is_own(value));
    values
}

#[tokio::test]
async fn a_claim_of_another_type_is_no_claim() {
    let router = Router::start().await;
    for claim in ["iss", "aud", "sub", "exp", "iat", "auth_time", "nbf"] {
        for value in of_other_types(claim) {
            let flaw = format!("{claim}: {value}");
            let token = Token::of("U1").claim(claim, value);
            must_be_refused(&router, &flaw, &token.signed()).await;
        }
    }
}

#[tokio::test]
async fn a_time_is_a_whole_number_that_may_be_as_large_as_it_likes() {
    let router = Router::start().await;
    let (header, claims) = Token::of("U1").without("exp").texts();
    let with_exp = |exp: &str| {
        let claims = claims.replacen('{', &format!("{{\"exp\":{exp},"), 1);
        signed_texts(&header, claims)
    };
    for exp in ["4102444800", "18446744073709551615"] {
        must_be_accepted(&router, exp, &with_exp(exp), "U1").await;
    }
    for exp in [
        "4102444800.0",
        "4.1024448e9",
        "18446744073709551616",
        "1e400",
        "04102444800",
        "-0",
        "Infinity",
    ] {
        must_be_refused(&router, exp, &with_exp(exp)).await;
    }
}

#[tokio::test]
async fn a_claim_that_stands_there_twice_is_not_chosen_from() {
    let router = Router::start().await;
    let token = Token::of("U1").claim("nbf", now() - 60);
    let (header, claims) = token.texts();
    let own: Value = serde_json::from_str(&claims).unwrap();
    for claim in ["iss", "aud", "sub", "exp", "iat", "auth_time", "nbf"] {
        for value in [&own[claim], &json!("other")] {
            let before = claims.replacen('{', &format!("{{\"{claim}\":{value},"), 1);
            let after = format!("{},\"{claim}\":{value}}}", claims.trim_end_matches('}'));
            // The last claim may be an object, whose end is not the end.
            let after = match serde_json::from_str::<Value>(&after) {
                Ok(_) => after,
                Err(_) => format!("{},\"{claim}\":{value}}}", &claims[..claims.len() - 1]),
            };
            for (place, claims) in [("before", before), ("after", after)] {
                let flaw = format!("{claim}: {value} {place}");
                must_be_refused(&router, &flaw, &signed_texts(&header, claims)).await;
            }
        }
    }
}

/// Exactly where the leeway ends is a unit test's matter, which can hold the clock.
#[tokio::test]
async fn two_clocks_may_differ_by_half_a_minute() {
    let router = Router::start().await;
    let token = || Token::of("U1");
    for (which, token) in [
        ("exp", token().claim("exp", now() - 20)),
        ("iat", token().claim("iat", now() + 30)),
        ("nbf", token().claim("nbf", now() + 30)),
        ("auth_time", token().claim("auth_time", now() + 30)),
    ] {
        must_be_accepted(&router, which, &token.signed(), "U1").await;
    }
    must_be_refused(&router, "exp", &token().claim("exp", now() - 31).signed()).await;
    for claim in ["iat", "nbf", "auth_time"] {
        let token = token().claim(claim, now() + 60);
        must_be_refused(&router, claim, &token.signed()).await;
    }
}
