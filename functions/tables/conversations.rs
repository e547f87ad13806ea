//! What users and Tria said to one another, session by session, and which replies are on record.

use jiff::{SignedDuration, Timestamp};
use runtime::{Database, DatabaseError, Rows, Statement};
use serde::Deserialize;
use uuid::Uuid;

use super::users;

/// How long a reply may be told of again; events are retried for a week.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// So many messages of a session are read at most.
const LAST_MESSAGES: i64 = 50;

/// So much of a message is read at most, in code points: more than anybody tells a model again.
const LONGEST: i64 = 8_192;

/// A session, for one user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// It is another user's.
    Foreign,
    Own {
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

/// The session of that id, which begins here when there is none: of two users who name one id at the same
/// time it is one's.
pub(crate) async fn open(
    database: &Database,
    session_id: Uuid,
    user_id: &str,
    email: Option<&str>,
    now: Timestamp,
) -> Result<Session, DatabaseError> {
    let begin = Statement::new(
        "INSERT INTO user_chat_sessions (session_id, user_id, created_at, last_updated_at)
         VALUES ($1, $2, $3, $3) ON CONFLICT (session_id) DO NOTHING",
        &[&session_id, &user_id, &now],
    );
    let owner = Statement::new(
        "SELECT user_id FROM user_chat_sessions WHERE session_id = $1",
        &[&session_id],
    );
    let messages = Statement::new(
        "SELECT sender_type, substr(message_content, 1, CAST($4 AS INTEGER)) AS message_content
         FROM chat_history
         JOIN user_chat_sessions USING (session_id)
         WHERE session_id = $1 AND user_chat_sessions.user_id = $2
         ORDER BY chat_history.timestamp DESC, message_id LIMIT $3",
        &[&session_id, &user_id, &LAST_MESSAGES, &LONGEST],
    );
    let [ensure, ensure_without_email] = users::ensure(user_id, email);
    let statements = [ensure, ensure_without_email, begin, owner, messages];
    let mut answers = database.atomically(statements).await?.into_iter().skip(3);
    let owner: Option<String> = answers.next().map_or(Ok(None), Rows::into_first)?;
    if owner.is_none_or(|owner| owner != user_id) {
        return Ok(Session::Foreign);
    }
    let newest_first = answers.next().map_or(Ok(Vec::new()), Rows::into_vec)?;
    Ok(Session::Own { newest_first })
}

/// Takes a reply on record. In the transaction that records all of it this comes first: when the reply
/// is there already, the transaction ends here with [`is_recorded`] and nothing is written twice.
pub(crate) fn claim(reply_id: Uuid, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO recorded_replies (reply_id, recorded_at) VALUES ($1, $2)",
        &[&reply_id, &now],
    )
}

/// Forgets which replies were taken on record so long ago that nothing tells of them again.
pub(crate) fn forget(now: Timestamp) -> Statement {
    let until = now.saturating_sub(TOLD_AGAIN).unwrap_or(Timestamp::MIN);
    Statement::new(
        "DELETE FROM recorded_replies WHERE recorded_at < $1",
        &[&until],
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
           AND COALESCE(user_chat_sessions.last_updated_at < excluded.last_updated_at, TRUE)",
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
                 (message_id, session_id, user_id, sender_type, message_content, timestamp)
             SELECT $6, session_id, user_id, $3, $4, $5 FROM user_chat_sessions
             WHERE session_id = $1 AND user_id = $2",
            &[
                &session_id,
                &user_id,
                &sender_type,
                &content,
                &at,
                &Uuid::new_v4(),
            ],
        )
    };
    [
        message(USER, question, asked),
        message(ASSISTANT, answer, answered.max(after_question)),
    ]
}
