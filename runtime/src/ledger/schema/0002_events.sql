-- What happened to objects, each in the transaction that made it true; and what functions published.
CREATE TABLE events (
    number   INTEGER PRIMARY KEY,               -- in the order in which they happened
    id       TEXT    NOT NULL UNIQUE,           -- the CloudEvent's
    kind     TEXT    NOT NULL,                  -- its type
    subject  TEXT    NOT NULL,                  -- its subject; empty: it has none
    recorded INTEGER NOT NULL,                  -- microseconds since 1970
    event    TEXT    NOT NULL                   -- the whole of it, as JSON
) STRICT;

-- One event for one function.
CREATE TABLE deliveries (
    event    INTEGER NOT NULL REFERENCES events (number) ON DELETE CASCADE,
    function TEXT    NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('pending', 'done', 'dead')),
    attempts INTEGER NOT NULL,                  -- begun, not ended: one that kills the process counts
    due      INTEGER NOT NULL,                  -- microseconds: when it may be leased; while it is leased, the lease's end
    lease    TEXT,                              -- the token of the attempt under way
    since    INTEGER NOT NULL,                  -- microseconds: from when the retry window counts
    settled  INTEGER,                           -- microseconds
    error    TEXT,                              -- of the last attempt that failed
    PRIMARY KEY (event, function)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_due ON deliveries (function, due) WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (lease) WHERE lease IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (settled) WHERE state = 'dead';
CREATE INDEX events_recorded ON events (recorded);
