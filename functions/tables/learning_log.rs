//! What the bots did, line by line, for whoever teaches them.

use runtime::Statement;
use serde_json::json;
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
