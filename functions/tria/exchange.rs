//! One question with its answer, and the record of it: made once, now or later, whatever fails.

use std::time::Duration;

use jiff::Timestamp;
use runtime::{CloudEvent, Context, Database, DatabaseError, Principal, Statement};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use super::llm::MODEL;
use super::question::{Question, Session};
use crate::tables::learning_log::Chat;
use crate::tables::{conversations, learning_log, users};

/// How long whoever waits for the answer waits for its record too.
const PATIENCE: Duration = Duration::from_secs(2);

/// Of the events about exchanges.
const SOURCE: &str = "//holograms.media/tria";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asker {
    User {
        uid: String,
        email: Option<String>,
    },
    /// Nobody knows; this is who they say they are.
    Claims(String),
}

impl Asker {
    /// The uid that was proven.
    pub(crate) fn uid(&self) -> Option<&str> {
        match self {
            Self::User { uid, .. } => Some(uid),
            Self::Claims(_) => None,
        }
    }
}

impl From<&Principal> for Asker {
    fn from(caller: &Principal) -> Self {
        Self::User {
            uid: caller.uid.clone(),
            email: caller.email.clone(),
        }
    }
}

/// What goes on record, as an event carries it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What makes it count once.
    pub(crate) reply_id: Uuid,
    pub(crate) asker: Asker,
    pub(crate) session_id: Option<Uuid>,
    pub(crate) text: String,
    /// The answer, or why there is none.
    pub(crate) reply: String,
    /// Whether the model answered.
    pub(crate) is_answered: bool,
    pub(crate) asked: Timestamp,
    pub(crate) answered: Timestamp,
}

impl Exchange {
    pub(crate) fn new(asker: Asker, question: &Question, asked: Timestamp) -> Self {
        Self {
            reply_id: Uuid::new_v4(),
            asker: match asker {
                Asker::Claims(uid) => Asker::Claims(storable(&uid)),
                user => user,
            },
            session_id: question.session.map(Session::id),
            text: storable(&question.text),
            reply: String::new(),
            is_answered: false,
            asked,
            answered: asked,
        }
    }

    pub(crate) fn ended(mut self, reply: &str, is_answered: bool) -> Self {
        self.reply = storable(reply);
        self.is_answered = is_answered;
        self.answered = Timestamp::now().max(self.asked);
        self
    }

    /// Writes all of it, or nothing when it is on record.
    pub(crate) async fn record(&self, database: &Database) -> Result<(), DatabaseError> {
        match database.atomically(self.statements(Timestamp::now())).await {
            Err(error) if conversations::is_recorded(&error) => Ok(()),
            written => written.map(drop),
        }
    }

    fn statements(&self, now: Timestamp) -> Vec<Statement> {
        let mut statements = vec![conversations::claim(self.reply_id, now)];
        if let Asker::User { uid, email } = &self.asker {
            statements.extend(users::ensure(uid, email.as_deref()));
            if let Some(session_id) = self.session_id {
                statements.push(conversations::touch(session_id, uid, self.answered));
                let (question, answer) = (
                    (self.text.as_str(), self.asked),
                    (self.reply.as_str(), self.answered),
                );
                if self.is_answered {
                    statements.extend(conversations::add(session_id, uid, question, answer));
                }
            }
        }
        statements.push(learning_log::chatted(&Chat {
            user_id: self.asker.uid(),
            claimed_user_id: match &self.asker {
                Asker::Claims(uid) => Some(uid),
                Asker::User { .. } => None,
            },
            session_id: self.session_id,
            text: &self.text,
            reply: &self.reply,
            model: MODEL,
            asked: self.asked,
            answered: self.answered,
        }));
        statements.push(conversations::forget(now));
        statements
    }
}

/// Records the exchange, if the database does so at once; otherwise leaves it to the ledger, which
/// has it recorded when the database is back. Whoever asked has their answer either way, so nothing
/// of this is an error of theirs. It goes on when they leave.
pub(crate) async fn keep(context: &Context, exchange: Exchange) {
    let context = context.clone();
    let keeping = tokio::spawn(async move {
        let Err(reason) = record_now(&context, &exchange).await else {
            return;
        };
        let reply = exchange.reply_id;
        match context.publish(replied(exchange)).await {
            Ok(()) => tracing::warn!(%reply, reason, "a chat will be recorded later"),
            Err(error) => tracing::error!(%reply, reason, ?error, "a chat is not recorded"),
        }
    });
    // It ends by itself, and a panic of its own is reported where it happens.
    let _ = keeping.await;
}

async fn record_now(context: &Context, exchange: &Exchange) -> Result<(), String> {
    match timeout(PATIENCE, exchange.record(context.database())).await {
        Ok(recorded) => recorded.map_err(|error| error.to_string()),
        Err(_) => Err("the database did not answer in time".to_owned()),
    }
}

/// The event that `tria_chat_log` waits for.
fn replied(exchange: Exchange) -> CloudEvent<Exchange> {
    let id = exchange.reply_id.to_string();
    CloudEvent::new(id, SOURCE, "media.holograms.tria.replied", exchange)
}

/// PostgreSQL cannot store the character NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
