//! Lists: the objects and folders directly below a prefix, page by page.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use runtime::{Error, Response, Result, StatusCode, json};
use serde_json::{Value, json};

use super::super::permission;
use super::{Call, DENIED, bad_request};

/// Names on one page, unless fewer are asked for.
const LONGEST_PAGE: usize = 1000;

pub(super) async fn answer(call: &Call<'_>) -> Result<Response> {
    let prefix = call.query.get("prefix").unwrap_or_default();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        let message = "The prefix parameter is required to be empty or ends with a single / \
                       character.";
        return Err(bad_request(message));
    }
    permission::check_list(call.context, &call.bucket, prefix)
        .map_err(|denial| denial.worded(DENIED))?;

    let delimiter = delimiter(call.query.get("delimiter").unwrap_or_default())?;
    let start_after = start_after(call.query.get("pageToken").unwrap_or_default())?;
    let limit = page_length(call.query.get("maxResults"))?;
    let listing = call
        .bucket
        .list_folder(prefix, delimiter, &start_after, limit)
        .await?;

    let bucket = call.bucket.public_name();
    let items: Vec<Value> = listing
        .objects
        .iter()
        .map(|object| json!({"name": object.name.as_str(), "bucket": bucket}))
        .collect();
    let mut page = json!({"prefixes": listing.prefixes, "items": items});
    if let Some(next) = listing.next {
        page["nextPageToken"] = page_token(&next).into();
    }
    json(StatusCode::OK, &page)
}

fn delimiter(text: &str) -> Result<Option<char>> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (delimiter, None) => Ok(delimiter),
        _ => Err(bad_request("The delimiter is one character.")),
    }
}

fn page_length(asked: Option<&str>) -> Result<usize> {
    let Some(asked) = asked else {
        return Ok(LONGEST_PAGE);
    };
    match asked.parse() {
        Ok(length @ 1..) => Ok(LONGEST_PAGE.min(length)),
        _ => Err(bad_request("maxResults is a number from 1.")),
    }
}

/// Opaque to clients, so that what it means can change.
fn page_token(next: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(next)
}

fn start_after(page_token: &str) -> Result<String> {
    let malformed = || bad_request("The page token is none of ours.");
    let name = BASE64_URL_SAFE_NO_PAD.decode(page_token);
    let name = name.map_err(|error| malformed().because(error))?;
    String::from_utf8(name).map_err(|error| Error::because(malformed(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_long_as_asked_for_up_to_a_thousand() {
        for (asked, expected) in [
            (None, Some(1000)),
            (Some("1"), Some(1)),
            (Some("1000"), Some(1000)),
            (Some("1001"), Some(1000)),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("99999999999999999999"), None),
            (Some(""), None),
            (Some("ten"), None),
        ] {
            assert_eq!(page_length(asked).ok(), expected, "{asked:?}");
        }
    }

    #[test]
    fn a_page_token_leads_to_its_name_and_another_text_to_a_refusal() {
        for name in ["a", "ü/\u{1f600}", "a b+c/%"] {
            assert_eq!(start_after(&page_token(name)).unwrap(), name);
        }
        assert_eq!(start_after("").unwrap(), "");
        for text in ["a", "!", "a=", "_w"] {
            assert_eq!(
                start_after(text).unwrap_err().status().as_u16(),
                400,
                "{text}"
            );
        }
    }

    #[test]
    fn a_delimiter_is_one_character_or_none() {
        assert_eq!(delimiter("").unwrap(), None);
        assert_eq!(delimiter("/").unwrap(), Some('/'));
        assert!(delimiter("//").is_err());
    }
}
