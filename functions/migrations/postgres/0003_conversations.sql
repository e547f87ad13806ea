-- Which replies of Tria are on record: what makes each count once, however often it is told of.

CREATE TABLE IF NOT EXISTS recorded_replies (
    reply_id UUID PRIMARY KEY NOT NULL
);

CREATE INDEX IF NOT EXISTS idx_chat_history_session ON chat_history (session_id, timestamp);
