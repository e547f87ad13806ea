use jiff::{Timestamp, ToSpan};

use super::listing::{FROM, LIST};
use super::objects::{FIND_STAGED, OWNER_TOTAL};
use super::sessions::{ACTIVE_SESSIONS, EXPIRED_SESSIONS, SESSION};
use super::*;

async fn open() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join(".ledger"), Announcer::default())
        .await
        .unwrap();
    (folder, ledger)
}

fn name(name: &str) -> ObjectName {
    ObjectName::new(name).unwrap()
}

fn object(object_name: &str, size: u64) -> CommitObject {
    CommitObject {
        bucket: "chunks".to_owned(),
        name: name(object_name),
        owner: "U1".to_owned(),
        content: Content {
            size,
            md5: [1; 16],
            crc32c: u32::MAX,
            sha256: [2; 32],
        },
        options: PutOptions {
            content_type: Some("video/webm".to_owned()),
            metadata: [("клю\"ч".to_owned(), "v\0".to_owned())].into(),
            ..PutOptions::default()
        },
        now: Timestamp::UNIX_EPOCH + 1.hour() + 1.nanosecond(),
        staged: None,
        quota: None,
        session: None,
    }
}

async fn names(ledger: &Ledger, prefix: &str, start_after: &str, limit: usize) -> Vec<String> {
    let found = ledger.list("chunks", prefix, start_after, limit).await;
    found
        .unwrap()
        .iter()
        .map(|it| it.name.to_string())
        .collect()
}

#[tokio::test]
async fn what_is_found_is_what_was_committed() {
    let (_folder, ledger) = open().await;
    let mut new = object("a\0b", 5);
    new.staged = Some("s1".to_owned());
    let committed = ledger.commit(new).await.unwrap();
    assert_eq!(committed.generation, 3_600_000_000);
    assert_eq!(committed.metageneration, 1);

    let found = ledger.find("chunks", &name("a\0b")).await.unwrap();
    let staged = Some("s1".to_owned());
    let object = Box::new(committed);
    assert_eq!(found, Standing::Exists { object, staged });
    for (bucket, other) in [("chunks", "a"), ("other", "a\0b")] {
        let found = ledger.find(bucket, &name(other)).await.unwrap();
        assert_eq!(found, Standing::Unknown);
    }
}

#[tokio::test]
async fn generations_grow_while_the_clock_steps_back_and_across_deletion() {
    let (_folder, ledger) = open().await;
    let first = ledger.commit(object("a", 1)).await.unwrap().generation;
    let mut earlier = object("a", 1);
    earlier.now = Timestamp::UNIX_EPOCH;
    let second = ledger.commit(earlier.clone()).await.unwrap();
    assert_eq!(second.generation, first + 1);
    assert_eq!(second.created, Timestamp::UNIX_EPOCH);

    ledger.remove("chunks", &name("a")).await.unwrap();
    ledger.removed("chunks", &name("a")).await.unwrap();
    let third = ledger.commit(earlier).await.unwrap().generation;
    assert_eq!(third, first + 2);
}

#[tokio::test]
async fn a_removed_object_stays_removed_until_it_is_committed_again() {
    let (_folder, ledger) = open().await;
    ledger.commit(object("a", 1)).await.unwrap();
    ledger.remove("chunks", &name("a")).await.unwrap();
    let standing = ledger.find("chunks", &name("a")).await.unwrap();
    assert_eq!(standing, Standing::Removed);
    assert_eq!(ledger.removals().await.unwrap().len(), 1);

    ledger.commit(object("a", 2)).await.unwrap();
    assert!(ledger.removals().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_quota_counts_every_object_of_the_owner_but_the_overwritten_one() {
    let (_folder, ledger) = open().await;
    let with_quota = |object_name, size| {
        let mut new = object(object_name, size);
        new.quota = Some(10);
        new
    };
    ledger.commit(with_quota("a", 6)).await.unwrap();
    let refused = ledger.commit(with_quota("b", 5)).await;
    assert!(matches!(refused, Err(CommitError::QuotaExceeded)));
    ledger.commit(with_quota("b", 4)).await.unwrap();
    ledger.commit(with_quota("a", 5)).await.unwrap();
    let mut stranger = with_quota("c", 10);
    stranger.owner = "U2".to_owned();
    ledger.commit(stranger).await.unwrap();

    let total = ledger.owner_total("chunks", "U1", &name("b")).await;
    assert_eq!(total.unwrap(), 5);
}

#[tokio::test]
async fn a_list_is_in_byte_order_and_ends_where_the_prefix_does() {
    let (_folder, ledger) = open().await;
    for object_name in ["p/b", "p/a", "p/é", "p0", "o", "p/Z"] {
        ledger.commit(object(object_name, 1)).await.unwrap();
    }
    let sorted = ["p/Z", "p/a", "p/b", "p/é"];
    assert_eq!(names(&ledger, "p/", "", 10).await, sorted);
    assert_eq!(names(&ledger, "p/", "p/a", 10).await, sorted[2..]);
    assert_eq!(names(&ledger, "p/", "p/Z", 2).await, sorted[1..3]);
    assert_eq!(names(&ledger, "", "", 10).await.len(), 6);
    assert!(names(&ledger, "p/", "p0", 10).await.is_empty());
}

#[tokio::test]
async fn no_query_walks_the_table() {
    let (_folder, ledger) = open().await;
    for (sql, expected) in [
        (
            LIST,
            "SEARCH objects USING PRIMARY KEY (bucket=? AND name>?)",
        ),
        (
            OWNER_TOTAL,
            "SEARCH objects USING COVERING INDEX objects_by_owner (bucket=? AND owner=?)",
        ),
        (
            FROM,
            "SEARCH objects USING PRIMARY KEY (bucket=? AND name>?)",
        ),
        (SESSION, "SEARCH upload_sessions USING PRIMARY KEY (id=?)"),
        (
            ACTIVE_SESSIONS,
            "SCAN upload_sessions USING INDEX upload_sessions_active",
        ),
        (
            EXPIRED_SESSIONS,
            "SEARCH upload_sessions USING INDEX upload_sessions_expiring (expires<?)",
        ),
        (
            FIND_STAGED,
            "SEARCH objects USING COVERING INDEX objects_by_staged (staged=?)",
        ),
    ] {
        let plan: Vec<String> = ledger
            .sqlite
            .read(move |connection| {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
                statement
                    .query_map(rusqlite::params_from_iter(parameters), |row| {
                        row.get("detail")
                    })?
                    .collect()
            })
            .await
            .unwrap();
        assert_eq!(plan, [expected]);
    }
}

#[tokio::test]
async fn objects_of_an_earlier_version_are_found_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".ledger");
    fs::create_dir(&path).unwrap();
    let earlier = rusqlite::Connection::open(path.join(FILE)).unwrap();
    for step in &SCHEMA[..2] {
        earlier.execute_batch(step).unwrap();
    }
    let row = "INSERT INTO objects VALUES ('chunks', 'a', 'U1', 7, 1, 5, 'video/webm',
        zeroblob(16), 9, zeroblob(32), 7, 7, '{\"k\":\"v\"}', NULL); PRAGMA user_version = 2";
    earlier.execute_batch(row).unwrap();
    drop(earlier);

    let ledger = Ledger::open(&path, Announcer::default()).await.unwrap();
    let found = ledger.find("chunks", &name("a")).await.unwrap();
    let Standing::Exists {
        object,
        staged: None,
    } = found
    else {
        panic!("{found:?}");
    };
    assert_eq!((object.size, object.generation), (5, 7));
    assert_eq!(
        (&object.cache_control, object.metadata["k"].as_str()),
        (&None, "v")
    );
    let name = name("a");
    let changed = ledger.update("chunks", &name, MetadataChange::default());
    assert_eq!(changed.await.unwrap().unwrap().metageneration, 2);
}

#[tokio::test]
async fn a_ledger_of_a_later_version_is_refused() {
    let (folder, ledger) = open().await;
    let later = ledger
        .sqlite
        .write(|tx| tx.pragma_update(None, "user_version", 99));
    later.await.unwrap();
    let refused = Ledger::open(&folder.path().join(".ledger"), Announcer::default()).await;
    let cause = refused.err().unwrap();
    let texts: Vec<String> =
        std::iter::successors(Some(&cause as &dyn std::error::Error), |error| {
            error.source()
        })
        .map(ToString::to_string)
        .collect();
    assert!(
        texts.join(": ").contains("the ledger has schema 99"),
        "{texts:?}"
    );
}

#[test]
fn a_commit_that_the_disk_failed_may_come_back_and_no_other() {
    let failed = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
    let commit = |code| CommitError::from(SqliteError::Commit(failed(code).into()));
    assert!(!commit(rusqlite::ffi::SQLITE_IOERR_FSYNC).is_final());
    assert!(!CommitError::from(SqliteError::Closed).is_final());
    assert!(commit(rusqlite::ffi::SQLITE_FULL).is_final());
    assert!(CommitError::QuotaExceeded.is_final());
    assert!(CommitError::from(SqliteError::Busy).is_final());
    let job = SqliteError::Job(failed(rusqlite::ffi::SQLITE_CONSTRAINT));
    assert!(CommitError::from(job).is_final());
}

#[test]
fn an_etag_is_spelled_like_those_of_cloud_storage() {
    let object = Object {
        bucket: "chunks".to_owned(),
        name: name("a"),
        owner: "U1".to_owned(),
        generation: 1_795_415_346_952_123,
        metageneration: 1,
        size: 0,
        content_type: None,
        cache_control: None,
        content_disposition: None,
        content_encoding: None,
        content_language: None,
        md5: [0; 16],
        crc32c: 0,
        sha256: [0; 32],
        created: Timestamp::UNIX_EPOCH,
        updated: Timestamp::UNIX_EPOCH,
        metadata: Default::default(),
    };
    assert_eq!(object.etag(), "CLvv6q+7nZgDEAE=");
    let touched = Object {
        metageneration: 2,
        ..object.clone()
    };
    assert_ne!(touched.etag(), object.etag());
}
