-- What each owner has, so that a quota is looked up and not added up.
CREATE TABLE owners (
    bucket TEXT    NOT NULL,
    owner  TEXT    NOT NULL,
    bytes  INTEGER NOT NULL,                    -- of all objects
    PRIMARY KEY (bucket, owner)
) STRICT, WITHOUT ROWID;
INSERT INTO owners SELECT bucket, owner, sum(size) FROM objects GROUP BY bucket, owner;
DROP INDEX objects_by_owner;

CREATE TRIGGER objects_made AFTER INSERT ON objects BEGIN
    INSERT INTO owners VALUES (new.bucket, new.owner, new.size)
        ON CONFLICT (bucket, owner) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
-- INSERT OR REPLACE does not run it: whoever replaces a row deletes it first.
CREATE TRIGGER objects_ended AFTER DELETE ON objects BEGIN
    UPDATE owners SET bytes = bytes - old.size WHERE bucket = old.bucket AND owner = old.owner;
END;
