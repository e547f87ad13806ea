-- What every bucket holds. A row, not the file, is what makes an object exist.
CREATE TABLE objects (
    bucket         TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    owner          TEXT    NOT NULL,
    generation     INTEGER NOT NULL,            -- microseconds since 1970, unique in this ledger
    metageneration INTEGER NOT NULL,
    size           INTEGER NOT NULL,            -- bytes
    content_type   TEXT,
    md5            BLOB    NOT NULL,
    crc32c         INTEGER NOT NULL,
    sha256         BLOB    NOT NULL,
    created        INTEGER NOT NULL,            -- microseconds since 1970
    updated        INTEGER NOT NULL,            -- microseconds since 1970
    metadata       TEXT    NOT NULL,            -- a JSON object of strings
    staged         TEXT,                        -- the staged file that holds these bytes until it is renamed
    PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX objects_by_owner ON objects (bucket, owner, size);
CREATE UNIQUE INDEX objects_by_staged ON objects (staged) WHERE staged IS NOT NULL;

-- Objects that no longer exist but whose file may still lie in its folder.
CREATE TABLE removals (
    bucket TEXT NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;

-- The last generation that was given out: it grows even when the machine's clock steps back.
CREATE TABLE clock (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO clock (id, generation) VALUES (1, 0);
