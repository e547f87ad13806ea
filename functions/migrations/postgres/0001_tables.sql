-- The tables of the functions. A database that holds them already keeps them, rows, defaults and
-- triggers included, and gets what is missing; one that holds other tables of the same names is
-- refused before anything in it changes.

DO $$
DECLARE
    missing TEXT;
BEGIN
    SELECT string_agg(needed.table_name || '.' || needed.column_name, ', ' ORDER BY 1)
    INTO missing
    FROM (VALUES
        ('users', 'user_id'), ('users', 'email'),
        ('audiovisual_gestural_chunks', 'chunk_id'),
        ('audiovisual_gestural_chunks', 'user_id'),
        ('audiovisual_gestural_chunks', 'chunk_type'),
        ('audiovisual_gestural_chunks', 'storage_ref'),
        ('audiovisual_gestural_chunks', 'original_filename'),
        ('audiovisual_gestural_chunks', 'mime_type'),
        ('audiovisual_gestural_chunks', 'tria_processing_status'),
        ('audiovisual_gestural_chunks', 'custom_metadata_json'),
        ('tria_learning_log', 'log_id'), ('tria_learning_log', 'timestamp'),
        ('tria_learning_log', 'user_id'), ('tria_learning_log', 'event_type'),
        ('tria_learning_log', 'bot_affected_id'), ('tria_learning_log', 'summary_text'),
        ('tria_learning_log', 'prompt_text'), ('tria_learning_log', 'tria_response_text'),
        ('tria_learning_log', 'model_used'), ('tria_learning_log', 'custom_data'),
        ('user_chat_sessions', 'session_id'), ('user_chat_sessions', 'user_id'),
        ('chat_history', 'message_id'), ('chat_history', 'session_id'),
        ('chat_history', 'sender_type'), ('chat_history', 'message_content')
    ) AS needed (table_name, column_name)
    WHERE to_regclass(quote_ident(needed.table_name)) IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM pg_attribute
          WHERE attrelid = to_regclass(quote_ident(needed.table_name))
            AND attname = needed.column_name AND attnum > 0 AND NOT attisdropped
      );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'database "%" holds tables of another schema: these columns are missing: %.%',
            current_database(), missing,
            CASE WHEN EXISTS (
                SELECT FROM pg_attribute
                WHERE attrelid = to_regclass('users')
                  AND attname = 'firebase_uid' AND NOT attisdropped
            ) THEN ' Its users are keyed by firebase_uid, as in the schema that came later.' ELSE '' END
            USING HINT = 'Nothing was changed. Point NEON_DATABASE_URL at an empty database (or a new '
                'Neon branch) and copy the rows, or rename these tables and start again.';
    END IF;
END;
$$;

CREATE TABLE IF NOT EXISTS users (
    user_id    TEXT PRIMARY KEY,
    email      TEXT UNIQUE,
    created_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE IF NOT EXISTS audiovisual_gestural_chunks (
    chunk_id                     UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id                      TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    chunk_type                   TEXT NOT NULL,
    storage_ref                  TEXT NOT NULL UNIQUE,
    original_filename            TEXT,
    mime_type                    TEXT,
    duration_seconds             FLOAT,
    resolution_width             INTEGER,
    resolution_height            INTEGER,
    tria_processing_status       TEXT DEFAULT 'pending',
    tria_extracted_features_json JSONB,
    related_gesture_id           UUID,
    related_hologram_id          UUID,
    custom_metadata_json         JSONB,
    created_at                   TIMESTAMPTZ DEFAULT now(),
    updated_at                   TIMESTAMPTZ DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_chunks_user_id ON audiovisual_gestural_chunks (user_id);

CREATE TABLE IF NOT EXISTS tria_learning_log (
    log_id             SERIAL PRIMARY KEY,
    timestamp          TIMESTAMPTZ DEFAULT now(),
    user_id            TEXT REFERENCES users (user_id) ON DELETE SET NULL,
    session_id         UUID,
    event_type         TEXT NOT NULL,
    bot_affected_id    TEXT,
    summary_text       TEXT,
    prompt_text        TEXT,
    tria_response_text TEXT,
    model_used         TEXT,
    feedback_score     INTEGER,
    custom_data        JSONB
);

CREATE TABLE IF NOT EXISTS user_chat_sessions (
    session_id           UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id              TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created_at           TIMESTAMPTZ DEFAULT now(),
    end_time             TIMESTAMPTZ,
    last_updated_at      TIMESTAMPTZ DEFAULT now(),
    model_preferences    JSONB,
    session_summary      TEXT,
    custom_metadata_json JSONB
);

CREATE TABLE IF NOT EXISTS chat_history (
    message_id      UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id      UUID NOT NULL REFERENCES user_chat_sessions (session_id) ON DELETE CASCADE,
    user_id         TEXT REFERENCES users (user_id) ON DELETE SET NULL,
    sender_type     TEXT NOT NULL,
    message_content TEXT NOT NULL,
    timestamp       TIMESTAMPTZ DEFAULT now(),
    metadata_json   JSONB
);

-- updated_at follows every update. A table that has such a trigger already keeps its own.
DO $$
DECLARE
    owner TEXT;
BEGIN
    IF to_regprocedure('update_updated_at_column()') IS NULL THEN
        CREATE FUNCTION update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql AS $body$
        BEGIN
            NEW.updated_at = now();
            RETURN NEW;
        END;
        $body$;
    END IF;
    FOREACH owner IN ARRAY ARRAY['users', 'audiovisual_gestural_chunks'] LOOP
        IF NOT EXISTS (
            SELECT FROM pg_trigger
            WHERE tgrelid = to_regclass(owner)
              AND tgfoid = to_regprocedure('update_updated_at_column()')
        ) THEN
            EXECUTE format(
                'CREATE TRIGGER %I BEFORE UPDATE ON %I
                 FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()',
                'trigger_update_updated_at_' || owner, owner);
        END IF;
    END LOOP;
END;
$$;
