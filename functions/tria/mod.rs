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
use runtime::{Context, Error, ErrorCode, Result};
use uuid::Uuid;

use crate::tables::conversations::{self, Said, Session};
use exchange::{Asker, Exchange};
use llm::{Failure, Llm, Message, Role};
use question::Question;

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
    pub(crate) session_id: Option<Uuid>,
}

impl Turn {
    /// Reads the conversation that the question belongs to, if any.
    ///
    /// # Errors
    /// `NOT_FOUND` for the session of somebody else, `UNAVAILABLE` when none can be read now.
    pub(crate) async fn begin(context: &Context, asker: Asker, question: Question) -> Result<Self> {
        let asked = Timestamp::now();
        let history = match (question.session_id, asker.uid()) {
            (Some(session_id), Some(uid)) => history(context, session_id, uid).await?,
            _ => Vec::new(),
        };
        Ok(Self {
            messages: prompt::messages(history, &question.text),
            exchange: Exchange::new(asker, question, asked),
        })
    }

    /// Asks for the whole answer and has the exchange recorded.
    pub(crate) async fn ask(self, context: &Context, llm: &Llm<'_>) -> Reply {
        let answer = llm.reply(&self.messages).await;
        self.end(context, answer).await
    }

    async fn end(self, context: &Context, answer: Result<String, Failure>) -> Reply {
        let session_id = self.exchange.session_id;
        let exchange = match &answer {
            Ok(answer) => self.exchange.ended(answer, true),
            Err(failure) => {
                tracing::warn!(cause = failure.cause(), ?failure, "Tria has no answer");
                self.exchange.ended(&failure.to_string(), false)
            }
        };
        exchange::keep(context, exchange).await;
        Reply { answer, session_id }
    }
}

/// What was said before, as far as the model is told of it.
async fn history(context: &Context, session_id: Uuid, uid: &str) -> Result<Vec<Message>> {
    let session = conversations::session(context.database(), session_id, uid).await;
    let session = session.map_err(|error| {
        let message = "The conversation is not available now.";
        Error::new(ErrorCode::Unavailable, message).because(error)
    })?;
    match session {
        Session::Unknown => Ok(Vec::new()),
        Session::Foreign => Err(Error::new(ErrorCode::NotFound, "Session not found.")),
        Session::Known { newest_first } => {
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
