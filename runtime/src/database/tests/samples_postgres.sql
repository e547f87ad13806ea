CREATE TABLE samples (
    id       INTEGER PRIMARY KEY,
    text     TEXT,
    number   BIGINT,
    float    FLOAT,
    flag     BOOLEAN,
    bytes    BYTEA,
    json     JSONB,
    uuid     UUID,
    at       TIMESTAMPTZ
);
