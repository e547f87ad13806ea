use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{Timestamp, ToSpan};

use super::deliveries::FORGOTTEN_AT_ONCE;
use super::*;
use crate::events::CloudEvent;

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

    let others = async |owner, object_name| {
        let object_name = name(object_name);
        let total = ledger.owner_total("chunks", owner, &object_name);
        total.await.unwrap()
    };
    assert_eq!(others("U1", "b").await, 5);
    assert_eq!(others("U2", "a").await, 10);
    let a = name("a");
    let changed = ledger.update("chunks", &a, MetadataChange::default());
    changed.await.unwrap().unwrap();
    assert_eq!(others("U1", "c").await, 9);
    ledger.remove("chunks", &a).await.unwrap();
    ledger.remove("chunks", &name("never")).await.unwrap();
    assert_eq!(others("U1", "c").await, 4);
    assert_eq!(others("nobody", "c").await, 0);
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

/// What SQLite does for each statement of the server, whatever the ledger holds. A SCAN walks from one end
/// to the other, so each has its reason.
#[tokio::test]
async fn no_statement_walks_a_table() {
    let (_folder, ledger) = open().await;
    let mut plans = BTreeSet::new();
    for sql in statements() {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let plan = ledger.sqlite.read(move |connection| {
            let mut statement = connection.prepare(&explain)?;
            let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
            let lines = statement.query_map(rusqlite::params_from_iter(parameters), |row| {
                row.get::<_, String>("detail")
            })?;
            lines.collect::<Result<Vec<_>, _>>()
        });
        let plan = plan
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let is_work = |line: &String| {
            let work = ["SCAN ", "SEARCH ", "USE TEMP B-TREE"];
            work.iter().any(|work| line.starts_with(work))
        };
        plans.extend(plan.into_iter().filter(is_work));
    }
    let expected = [
        "SCAN CONSTANT ROW",
        // It has one row.
        "SCAN clock",
        // Whatever is there is wanted: what is still owed, and what is under way.
        "SCAN removals",
        "SCAN upload_sessions USING INDEX upload_sessions_active",
        "SCAN waiting",
        // The first one of all.
        "SEARCH deliveries USING COVERING INDEX deliveries_due",
        "SEARCH deliveries USING COVERING INDEX deliveries_due (function=?)",
        "SEARCH deliveries USING COVERING INDEX deliveries_due (function>?)",
        "SEARCH deliveries USING INDEX deliveries_due (function=? AND due<?)",
        "SEARCH deliveries USING INDEX deliveries_leased (lease>?)",
        "SEARCH deliveries USING PRIMARY KEY (event=? AND function=?)",
        "SEARCH deliveries USING PRIMARY KEY (event=?)",
        "SEARCH events USING COVERING INDEX events_recorded (recorded<?)",
        "SEARCH events USING INDEX sqlite_autoindex_events_1 (id=?)",
        "SEARCH events USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH objects USING COVERING INDEX objects_by_staged (staged=?)",
        "SEARCH objects USING PRIMARY KEY (bucket=? AND name=?)",
        "SEARCH objects USING PRIMARY KEY (bucket=? AND name>?)",
        "SEARCH owners USING PRIMARY KEY (bucket=? AND owner=?)",
        "SEARCH removals USING PRIMARY KEY (bucket=? AND name=?)",
        "SEARCH upload_sessions USING INDEX upload_sessions_expiring (expires<?)",
        "SEARCH upload_sessions USING PRIMARY KEY (id=?)",
    ];
    assert_eq!(plans, expected.map(str::to_owned).into());
}

/// Every statement in the files of the ledger but those of [`history`](super::history), which people wait
/// for and the server does not.
fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ledger");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let code = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter(|file| !file.ends_with("history.rs") && !file.ends_with("tests.rs"))
        .map(|file| fs::read_to_string(file).unwrap());
    let verbs = ["DELETE", "INSERT", "SELECT", "UPDATE", "WITH"];
    let is_sql = |text: &&str| verbs.iter().any(|verb| text.starts_with(verb));
    code.flat_map(|code| {
        let sql = code.split('"').filter(is_sql).map(str::to_owned);
        sql.collect::<Vec<_>>()
    })
    .collect()
}

#[tokio::test]
async fn a_delivery_without_attempts_left_is_given_up_when_its_turn_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mail = Subscription {
        function: "mail".to_owned(),
        topic: Topic::Published {
            kind: "paid".to_owned(),
        },
    };
    let announcer = Announcer::new(vec![mail], None);
    let ledger = Ledger::open(folder.path(), announcer).await.unwrap();
    for id in ["first", "second"] {
        let event = CloudEvent::new(id, "//shop", "paid", serde_json::Value::Null);
        ledger.publish(event).await.unwrap();
    }
    // Leases that are over at once, as if each attempt had ended with its process.
    let lease = || ledger.lease("mail", 1, 1, Duration::ZERO);
    assert_eq!(lease().await.unwrap()[0].event.id, "first");
    assert_eq!(lease().await.unwrap()[0].event.id, "second");
    assert!(lease().await.unwrap().is_empty());
    assert!(ledger.next_due("mail").await.unwrap().is_some());
    assert!(lease().await.unwrap().is_empty());
    assert_eq!(ledger.next_due("mail").await.unwrap(), None);
    let history = History::open(folder.path(), Access::Read).unwrap();
    let dead = history.dead_letters().unwrap();
    let mut dead: Vec<_> = dead.iter().map(|it| it.id.as_str()).collect();
    dead.sort_unstable();
    assert_eq!(dead, ["first", "second"]);
}

#[tokio::test]
async fn events_are_forgotten_when_nobody_waits_for_them_however_many_there_are() {
    let (_folder, ledger) = open().await;
    let many = 2 * FORGOTTEN_AT_ONCE + 1;
    let filled = ledger.sqlite.write(move |tx| {
        tx.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT ?1)
             INSERT INTO events SELECT n, 'event' || n, 'paid', '', n, '{}' FROM numbers",
            [many],
        )?;
        tx.execute(
            "INSERT INTO deliveries (event, function, state, attempts, due, since)
             VALUES (1, 'mail', 'dead', 8, 0, 0), (2, 'mail', 'pending', 0, 0, 0),
                 (3, 'mail', 'done', 1, 0, 0)",
            [],
        )
    });
    filled.await.unwrap();
    let until = |micros| Timestamp::from_microsecond(micros).unwrap();
    assert_eq!(ledger.prune(until(4)).await.unwrap(), 1);
    let rest = ledger.prune(until(many)).await.unwrap();
    assert_eq!(rest as i64, many - 4);
    assert_eq!(ledger.prune(Timestamp::MAX).await.unwrap(), 1);
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
    let other = self::name("b");
    let total = ledger.owner_total("chunks", "U1", &other).await;
    assert_eq!(total.unwrap(), 5);
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
