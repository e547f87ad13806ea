//! The query of a URL: percent-encoded pairs, in which a plus sign is a space. (In a path it is a plus
//! sign.) Pure.

use percent_encoding::percent_decode;
use runtime::{Error, ErrorCode, Result, Uri};

/// The pairs in their order; of two with one name the first counts.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// 400 for what is not UTF-8 once decoded.
    pub(super) fn of(uri: &Uri) -> Result<Self> {
        uri.query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decoded(name)?, decoded(value)?))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

fn decoded(text: &str) -> Result<String> {
    let spaced: Vec<u8> = text
        .bytes()
        .map(|byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    let text = percent_decode(&spaced).decode_utf8();
    text.map(String::from).map_err(|error| {
        Error::new(ErrorCode::InvalidArgument, "The query is not UTF-8.").because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(query: &str) -> Option<String> {
        let uri: Uri = format!("/o?{query}").parse().unwrap();
        Query::of(&uri).unwrap().get("name").map(str::to_owned)
    }

    #[test]
    fn a_value_is_decoded_once_and_a_plus_sign_is_a_space() {
        for (query, expected) in [
            (
                "name=a%20b%2F%C3%BC%2B%25%2Ff%23%3F.txt",
                Some("a b/ü+%/f#?.txt"),
            ),
            ("name=a+b", Some("a b")),
            ("name=a%252Fb", Some("a%2Fb")),
            ("name=!$'()*,=:@", Some("!$'()*,=:@")),
            ("uploadType=resumable&name=x", Some("x")),
            ("name=first&name=second", Some("first")),
            ("name=", Some("")),
            ("name", Some("")),
            ("n%61me=x", Some("x")),
            ("&&", None),
            ("names=x", None),
        ] {
            assert_eq!(name(query).as_deref(), expected, "{query}");
        }
        assert!(
            Query::of(&Uri::from_static("/o"))
                .unwrap()
                .get("")
                .is_none()
        );
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        let uri = Uri::from_static("/o?name=%FF");
        assert_eq!(Query::of(&uri).unwrap_err().status().as_u16(), 400);
    }
}
