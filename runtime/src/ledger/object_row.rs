//! One row of `objects` and back. Callers bring the transaction.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::objects::CommitObject;
use super::{Object, ObjectName};

/// The object of that name, and the staged file that may still hold its bytes.
pub(super) fn find(
    connection: &Connection,
    bucket: &str,
    name: &ObjectName,
) -> rusqlite::Result<Option<(Object, Option<String>)>> {
    connection
        .prepare_cached("SELECT * FROM objects WHERE bucket = ?1 AND name = ?2")?
        .query_row(params![bucket, name.as_str()], |row| {
            Ok((object_of(row)?, row.get("staged")?))
        })
        .optional()
}

pub(super) fn forget_removal(
    tx: &Transaction<'_>,
    bucket: &str,
    name: &ObjectName,
) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM removals WHERE bucket = ?1 AND name = ?2")?
        .execute(params![bucket, name.as_str()])?;
    Ok(())
}

pub(super) fn delete(
    tx: &Transaction<'_>,
    bucket: &str,
    name: &ObjectName,
) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM objects WHERE bucket = ?1 AND name = ?2")?
        .execute(params![bucket, name.as_str()])?;
    Ok(())
}

pub(super) fn insert(tx: &Transaction<'_>, new: CommitObject) -> rusqlite::Result<Object> {
    // What the row holds, so that the object told of now equals the one read later.
    let now = parsed(Timestamp::from_microsecond(new.now.as_microsecond()))?;
    let generation = tx
        .prepare_cached(
            "UPDATE clock SET generation = max(generation + 1, ?1) RETURNING generation",
        )?
        .query_row([now.as_microsecond()], |row| row.get(0))?;
    let object = Object {
        bucket: new.bucket,
        name: new.name,
        owner: new.owner,
        generation,
        metageneration: 1,
        size: new.content.size,
        content_type: new.options.content_type,
        cache_control: new.options.cache_control,
        content_disposition: new.options.content_disposition,
        content_encoding: new.options.content_encoding,
        content_language: new.options.content_language,
        md5: new.content.md5,
        crc32c: new.content.crc32c,
        sha256: new.content.sha256,
        created: now,
        updated: now,
        metadata: new.options.metadata,
    };
    write(tx, &object, new.staged.as_deref())?;
    Ok(object)
}

/// Makes the row of this name be this object.
pub(super) fn write(
    tx: &Transaction<'_>,
    object: &Object,
    staged: Option<&str>,
) -> rusqlite::Result<()> {
    delete(tx, &object.bucket, &object.name)?;
    tx.prepare_cached(
        "INSERT INTO objects VALUES (:bucket, :name, :owner, :generation,
            :metageneration, :size, :content_type, :md5, :crc32c, :sha256, :created, :updated,
            :metadata, :staged, :cache_control, :content_disposition, :content_encoding,
            :content_language)",
    )?
    .execute(named_params! {
        ":bucket": object.bucket,
        ":name": object.name.as_str(),
        ":owner": object.owner,
        ":generation": object.generation,
        ":metageneration": object.metageneration,
        ":size": object.size.cast_signed(),
        ":content_type": object.content_type,
        ":md5": object.md5,
        ":crc32c": object.crc32c,
        ":sha256": object.sha256,
        ":created": object.created.as_microsecond(),
        ":updated": object.updated.as_microsecond(),
        ":metadata": serde_json::Value::from_iter(object.metadata.clone()).to_string(),
        ":staged": staged,
        ":cache_control": object.cache_control,
        ":content_disposition": object.content_disposition,
        ":content_encoding": object.content_encoding,
        ":content_language": object.content_language,
    })?;
    Ok(())
}

pub(super) fn now_in_microseconds() -> Result<Timestamp, jiff::Error> {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond())
}

pub(super) fn object_of(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        bucket: row.get("bucket")?,
        name: name_of(row, row.as_ref().column_index("name")?)?,
        owner: row.get("owner")?,
        generation: row.get("generation")?,
        metageneration: row.get("metageneration")?,
        size: row.get::<_, i64>("size")?.cast_unsigned(),
        content_type: row.get("content_type")?,
        cache_control: row.get("cache_control")?,
        content_disposition: row.get("content_disposition")?,
        content_encoding: row.get("content_encoding")?,
        content_language: row.get("content_language")?,
        md5: row.get("md5")?,
        crc32c: row.get("crc32c")?,
        sha256: row.get("sha256")?,
        created: parsed(Timestamp::from_microsecond(row.get("created")?))?,
        updated: parsed(Timestamp::from_microsecond(row.get("updated")?))?,
        metadata: parsed(serde_json::from_str(row.get_ref("metadata")?.as_str()?))?,
    })
}

pub(super) fn name_of(row: &Row<'_>, column: usize) -> rusqlite::Result<ObjectName> {
    parsed(ObjectName::new(row.get::<_, String>(column)?))
}

/// A value that only the ledger writes turns out not to be one: the file was damaged.
pub(super) fn parsed<T, E>(value: Result<T, E>) -> rusqlite::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    value.map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))
}
