CREATE TABLE samples (
    id       INTEGER PRIMARY KEY,
    text     TEXT,
    number   BIGINT,
    float    FLOAT,
    flag     BOOLEAN,
    bytes    BLOB,
    json     JSONB,
    uuid     UUID,
    at       TIMESTAMPTZ
);
