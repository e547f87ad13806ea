//! The provider's wire: a chat completion in the form of OpenAI, as Mistral speaks it.

use serde::Serialize;
use serde_json::Value;

use super::Message;
use super::failure::Failure;

/// What answers. The learning log names it too.
pub(crate) const MODEL: &str = "mistral-medium-latest";
const TEMPERATURE: f64 = 0.7;
const MAX_TOKENS: u32 = 300;

const API: &str = "https://api.mistral.ai";
const COMPLETIONS: &str = "/chat/completions";

#[derive(Debug, Serialize)]
pub(super) struct Payload<'m> {
    model: &'static str,
    messages: &'m [Message],
    temperature: f64,
    max_tokens: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

impl<'m> Payload<'m> {
    pub(super) fn new(messages: &'m [Message], stream: bool) -> Self {
        Self {
            model: MODEL,
            messages,
            temperature: TEMPERATURE,
            max_tokens: MAX_TOKENS,
            stream,
        }
    }
}

/// Where completions are asked for: `configured` may be that URL itself, the API's with its version, or
/// only the host's.
pub(super) fn endpoint(configured: Option<&str>) -> String {
    let base = configured.unwrap_or(API).trim().trim_end_matches('/');
    if base.ends_with(COMPLETIONS) {
        base.to_owned()
    } else if base.ends_with("/v1") {
        format!("{base}{COMPLETIONS}")
    } else {
        format!("{base}/v1{COMPLETIONS}")
    }
}

/// The answer in a whole completion.
pub(super) fn answer(body: &[u8]) -> Result<String, Failure> {
    let completion = parse(body)?;
    let content = first_choice(&completion)?.pointer("/message/content");
    match content.and_then(Value::as_str).map(str::trim) {
        None | Some("") => Err(Failure::NoContent),
        Some(content) => Ok(content.to_owned()),
    }
}

/// What one event of a stream adds to the answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Addition {
    /// May be empty.
    pub(super) text: String,
    /// Whether the model had nothing more to say.
    pub(super) is_last: bool,
}

pub(super) fn addition(data: &[u8]) -> Result<Addition, Failure> {
    if data.trim_ascii() == b"[DONE]" {
        return Ok(Addition {
            text: String::new(),
            is_last: true,
        });
    }
    let chunk = parse(data)?;
    // What the answer cost is told in a chunk with an empty list.
    let Some(choices) = chunk["choices"].as_array() else {
        return Err(Failure::NoChoices);
    };
    let choice = choices.first().unwrap_or(&Value::Null);
    let text = choice.pointer("/delta/content").and_then(Value::as_str);
    Ok(Addition {
        text: text.unwrap_or_default().to_owned(),
        is_last: choice["finish_reason"].is_string(),
    })
}

fn first_choice(completion: &Value) -> Result<&Value, Failure> {
    let choices = completion["choices"].as_array();
    choices
        .and_then(|choices| choices.first())
        .ok_or(Failure::NoChoices)
}

fn parse(json: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(json).map_err(|_| Failure::Decode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_may_be_named_by_host_version_or_endpoint() {
        for (configured, expected) in [
            (None, "https://api.mistral.ai/v1/chat/completions"),
            (Some("http://a:1"), "http://a:1/v1/chat/completions"),
            (Some("http://a:1/"), "http://a:1/v1/chat/completions"),
            (Some("http://a/v1"), "http://a/v1/chat/completions"),
            (Some("http://a/v1/"), "http://a/v1/chat/completions"),
            (Some("http://a/x/v1"), "http://a/x/v1/chat/completions"),
            (
                Some("http://a/y/chat/completions"),
                "http://a/y/chat/completions",
            ),
        ] {
            assert_eq!(endpoint(configured), expected);
        }
    }

    #[test]
    fn an_answer_is_the_content_of_the_first_choice() {
        for (body, expected) in [
            (
                r#"{"choices":[{"message":{"content":"  pong \n"}}]}"#,
                "pong",
            ),
            (r#"{"choices":[{"message":{"content":"а"}},{}]}"#, "а"),
            ("<html>", "decode"),
            ("", "decode"),
            ("\u{1}", "decode"),
            ("{}", "no_choices"),
            ("[]", "no_choices"),
            ("null", "no_choices"),
            (r#"{"choices":null}"#, "no_choices"),
            (r#"{"choices":[]}"#, "no_choices"),
            (r#"{"choices":[{}]}"#, "no_content"),
            (r#"{"choices":[{"message":{}}]}"#, "no_content"),
            (
                r#"{"choices":[{"message":{"content":null}}]}"#,
                "no_content",
            ),
            (r#"{"choices":[{"message":{"content":7}}]}"#, "no_content"),
            (r#"{"choices":[{"message":{"content":" "}}]}"#, "no_content"),
        ] {
            let answer = answer(body.as_bytes());
            let answer = answer.unwrap_or_else(|failure| failure.cause().to_owned());
            assert_eq!(answer, expected, "{body}");
        }
    }

    #[test]
    fn an_event_adds_the_content_of_its_delta() {
        for (data, text, is_last) in [
            (r#"{"choices":[{"delta":{"content":" a"}}]}"#, " a", false),
            (
                r#"{"choices":[{"delta":{"content":"b"},"finish_reason":null}]}"#,
                "b",
                false,
            ),
            (
                r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
                "",
                true,
            ),
            (
                r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#,
                "",
                false,
            ),
            (r#"{"choices":[],"usage":{}}"#, "", false),
            ("[DONE]", "", true),
            (" [DONE] ", "", true),
        ] {
            let expected = Addition {
                text: text.to_owned(),
                is_last,
            };
            assert_eq!(addition(data.as_bytes()).unwrap(), expected, "{data}");
        }
        for (data, cause) in [
            ("{", "decode"),
            ("", "decode"),
            (r#"{"error":"overloaded"}"#, "no_choices"),
        ] {
            assert_eq!(addition(data.as_bytes()).unwrap_err().cause(), cause);
        }
    }
}
