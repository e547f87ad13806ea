-- The tables of the functions. Column types carry the meaning that SQLite has no type for; timestamps
-- are UTC texts of one width.

CREATE TABLE IF NOT EXISTS users (
    user_id    TEXT PRIMARY KEY NOT NULL,
    email      TEXT UNIQUE,
    created_at TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    updated_at TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
);

CREATE TABLE IF NOT EXISTS audiovisual_gestural_chunks (
    -- A random UUID of version 4.
    chunk_id                     UUID PRIMARY KEY NOT NULL DEFAULT (lower(printf('%s-%s-4%s-%s%s-%s',
        hex(randomblob(4)), hex(randomblob(2)), substr(hex(randomblob(2)), 2),
        substr('89ab', 1 + (random() & 3), 1), substr(hex(randomblob(2)), 2), hex(randomblob(6))))),
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
    created_at                   TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    updated_at                   TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
);
CREATE INDEX IF NOT EXISTS idx_chunks_user_id ON audiovisual_gestural_chunks (user_id);

CREATE TABLE IF NOT EXISTS tria_learning_log (
    log_id             INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp          TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
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
    session_id           UUID PRIMARY KEY NOT NULL DEFAULT (lower(printf('%s-%s-4%s-%s%s-%s',
        hex(randomblob(4)), hex(randomblob(2)), substr(hex(randomblob(2)), 2),
        substr('89ab', 1 + (random() & 3), 1), substr(hex(randomblob(2)), 2), hex(randomblob(6))))),
    user_id              TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created_at           TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    end_time             TIMESTAMPTZ,
    last_updated_at      TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    model_preferences    JSONB,
    session_summary      TEXT,
    custom_metadata_json JSONB
);

CREATE TABLE IF NOT EXISTS chat_history (
    message_id      UUID PRIMARY KEY NOT NULL DEFAULT (lower(printf('%s-%s-4%s-%s%s-%s',
        hex(randomblob(4)), hex(randomblob(2)), substr(hex(randomblob(2)), 2),
        substr('89ab', 1 + (random() & 3), 1), substr(hex(randomblob(2)), 2), hex(randomblob(6))))),
    session_id      UUID NOT NULL REFERENCES user_chat_sessions (session_id) ON DELETE CASCADE,
    user_id         TEXT REFERENCES users (user_id) ON DELETE SET NULL,
    sender_type     TEXT NOT NULL,
    message_content TEXT NOT NULL,
    timestamp       TIMESTAMPTZ DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    metadata_json   JSONB
);

CREATE TRIGGER IF NOT EXISTS trigger_update_updated_at_users
AFTER UPDATE ON users FOR EACH ROW WHEN NEW.updated_at IS OLD.updated_at
BEGIN
    UPDATE users SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
    WHERE user_id = NEW.user_id;
END;

CREATE TRIGGER IF NOT EXISTS trigger_update_updated_at_audiovisual_gestural_chunks
AFTER UPDATE ON audiovisual_gestural_chunks FOR EACH ROW WHEN NEW.updated_at IS OLD.updated_at
BEGIN
    UPDATE audiovisual_gestural_chunks SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')
    WHERE chunk_id = NEW.chunk_id;
END;
