//! What the bots did, line by line, for whoever teaches them.

use jiff::Timestamp;
use runtime::Statement;
use serde_json::{Value, json};
use uuid::Uuid;

use super::chunks::Chunk;

/// The line that a chunk was recorded, for the transaction that records it: nothing, when its row has
/// another id than `id` or describes this generation or a later one already.
pub(crate) fn chunk_recorded(chunk: &Chunk, id: Uuid) -> Statement {
    let custom_data = json!({
        "chunk_id": id,
        "user_id": chunk.user_id,
        "storage_ref": chunk.storage_ref,
        "chunk_type": chunk.chunk_type,
    });
    Statement::new(
        "INSERT INTO tria_learning_log
             (user_id, event_type, bot_affected_id, summary_text, custom_data, timestamp)
         SELECT $3, 'chunk_metadata_processed', 'ChunkProcessorBot', $4, $5, now()
         FROM audiovisual_gestural_chunks
         WHERE chunk_id = $1 AND NOT EXISTS (
             SELECT 1 FROM chunk_generations WHERE chunk_id = $1 AND generation >= $2)",
        &[
            &id,
            &chunk.generation,
            &chunk.user_id,
            &format!("Successfully processed metadata for chunk: {id}"),
            &custom_data,
        ],
    )
}

/// One question and what Tria said to it.
#[derive(Debug)]
pub(crate) struct Chat<'c> {
    /// The verified asker.
    pub(crate) user_id: Option<&'c str>,
    /// Who an asker without a token said they were.
    pub(crate) claimed_user_id: Option<&'c str>,
    pub(crate) session_id: Option<Uuid>,
    pub(crate) text: &'c str,
    pub(crate) reply: &'c str,
    pub(crate) model: &'c str,
    pub(crate) asked: Timestamp,
    pub(crate) answered: Timestamp,
}

/// The line of a chat, whose user exists.
pub(crate) fn chatted(chat: &Chat<'_>) -> Statement {
    let asked = chat.asked.display_with_offset(jiff::tz::Offset::UTC);
    let mut custom_data = json!({"request_timestamp": asked.to_string()});
    if let Some(claimed) = chat.claimed_user_id {
        custom_data["claimed_user_id"] = Value::from(claimed);
    }
    Statement::new(
        "INSERT INTO tria_learning_log
             (timestamp, user_id, session_id, event_type, bot_affected_id, summary_text,
              prompt_text, tria_response_text, model_used, custom_data)
         VALUES ($1, $2, $3, 'tria_chat_interaction', 'ChatBot_MistralMedium_v1', $4, $5, $6, $7, $8)",
        &[
            &chat.answered,
            &chat.user_id,
            &chat.session_id,
            &summary(chat.text, chat.reply),
            &chat.text,
            &chat.reply,
            &chat.model,
            &custom_data,
        ],
    )
}

/// The beginnings of both, with dots behind them even when they are whole.
fn summary(text: &str, reply: &str) -> String {
    format!(
        "User: {}... | Tria: {}...",
        beginning(text),
        beginning(reply)
    )
}

/// The first 100 code points.
fn beginning(text: &str) -> &str {
    let end = text.char_indices().nth(100).map(|(end, _)| end);
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_shows_a_hundred_code_points_of_each() {
        assert_eq!(summary("ping", "pong"), "User: ping... | Tria: pong...");
        let (exact, longer) = ("Ж".repeat(100), "👋🏽".repeat(75));
        let shown = "👋🏽".repeat(50);
        let expected = format!("User: {exact}... | Tria: {shown}...");
        assert_eq!(summary(&exact, &longer), expected);
    }
}
