//! One writer, groups of jobs, readers: on a real file.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use crate::database::sqlite::{Sqlite, SqliteError};

fn open(folder: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(&folder.path().join("test.sqlite3"), |_| Ok(()), |_| Ok(())).unwrap()
}

async fn with_table() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = open(&folder);
    sqlite
        .write(|transaction| {
            transaction.execute_batch(
                "CREATE TABLE parent (id INTEGER PRIMARY KEY);
                 CREATE TABLE child (
                     id INTEGER PRIMARY KEY,
                     parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
                 );",
            )
        })
        .await
        .unwrap();
    (folder, sqlite)
}

fn insert(id: i64) -> impl FnOnce(&Transaction<'_>) -> rusqlite::Result<i64> + Send + 'static {
    move |transaction| {
        transaction.execute("INSERT INTO child (id) VALUES (?1)", [id])?;
        Ok(id)
    }
}

async fn stored(sqlite: &Sqlite) -> Vec<i64> {
    sqlite
        .read(|connection| {
            connection
                .prepare("SELECT id FROM child ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .await
        .unwrap()
}

/// Holds the writer back until everything that is to be one group has been queued.
struct Gate {
    open: std::sync::mpsc::Sender<()>,
    held: tokio::task::JoinHandle<Result<(), SqliteError>>,
}

impl Gate {
    async fn close(sqlite: &Sqlite) -> Self {
        let (open, opened) = channel();
        let (reached, at_the_gate) = oneshot::channel();
        let sqlite = sqlite.clone();
        let held = tokio::spawn(async move {
            sqlite
                .write(move |_| {
                    reached.send(()).unwrap();
                    opened.recv().unwrap();
                    Ok(())
                })
                .await
        });
        at_the_gate.await.unwrap();
        Self { open, held }
    }

    async fn open(self) {
        self.open.send(()).unwrap();
        self.held.await.unwrap().unwrap();
    }
}

/// Queues `jobs` behind a closed gate, so that they are written as one group.
async fn as_one_group<J>(sqlite: &Sqlite, jobs: Vec<J>) -> Vec<Result<i64, SqliteError>>
where
    J: FnOnce(&Transaction<'_>) -> rusqlite::Result<i64> + Send + 'static,
{
    let gate = Gate::close(sqlite).await;
    let mut answers: Vec<_> = jobs
        .into_iter()
        .map(|job| Box::pin(sqlite.write(job)))
        .collect();
    for answer in &mut answers {
        queue(answer.as_mut()).await;
    }
    gate.open().await;
    join_all(answers).await
}

/// Polls a write once: the queue has room, so it is queued and has no answer yet.
async fn queue<T>(mut write: Pin<&mut impl Future<Output = T>>) {
    poll_fn(|context| {
        assert!(write.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_group_answers_every_caller() {
    let (_folder, sqlite) = with_table().await;
    let answers = as_one_group(&sqlite, (0..100).map(insert).collect()).await;
    let ids: Vec<i64> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    assert_eq!(stored(&sqlite).await, ids);
}

#[tokio::test]
async fn a_job_that_fails_leaves_the_others_of_its_group() {
    let (_folder, sqlite) = with_table().await;
    // The second 1 writes a row of its own first: that one has to go too.
    let job = |id: i64| {
        move |transaction: &Transaction<'_>| {
            transaction.execute("INSERT INTO child (id) VALUES (?1 + 100)", [id * 3])?;
            transaction.execute("INSERT INTO child (id) VALUES (?1 % 2)", [id])?;
            Ok(id)
        }
    };
    let answers = as_one_group(&sqlite, (0..4).map(job).collect()).await;
    assert!(matches!(answers[0], Ok(0)));
    assert!(matches!(answers[1], Ok(1)));
    assert!(matches!(answers[2], Err(SqliteError::Job(_))));
    assert!(matches!(answers[3], Err(SqliteError::Job(_))));
    assert_eq!(stored(&sqlite).await, [0, 1, 100, 103]);
}

#[tokio::test]
async fn a_commit_that_fails_fails_its_whole_group_and_the_next_one_works() {
    let (_folder, sqlite) = with_table().await;
    let job = |id: i64| {
        move |transaction: &Transaction<'_>| {
            // No such parent, which the deferred constraint only finds at COMMIT.
            let parent = (id == 1).then_some(77);
            let sql = "INSERT INTO child (id, parent) VALUES (?1, ?2)";
            transaction.execute(sql, rusqlite::params![id, parent])?;
            Ok(id)
        }
    };
    for answer in as_one_group(&sqlite, (0..3).map(job).collect()).await {
        assert!(matches!(answer, Err(SqliteError::Commit(_))), "{answer:?}");
    }
    assert!(stored(&sqlite).await.is_empty());
    assert_eq!(sqlite.write(insert(5)).await.unwrap(), 5);
    assert_eq!(stored(&sqlite).await, [5]);
}

#[tokio::test]
async fn a_job_that_panics_is_rolled_back_and_the_threads_live_on() {
    let (_folder, sqlite) = with_table().await;
    let job = |id: i64| {
        move |transaction: &Transaction<'_>| {
            let answer = insert(id)(transaction);
            assert_ne!(id, 1, "a panic that the test asks for");
            answer
        }
    };
    let answers = as_one_group(&sqlite, (0..3).map(job).collect()).await;
    assert!(matches!(answers[1], Err(SqliteError::Panicked)));
    assert_eq!(stored(&sqlite).await, [0, 2]);

    // More often than there are reading threads.
    for _ in 0..10 {
        let panicked = sqlite
            .read::<(), _>(|_| panic!("a panic that the test asks for"))
            .await;
        assert!(matches!(panicked, Err(SqliteError::Panicked)));
    }
    assert_eq!(stored(&sqlite).await, [0, 2]);
}

#[tokio::test]
async fn a_reader_cannot_write_and_sees_what_was_committed() {
    let (_folder, sqlite) = with_table().await;
    let write = sqlite
        .read(|connection| connection.execute("DELETE FROM child", []))
        .await;
    assert!(matches!(write, Err(SqliteError::Job(_))));
    for id in 0..50 {
        sqlite.write(insert(id)).await.unwrap();
        assert_eq!(stored(&sqlite).await.last(), Some(&id));
    }
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_stop_its_job() {
    let (_folder, sqlite) = with_table().await;
    let gate = Gate::close(&sqlite).await;
    let mut left = Box::pin(sqlite.write(insert(9)));
    queue(left.as_mut()).await;
    drop(left);
    gate.open().await;
    sqlite.write(insert(10)).await.unwrap();
    assert_eq!(stored(&sqlite).await, [9, 10]);
}

#[tokio::test]
async fn what_was_answered_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    {
        let sqlite = open(&folder);
        sqlite
            .write(|transaction| transaction.execute_batch("CREATE TABLE child (id)"))
            .await
            .unwrap();
        sqlite.write(insert(1)).await.unwrap();
        let durability: (String, i64, i64) = sqlite
            .write(|transaction| {
                Ok((
                    transaction.pragma_query_value(None, "journal_mode", |row| row.get(0))?,
                    transaction.pragma_query_value(None, "synchronous", |row| row.get(0))?,
                    transaction.pragma_query_value(None, "foreign_keys", |row| row.get(0))?,
                ))
            })
            .await
            .unwrap();
        let full = 2;
        assert_eq!(durability, ("wal".to_owned(), full, 1));
    }
    assert_eq!(stored(&open(&folder)).await, [1]);
}

#[tokio::test]
async fn a_reader_is_added_only_for_a_read_that_would_wait() {
    let (_folder, sqlite) = with_table().await;
    for _ in 0..10 {
        stored(&sqlite).await;
    }
    assert_eq!(sqlite.readers(), 1);

    // Each holds a reader until all have one.
    let together = Arc::new(Barrier::new(3));
    let reads = (0..3).map(|_| {
        let together = together.clone();
        sqlite.read(move |_| {
            together.wait();
            Ok(())
        })
    });
    for read in join_all(reads).await {
        read.unwrap();
    }
    assert_eq!(sqlite.readers(), 3);
    join_all((0..20).map(|_| stored(&sqlite))).await;
    assert_eq!(sqlite.readers(), 3);
}

#[tokio::test]
async fn the_reader_that_is_there_reads_when_no_other_can_be_added() {
    static OPENED: AtomicUsize = AtomicUsize::new(0);
    let only_two = |_: &Connection| match OPENED.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Ok(()),
        _ => Err(rusqlite::Error::InvalidQuery),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.sqlite3");
    let sqlite = Sqlite::open(&path, only_two, |_| Ok(())).unwrap();
    // Keeps the only reader until another was tried, for whoever waits behind it.
    let keeping = sqlite.read(|_| {
        while OPENED.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        Ok(())
    });
    for read in join_all([keeping.boxed(), sqlite.read(|_| Ok(())).boxed()]).await {
        read.unwrap();
    }
}
