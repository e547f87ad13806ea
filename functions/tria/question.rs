//! What somebody asks, out of the JSON of a request.

use runtime::{Error, ErrorCode, Result};
use serde_json::{Map, Value};
use uuid::Uuid;

const EXPECTED: &str = "Invalid request data. Expected JSON: {'text': '...'}";

/// One message for Tria.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Not empty; it may be blank.
    pub(crate) text: String,
    /// `None` when it stands alone.
    pub(crate) session: Option<Session>,
}

/// The conversation that a question belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// It begins here.
    New(Uuid),
    /// It may be on record.
    Named(Uuid),
}

impl Session {
    pub(crate) fn id(self) -> Uuid {
        match self {
            Self::New(id) | Self::Named(id) => id,
        }
    }
}

impl Question {
    /// Reads `{"text": …}`; one client writes `message` in place of `text`. What else there is, who
    /// asks among it, is passed over.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, in the words that old clients know.
    pub(crate) fn parse(body: &[u8]) -> Result<Self> {
        let body = object(body).ok_or_else(|| invalid(EXPECTED))?;
        let text = text(&body).ok_or_else(|| invalid(EXPECTED))?;
        Ok(Self {
            text: asked(text)?,
            session: match body.get("session_id") {
                None | Some(Value::Null) => None,
                Some(id) => Some(session(id.as_str().ok_or_else(not_a_session)?)?),
            },
        })
    }

    /// # Errors
    /// `INVALID_ARGUMENT` for an empty text, and for a session that is no UUID.
    pub(crate) fn new(text: &str, session_id: Option<&str>) -> Result<Self> {
        Ok(Self {
            text: asked(text)?,
            session: session_id.map(session).transpose()?,
        })
    }
}

fn asked(text: &str) -> Result<String> {
    match text {
        "" => Err(invalid("Missing required 'text' field in request body.")),
        text => Ok(text.to_owned()),
    }
}

/// "new", or nothing between the quotes, begins one.
fn session(id: &str) -> Result<Session> {
    match id {
        "" | "new" => Ok(Session::New(Uuid::new_v4())),
        id => match Uuid::try_parse(id) {
            Ok(id) => Ok(Session::Named(id)),
            Err(_) => Err(not_a_session()),
        },
    }
}

/// A question of the page that knew no tokens: who asks is what the page says, which proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokenless {
    pub(crate) text: String,
    pub(crate) claimed_user_id: String,
}

/// Why [`Tokenless::parse`] failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    NoObject,
    /// One sentence for each field.
    Missing(Vec<&'static str>),
}

impl Tokenless {
    pub(crate) const EXPECTED: &str =
        "Invalid request data. Expected JSON: {'text': '...', 'firebase_user_id': '...'}";

    pub(crate) fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let body = object(body).ok_or(Unreadable::NoObject)?;
        let text = text(&body).filter(|text| !text.is_empty());
        let user = body.get("firebase_user_id").and_then(Value::as_str);
        let user = user.filter(|user| !user.is_empty());
        match (text, user) {
            (Some(text), Some(user)) => Ok(Self {
                text: text.to_owned(),
                claimed_user_id: user.to_owned(),
            }),
            (text, user) => {
                let text = text.is_none().then_some("'text' field is missing.");
                let user = user
                    .is_none()
                    .then_some("'firebase_user_id' field is missing.");
                Err(Unreadable::Missing(text.into_iter().chain(user).collect()))
            }
        }
    }
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

fn text(body: &Map<String, Value>) -> Option<&str> {
    ["text", "message"]
        .iter()
        .find_map(|field| body.get(*field)?.as_str())
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

fn not_a_session() -> Error {
    invalid("Invalid 'session_id': expected a UUID.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: &str = "Missing required 'text' field in request body.";
    const NO_SESSION: &str = "Invalid 'session_id': expected a UUID.";
    const ID: &str = "3b241101-e2bb-4255-8caf-4136c566a962";

    /// The text, or the refusal behind a `!`.
    fn text_of(body: &str) -> String {
        match Question::parse(body.as_bytes()) {
            Ok(question) => question.text,
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::InvalidArgument);
                format!("!{}", error.message())
            }
        }
    }

    #[test]
    fn the_text_is_read_where_any_client_wrote_it() {
        for (body, text) in [
            (r#"{"text":"ping"}"#, "ping"),
            (r#"{"message":"ping"}"#, "ping"),
            (r#"{"text":"a","message":"b","firebase_user_id":"U9"}"#, "a"),
            (r#"{"text":null,"message":"b"}"#, "b"),
            (r#"{"text":" \n "}"#, " \n "),
        ] {
            assert_eq!(text_of(body), text, "{body}");
        }
    }

    #[test]
    fn what_is_no_question_is_refused_in_the_old_words() {
        for body in [
            "",
            "{bad",
            "null",
            "[1]",
            "7",
            "\"text\"",
            "{}",
            r#"{"text":5}"#,
            r#"{"text":["a"]}"#,
            r#"{"text":null}"#,
            r#"{"message":7}"#,
            r#"{"text":"\ud800"}"#,
            "{\"text\":\"\u{1}\"}",
        ] {
            assert_eq!(text_of(body), format!("!{EXPECTED}"), "{body}");
        }
        for body in [
            r#"{"text":""}"#,
            r#"{"text":"","message":"b"}"#,
            r#"{"message":""}"#,
        ] {
            assert_eq!(text_of(body), format!("!{MISSING}"), "{body}");
        }
        // A text that is missing is told before a session that is wrong.
        assert_eq!(
            text_of(r#"{"text":"","session_id":7}"#),
            format!("!{MISSING}")
        );
    }

    fn session_of(session: &str) -> Result<Option<Session>> {
        let body = format!(r#"{{"text":"a","session_id":{session}}}"#);
        Ok(Question::parse(body.as_bytes())?.session)
    }

    #[test]
    fn a_session_is_absent_new_or_named() {
        assert_eq!(session_of("null").unwrap(), None);
        let named = session_of(&format!("\"{ID}\"")).unwrap();
        let id = Uuid::try_parse(ID).unwrap();
        assert_eq!(named, Some(Session::Named(id)));
        for session in ["\"new\"", "\"\""] {
            let begun = [0; 2].map(|_| session_of(session).unwrap().unwrap());
            assert!(begun.iter().all(|begun| matches!(begun, Session::New(_))));
            assert_ne!(begun[0], begun[1]);
        }
        for session in ["7", "{}", "[]", "true", "\"NEW\"", "\"3b24\"", "\" \""] {
            let error = session_of(session).unwrap_err();
            assert_eq!(error.message(), NO_SESSION, "{session}");
        }
    }

    #[test]
    fn a_page_without_tokens_must_name_a_user() {
        let asked = Tokenless::parse(br#"{"text":"a","firebase_user_id":"U1"}"#).unwrap();
        assert_eq!(
            (asked.text.as_str(), asked.claimed_user_id.as_str()),
            ("a", "U1")
        );
        let (text, user) = (
            "'text' field is missing.",
            "'firebase_user_id' field is missing.",
        );
        for (body, missing) in [
            ("{}", vec![text, user]),
            (r#"{"text":"a"}"#, vec![user]),
            (r#"{"firebase_user_id":"U1","text":""}"#, vec![text]),
            (r#"{"text":"a","firebase_user_id":7}"#, vec![user]),
        ] {
            let refused = Tokenless::parse(body.as_bytes()).unwrap_err();
            assert_eq!(refused, Unreadable::Missing(missing), "{body}");
        }
        for body in ["", "[]", "null"] {
            let refused = Tokenless::parse(body.as_bytes()).unwrap_err();
            assert_eq!(refused, Unreadable::NoObject, "{body}");
        }
    }
}
