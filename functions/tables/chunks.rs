//! What users recorded: one row for each object, which describes the latest generation of it that was
//! heard of.

use runtime::{Database, DatabaseError, Error, ErrorCode, Result, Rows, Statement};
use serde_json::Value;
use uuid::Uuid;

use super::{learning_log, users};

/// How often a row may vanish or change its id under the hands that write it.
const TRIES: u32 = 3;

/// One generation of an object, as its row describes it.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Whose it is. The row of that user is made with it.
    pub(crate) user_id: String,
    /// `gs://{bucket}/{name}`
    pub(crate) storage_ref: String,
    /// Greater with every overwrite of the object.
    pub(crate) generation: i64,
    /// `video`, `audio`, `image` …; `unknown`.
    pub(crate) chunk_type: String,
    pub(crate) mime_type: Option<String>,
    pub(crate) original_filename: Option<String>,
    pub(crate) custom_metadata: Value,
    pub(crate) contents: Contents,
}

/// What is known from the bytes themselves; nothing, when they are not here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) duration_seconds: Option<f64>,
    /// Pixels.
    pub(crate) width: Option<i32>,
    pub(crate) height: Option<i32>,
    pub(crate) features: Option<Value>,
}

/// Whether this generation of the object, or a later one, has been recorded.
pub(crate) async fn is_recorded(
    database: &Database,
    storage_ref: &str,
    generation: i64,
) -> Result<bool, DatabaseError> {
    let recorded: Option<i64> = database
        .query_optional(
            "SELECT generation FROM chunk_generations
             JOIN audiovisual_gestural_chunks USING (chunk_id) WHERE storage_ref = $1",
            &[&storage_ref],
        )
        .await?;
    Ok(recorded.is_some_and(|recorded| recorded >= generation))
}

/// Writes the chunk, its user and its line of the learning log, all of them or none. When this
/// generation or a later one has been recorded, nothing changes: however often and in whatever order
/// the generations come, the row ends with the latest, and the log has one line for each that was the
/// latest when it came.
///
/// # Errors
/// The database's, and `ABORTED` when others keep deleting the row.
pub(crate) async fn record(database: &Database, chunk: &Chunk) -> Result<()> {
    let known: Option<Uuid> = database
        .query_optional(
            "SELECT chunk_id FROM audiovisual_gestural_chunks WHERE storage_ref = $1",
            &[&chunk.storage_ref],
        )
        .await?;
    let mut id = known.unwrap_or_else(Uuid::new_v4);
    for _ in 0..TRIES {
        let mut statements = users::ensure(&chunk.user_id, None).to_vec();
        let holding = statements.len();
        statements.extend([
            hold(chunk, id),
            learning_log::chunk_recorded(chunk, id),
            describe(chunk, id),
            remember_generation(chunk, id),
        ]);
        let mut answers = database.atomically(statements).await?.into_iter();
        let held = answers.nth(holding).map(Rows::into_first);
        match held.transpose()?.flatten() {
            Some(held) if held == id => return Ok(()),
            // Somebody else's row came first. Nothing was written yet, as all goes by its id.
            Some(held) => id = held,
            None => break,
        }
    }
    Err(Error::new(
        ErrorCode::Aborted,
        "The chunk is being changed.",
    ))
}

/// Makes the row, or holds the one that is there until the transaction ends: the statements after
/// this one see what was committed by then.
fn hold(chunk: &Chunk, id: Uuid) -> Statement {
    Statement::new(
        "INSERT INTO audiovisual_gestural_chunks (chunk_id, user_id, chunk_type, storage_ref)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (storage_ref) DO UPDATE SET storage_ref = excluded.storage_ref
         RETURNING chunk_id",
        &[&id, &chunk.user_id, &chunk.chunk_type, &chunk.storage_ref],
    )
}

fn describe(chunk: &Chunk, id: Uuid) -> Statement {
    let contents = &chunk.contents;
    Statement::new(
        "UPDATE audiovisual_gestural_chunks
         SET user_id = $3, chunk_type = $4, mime_type = $5, original_filename = $6,
             custom_metadata_json = $7, duration_seconds = $8, resolution_width = $9,
             resolution_height = $10, tria_extracted_features_json = $11,
             tria_processing_status = 'pending_bot_processing'
         WHERE chunk_id = $1 AND NOT EXISTS (
             SELECT 1 FROM chunk_generations WHERE chunk_id = $1 AND generation >= $2)",
        &[
            &id,
            &chunk.generation,
            &chunk.user_id,
            &chunk.chunk_type,
            &chunk.mime_type,
            &chunk.original_filename,
            &chunk.custom_metadata,
            &contents.duration_seconds,
            &contents.width,
            &contents.height,
            &contents.features,
        ],
    )
}

fn remember_generation(chunk: &Chunk, id: Uuid) -> Statement {
    Statement::new(
        "INSERT INTO chunk_generations (chunk_id, generation)
         SELECT chunk_id, $2 FROM audiovisual_gestural_chunks WHERE chunk_id = $1
         ON CONFLICT (chunk_id) DO UPDATE SET generation = excluded.generation
         WHERE chunk_generations.generation < excluded.generation",
        &[&id, &chunk.generation],
    )
}
