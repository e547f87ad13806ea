//! How a token is written: three parts of base64url without padding, two of them JSON objects.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{must_be_accepted, must_be_refused};
use crate::harness::identity::{signed_message, signed_texts};
use crate::harness::{Router, Token};

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
        ("far too long", {
            Token::of("U1").claim("note", "x".repeat(20_000)).signed()
        }),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&router, flaw, &token).await;
    }
}

/// The text with its last letter replaced by one that decodes to the same bytes, but for the bits that are
/// thrown away.
fn with_stray_bits(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert!(text.len() % 4 >= 2, "the last letter has bits to spare");
    let last = text
        .chars()
        .next_back()
        .and_then(|last| ALPHABET.find(last));
    let stray = ALPHABET.as_bytes()[last.unwrap() | 1];
    let changed = format!("{}{}", &text[..text.len() - 1], char::from(stray));
    assert_ne!(changed, text);
    changed
}

#[tokio::test]
async fn a_part_is_encoded_in_one_way() {
    let router = Router::start().await;
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let (header, claims) = (0..3)
        .map(|length| Token::of("U1").claim("pad", "x".repeat(length)).texts())
        .map(|(header, claims)| (encode(header), encode(claims)))
        .find(|(header, claims)| header.len() % 4 >= 2 && claims.len() % 4 >= 2)
        .expect("parts with bits to spare");
    let valid = signed_message(&format!("{header}.{claims}"));
    must_be_accepted(&router, "as it should be", &valid, "U1").await;
    let signature = valid.rsplit_once('.').unwrap().1;

    let stray = with_stray_bits(&header);
    let flaws = [
        (
            "stray bits in the header",
            signed_message(&format!("{stray}.{claims}")),
        ),
        (
            "stray bits in the claims",
            signed_message(&format!("{header}.{}", with_stray_bits(&claims))),
        ),
        (
            "stray bits in the signature",
            format!("{header}.{claims}.{}", with_stray_bits(signature)),
        ),
        (
            "padding of the header",
            signed_message(&format!("{header}=.{claims}")),
        ),
        (
            "padding of the claims",
            signed_message(&format!("{header}.{claims}=")),
        ),
        (
            "padding of the signature",
            format!("{header}.{claims}.{signature}=="),
        ),
        (
            "the other alphabet",
            format!(
                "{header}.{claims}.{}",
                signature.replace('-', "+").replace('_', "/")
            ),
        ),
        (
            "a percent sign",
            format!("{header}.{claims}.{signature}%3D"),
        ),
        ("a tab in it", format!("{header}.{claims}\t.{signature}")),
    ];
    for (flaw, token) in flaws {
        must_be_refused(&router, flaw, &token).await;
    }
}

#[tokio::test]
async fn a_part_is_one_json_object() {
    let router = Router::start().await;
    let (header, claims) = Token::of("U1").texts();
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let texts: [(&str, Vec<u8>, Vec<u8>); 12] = [
        (
            "a list of claims",
            header.clone().into(),
            format!("[{claims}]").into(),
        ),
        (
            "a text of claims",
            header.clone().into(),
            format!("{claims:?}").into(),
        ),
        ("no claims", header.clone().into(), b"{}".to_vec()),
        ("nothing for claims", header.clone().into(), Vec::new()),
        (
            "claims and more",
            header.clone().into(),
            format!("{claims}{claims}").into(),
        ),
        (
            "claims with a comment",
            header.clone().into(),
            format!("{claims}// x").into(),
        ),
        (
            "claims cut short",
            header.clone().into(),
            claims.trim_end_matches('}').into(),
        ),
        (
            "claims behind a mark",
            header.clone().into(),
            format!("\u{feff}{claims}").into(),
        ),
        (
            "claims that are no text",
            header.clone().into(),
            [b"{\"a\":\"\xff\",", &claims.as_bytes()[1..]].concat(),
        ),
        (
            "claims without a bottom",
            header.clone().into(),
            claims.replacen('{', &format!("{{\"a\":{deep},"), 1).into(),
        ),
        (
            "a list for a header",
            format!("[{header}]").into(),
            claims.clone().into(),
        ),
        (
            "a name for a header",
            b"\"RS256\"".to_vec(),
            claims.clone().into(),
        ),
    ];
    for (flaw, header, claims) in texts {
        must_be_refused(&router, flaw, &signed_texts(header, claims)).await;
    }
    let lone = claims.replace("\"sub\":\"U1\"", r#""sub":"\ud800""#);
    must_be_refused(&router, "half a character", &signed_texts(&header, lone)).await;
    let spaced = format!(" {claims}\n");
    must_be_accepted(
        &router,
        "spaces around",
        &signed_texts(&header, spaced),
        "U1",
    )
    .await;
}
