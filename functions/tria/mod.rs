//! One turn of the chat with Tria, whichever function it came through: the conversation so far and the
//! question go to the model; its answer goes on record and back to whoever asked.
//!
//! Nothing here knows HTTP or the callable protocol: the functions word what becomes of a turn.

mod breaker;
pub(crate) mod exchange;
pub(crate) mod llm;
mod prompt;
pub(crate) mod question;

use jiff::Timestamp;
use runtime::{Context, DatabaseError, Error, ErrorCode, Result};
use serde::Serialize;
use uuid::Uuid;

use crate::tables::conversations::{self, Said};
use exchange::{Asker, Exchange};
use llm::{Failure, Llm, Message, Pieces, Role};
use question::{Question, Session};

/// How each request for an answer ended.
const METRIC: &str = "llm_requests";

/// A question on its way to the model.
pub(crate) struct Turn {
    exchange: Exchange,
    messages: Vec<Message>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Trimmed, and not empty.
    pub(crate) answer: Result<String, Failure>,
    /// Of the conversation, when it belongs to one.
    session_id: Option<Uuid>,
}

/// A reply as it is told, whichever way.
#[derive(Debug, Serialize)]
pub struct Answer {
    response: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<Uuid>,
}

impl Turn {
    /// Reads the conversation that the question belongs to, if any.
    ///
    /// # Errors
    /// `NOT_FOUND` for the session of somebody else, `UNAVAILABLE` when none can be read now.
    pub(crate) async fn begin(context: &Context, asker: Asker, question: Question) -> Result<Self> {
        let asked = Timestamp::now();
        let history = match (question.session, &asker) {
            (Some(Session::Named(id)), Asker::User { uid, email }) => {
                let session =
                    conversations::open(context.database(), id, uid, email.as_deref(), asked);
                history(session.await)?
            }
            _ => Vec::new(),
        };
        Ok(Self {
            messages: prompt::messages(history, &question.text),
            exchange: Exchange::new(asker, &question, asked),
        })
    }

    /// Asks for the whole answer and has the exchange recorded.
    pub(crate) async fn ask(self, context: &Context, llm: &Llm<'_>) -> Reply {
        let answer = llm.reply(&self.messages).await;
        self.end(context, answer).await
    }

    /// As [`Turn::ask`], and sends the pieces of the answer while they come. Dropped before the end, it
    /// hangs up on the model, and nothing is recorded.
    ///
    /// # Errors
    /// Those of [`Context::send`]. A model that fails is no error here either.
    pub(crate) async fn tell(self, context: &Context, llm: &Llm<'_>) -> Result<Reply> {
        let answer = match llm.stream(&self.messages).await {
            Ok(pieces) => relay(context, pieces).await?,
            Err(failure) => Err(failure),
        };
        Ok(self.end(context, answer).await)
    }

    async fn end(self, context: &Context, answer: Result<String, Failure>) -> Reply {
        let session_id = self.exchange.session_id;
        let exchange = match &answer {
            Ok(answer) => {
                context.count(METRIC, "ok");
                self.exchange.ended(answer, true)
            }
            Err(failure) => {
                let cause = failure.cause();
                context.count(METRIC, cause);
                tracing::warn!(cause, ?failure, "Tria has no answer");
                self.exchange.ended(&failure.to_string(), false)
            }
        };
        exchange::keep(context, exchange).await;
        Reply { answer, session_id }
    }
}

async fn relay(context: &Context, mut pieces: Pieces) -> Result<Result<String, Failure>> {
    loop {
        match pieces.next().await {
            Ok(Some(piece)) => context.send(&piece).await?,
            Ok(None) => return Ok(Ok(pieces.whole().to_owned())),
            Err(failure) => return Ok(Err(failure)),
        };
    }
}

impl Reply {
    /// Tells a failure in place of the answer, for clients that read nothing else.
    pub(crate) fn shown(self) -> Answer {
        Answer {
            response: self.answer.unwrap_or_else(|failure| failure.to_string()),
            session_id: self.session_id,
        }
    }

    /// # Errors
    /// `UNAVAILABLE`, with the text that tells the failure, when the model has not answered.
    pub(crate) fn answered(self) -> Result<Answer> {
        match self.answer {
            Ok(response) => Ok(Answer {
                response,
                session_id: self.session_id,
            }),
            Err(failure) => Err(Error::new(ErrorCode::Unavailable, failure.to_string())),
        }
    }
}

/// What was said before, as far as the model is told of it.
fn history(session: Result<conversations::Session, DatabaseError>) -> Result<Vec<Message>> {
    let session = session.map_err(|error| {
        let message = "The conversation is not available now.";
        Error::new(ErrorCode::Unavailable, message).because(error)
    })?;
    match session {
        conversations::Session::Foreign => {
            Err(Error::new(ErrorCode::NotFound, "Session not found."))
        }
        conversations::Session::Own { newest_first } => {
            Ok(prompt::recent(newest_first.into_iter().filter_map(message)))
        }
    }
}

fn message(said: Said) -> Option<Message> {
    let role = match said.sender_type.as_str() {
        conversations::USER => Role::User,
        conversations::ASSISTANT => Role::Assistant,
        _ => return None,
    };
    Some(Message {
        role,
        content: said.message_content,
    })
}
