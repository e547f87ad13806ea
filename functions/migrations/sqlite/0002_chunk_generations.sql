-- Which generation of its object the row of a chunk describes: what makes every event count once.
-- Beside the chunks, because a database of the former backend keeps its tables as they are.

CREATE TABLE IF NOT EXISTS chunk_generations (
    chunk_id   UUID PRIMARY KEY NOT NULL
               REFERENCES audiovisual_gestural_chunks (chunk_id) ON DELETE CASCADE,
    generation BIGINT NOT NULL
);
