//! What users and Tria said to one another, session by session, and which replies are on record.

use jiff::{SignedDuration, Timestamp};
use runtime::{Database, DatabaseError, Rows, Statement};
use serde::Deserialize;
use uuid::Uuid;

/// So many messages of a session are read at most.
const LAST_MESSAGES: i64 = 50;

/// A session as it is on record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// There is none of this id.
    Unknown,
    /// It is another user's.
    Foreign,
    Known {
        newest_first: Vec<Said>,
    },
}

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Said {
    /// [`USER`], [`ASSISTANT`], or what others wrote there.
    pub(crate) sender_type: String,
    pub(crate) message_content: String,
}

pub(crate) const USER: &str = "user";
pub(crate) const ASSISTANT: &str = "assistant";

/// The session of that id, for the user of that uid.
pub(crate) async fn session(
    database: &Database,
    session_id: Uuid,
    user_id: &str,
) -> Result<Session, DatabaseError> {
    let owner = Statement::new(
        "SELECT user_id FROM user_chat_sessions WHERE session_id = $1",
        &[&session_id],
    );
    let messages = Statement::new(
        "SELECT sender_type, message_content FROM chat_history
         JOIN user_chat_sessions USING (session_id)
         WHERE session_id = $1 AND user_chat_sessions.user_id = $2
         ORDER BY chat_history.timestamp DESC, message_id LIMIT $3",
        &[&session_id, &user_id, &LAST_MESSAGES],
    );
    let mut answers = database.atomically([owner, messages]).await?.into_iter();
    let owner: Option<String> = answers.next().map_or(Ok(None), Rows::into_first)?;
    Ok(match owner {
        None => Session::Unknown,
        Some(owner) if owner != user_id => Session::Foreign,
        Some(_) => Session::Known {
            newest_first: answers.next().map_or(Ok(Vec::new()), Rows::into_vec)?,
        },
    })
}

/// Takes a reply on record. In the transaction that records all of it this comes first: when the reply
/// is there already, the transaction ends here with [`is_recorded`] and nothing is written twice.
pub(crate) fn claim(reply_id: Uuid) -> Statement {
    Statement::new(
        "INSERT INTO recorded_replies (reply_id) VALUES ($1)",
        &[&reply_id],
    )
}

/// Whether a transaction failed because its reply is on record.
pub(crate) fn is_recorded(error: &DatabaseError) -> bool {
    matches!(error, DatabaseError::Conflict { constraint } if constraint.contains("recorded_replies"))
}

/// Makes the session of a user who exists, or says when it was last used; another user's is left alone.
pub(crate) fn touch(session_id: Uuid, user_id: &str, at: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO user_chat_sessions (session_id, user_id, created_at, last_updated_at)
         VALUES ($1, $2, $3, $3)
         ON CONFLICT (session_id) DO UPDATE SET last_updated_at = excluded.last_updated_at
         WHERE user_chat_sessions.user_id = excluded.user_id
           AND user_chat_sessions.last_updated_at < excluded.last_updated_at",
        &[&session_id, &user_id, &at],
    )
}

/// Adds a question and its answer to the user's own session, one after the other: nothing but their
/// times puts them in order.
pub(crate) fn add(
    session_id: Uuid,
    user_id: &str,
    (question, asked): (&str, Timestamp),
    (answer, answered): (&str, Timestamp),
) -> [Statement; 2] {
    const STEP: SignedDuration = SignedDuration::from_micros(1);
    let after_question = asked.saturating_add(STEP).unwrap_or(asked);
    let message = |sender_type: &str, content: &str, at: Timestamp| {
        Statement::new(
            "INSERT INTO chat_history
                 (session_id, user_id, sender_type, message_content, timestamp)
             SELECT session_id, user_id, $3, $4, $5 FROM user_chat_sessions
             WHERE session_id = $1 AND user_id = $2",
            &[&session_id, &user_id, &sender_type, &content, &at],
        )
    };
    [
        message(USER, question, asked),
        message(ASSISTANT, answer, answered.max(after_question)),
    ]
}
