-- When a reply was taken on record, so that it can be forgotten one day. SQLite adds no column whose
-- default is a time.

ALTER TABLE recorded_replies RENAME TO ageless_replies;

CREATE TABLE recorded_replies (
    reply_id    UUID PRIMARY KEY NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
);

INSERT INTO recorded_replies (reply_id) SELECT reply_id FROM ageless_replies;

DROP TABLE ageless_replies;

CREATE INDEX idx_recorded_replies_recorded_at ON recorded_replies (recorded_at);
