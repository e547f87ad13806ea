//! Answers one chat message.
//!
//! Its clients show `response` of a 200 and nothing else, so a model that fails is a 200 too: the text
//! says so to people, the header `X-LLM-Error` to programs. A client that asks for `text/event-stream`
//! reads the answer while it is made, as the callable protocol streams; there a failure is an error. What
//! is wrong with a request is refused in two shapes, `error` and `status` with `message`, as it always was.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use runtime::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use runtime::{
    AuthError, Context, Error, ErrorCode, HeaderName, HeaderValue, Method, Request, Response,
    Result, StatusCode, json, set, stream,
};
use serde_json::{Value, json};

use crate::tria::exchange::Asker;
use crate::tria::llm::{Failure, Llm};
use crate::tria::question::{Question, Tokenless, Unreadable};
use crate::tria::{Reply, Turn};

/// The one word why a reply is no answer of the model.
const LLM_ERROR: HeaderName = HeaderName::from_static("x-llm-error");

pub async fn handle(context: Context, request: Request) -> Result<Response> {
    in_words(&context, respond(&context, request)).await
}

/// Words whatever a chat ends in as its clients know it, a panic too.
async fn in_words(
    context: &Context,
    chat: impl Future<Output = Result<Response, Refusal>>,
) -> Result<Response> {
    let invocation = context.invocation();
    let invocation = invocation.as_str();
    match AssertUnwindSafe(chat).catch_unwind().await {
        Ok(Ok(response) | Err(Refusal::Worded(response))) => return Ok(response),
        Ok(Err(Refusal::Error(error))) if error.code() != ErrorCode::Internal => return Err(error),
        Ok(Err(Refusal::Error(error))) => {
            tracing::error!(
                invocation,
                ?error,
                "a chat ended in an error that nobody expects"
            );
        }
        Err(_) => {
            tracing::error!(
                invocation,
                "a chat ended in a panic, which was logged before this"
            );
        }
    }
    let message = "An unhandled server error occurred. Please try again later.";
    let body = json!({"status": "error", "message": message});
    json(StatusCode::INTERNAL_SERVER_ERROR, &body)
}

/// Why a request is not answered: in the shape of the manifest's `error_format`, or in another.
enum Refusal {
    Error(Error),
    Worded(Response),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

async fn respond(context: &Context, request: Request) -> Result<Response, Refusal> {
    let llm = Llm::of(context)?;
    if request.method() != Method::POST {
        let message = "Method not allowed. Use POST.";
        return Err(Error::method_not_allowed("POST", message).into());
    }
    let wants_pieces = wants_pieces(&request);
    let (asker, question) = match context.caller() {
        Ok(caller) => (Asker::from(caller), question(request).await?),
        Err(AuthError::Missing) if context.flag("legacy_anonymous_chat") => {
            tokenless(request).await?
        }
        Err(error) => return Err(unknown_caller(error)),
    };
    let turn = Turn::begin(context, asker, question).await?;
    match wants_pieces {
        true => Ok(pieces(context, turn)),
        false => Ok(answer(turn.ask(context, &llm).await)?),
    }
}

fn unknown_caller(error: AuthError) -> Refusal {
    let (status, message) = match error {
        AuthError::Missing | AuthError::Malformed => (
            StatusCode::UNAUTHORIZED,
            "Authorization header missing or malformed.",
        ),
        // Not 401, which auth_sync answers: its clients have always been told so.
        AuthError::Rejected(_) => (StatusCode::FORBIDDEN, "Invalid or expired token."),
        AuthError::Unavailable(_) => return Refusal::Error(error.into()),
    };
    let body = json!({"status": "error", "message": message});
    worded(status, &body).unwrap_or_else(Refusal::Error)
}

fn worded(status: StatusCode, body: &Value) -> Result<Refusal> {
    let mut response = json(status, body)?;
    if status == StatusCode::UNAUTHORIZED {
        set(&mut response, WWW_AUTHENTICATE, "Bearer");
    }
    Ok(Refusal::Worded(response))
}

async fn question(request: Request) -> Result<Question> {
    Question::parse(&read(request).await?)
}

/// What the page asks that sends no token, when the manifest lets it: who asks stays unknown.
async fn tokenless(request: Request) -> Result<(Asker, Question), Refusal> {
    let asked = Tokenless::parse(&read(request).await?);
    let asked = asked.map_err(|unreadable| match unreadable {
        Unreadable::NoObject => {
            Refusal::Error(Error::new(ErrorCode::InvalidArgument, Tokenless::EXPECTED))
        }
        Unreadable::Missing(details) => {
            let body = json!({"error": "Missing required fields.", "details": details});
            worded(StatusCode::BAD_REQUEST, &body).unwrap_or_else(Refusal::Error)
        }
    })?;
    let question = Question {
        text: asked.text,
        session: None,
    };
    Ok((Asker::Claims(asked.claimed_user_id), question))
}

/// The body; nothing, which no question is, when it is not said to be JSON.
async fn read(request: Request) -> Result<Vec<u8>> {
    let media = request.headers().get(CONTENT_TYPE);
    let media = media.and_then(|media| media.to_str().ok()).unwrap_or("");
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Ok(Vec::new());
    }
    Ok(request.into_body().collect().await?.to_vec())
}

fn answer(reply: Reply) -> Result<Response> {
    let cause = reply.answer.as_ref().err().map(Failure::cause);
    let mut response = json(StatusCode::OK, &reply.shown())?;
    if let Some(cause) = cause {
        let cause = HeaderValue::from_static(cause);
        response.headers_mut().insert(LLM_ERROR, cause);
    }
    Ok(response)
}

/// Whether the client reads the answer piece by piece, as the callable protocol asks for it.
fn wants_pieces(request: &Request) -> bool {
    let mut accepts = request.headers().get_all(ACCEPT).iter();
    let accepts = (accepts.next(), accepts.next());
    matches!(accepts, (Some(accept), None) if accept == "text/event-stream")
}

fn pieces(context: &Context, turn: Turn) -> Response {
    stream(context, |context| async move {
        let llm = Llm::of(&context)?;
        turn.tell(&context, &llm).await?.answered()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_in_the_words_of_the_chat() {
        let registry = crate::registry();
        let context = Context::test(&registry, "tria_chat_handler", Some("U1"));
        let context = context.await.unwrap();
        let response = in_words(&context, async { panic!("a fault") }).await;
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let message = "An unhandled server error occurred. Please try again later.";
        assert_eq!(body, json!({"status": "error", "message": message}));
    }
}
