-- What an object's readers are told beside its type.
ALTER TABLE objects ADD COLUMN cache_control       TEXT;
ALTER TABLE objects ADD COLUMN content_disposition TEXT;
ALTER TABLE objects ADD COLUMN content_encoding    TEXT;
ALTER TABLE objects ADD COLUMN content_language    TEXT;

-- Uploads that take several requests, and may outlive a process.
CREATE TABLE upload_sessions (
    id       TEXT    PRIMARY KEY,                -- a secret: whoever knows it may go on
    bucket   TEXT    NOT NULL,
    name     TEXT    NOT NULL,                   -- of the object that it will be
    owner    TEXT    NOT NULL,
    options  TEXT    NOT NULL,                   -- a JSON object: what was said at the start
    state    TEXT    NOT NULL CHECK (state IN ('active', 'final', 'cancelled')),
    staged   TEXT    NOT NULL UNIQUE,            -- the staged file
    received INTEGER NOT NULL,                   -- bytes of it that are durable
    object   TEXT,                               -- what it became, as JSON; NULL until it is final
    updated  INTEGER NOT NULL,                   -- microseconds since 1970
    expires  INTEGER NOT NULL                    -- microseconds since 1970
) STRICT, WITHOUT ROWID;

CREATE INDEX upload_sessions_expiring ON upload_sessions (expires);
CREATE INDEX upload_sessions_active ON upload_sessions (updated) WHERE state = 'active';
