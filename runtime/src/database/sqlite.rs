//! One SQLite file: a writer that commits in groups, and a few readers, as many as were needed at once.
//!
//! SQLite allows one writer at a time and a durable commit costs an fsync. So one thread owns the
//! writing connection, takes everything that is queued, runs each job in a savepoint of its own and
//! commits once: under load many callers share one fsync, and a job that fails takes nobody along.
//! A caller is answered after the commit, never before.
//!
//! It knows nothing of SQL values, tables or functions: a job is a closure over a connection.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long SQLite waits for another process's lock, and a caller for a place in a full queue.
const BUSY: Duration = Duration::from_secs(5);
/// Jobs waiting beyond the group that is being written.
const QUEUE: usize = 256;
/// Jobs that share one commit at most, which bounds how long the first of them waits.
const GROUP: usize = 128;
/// At most. Each takes a thread and 150 KiB, and reads the schema again.
const READERS: usize = 3;
const PREPARED_STATEMENTS: usize = 64;
/// How long a reader that could not be opened is not missed.
const RETRY: Duration = Duration::from_secs(1);

/// A handle to one open file; clones share its threads, which end with the last clone.
#[derive(Clone)]
pub(crate) struct Sqlite {
    writer: mpsc::Sender<Box<dyn Write>>,
    reads: mpsc::Sender<Read>,
    readers: Arc<Readers>,
}

/// Why a job has no answer of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqliteError {
    /// The job's own statements failed; what it wrote is rolled back, others are untouched.
    #[error("the job failed")]
    Job(#[source] rusqlite::Error),
    /// The group could not be committed: nothing any of its jobs wrote is kept.
    #[error("the commit failed")]
    Commit(#[source] Arc<rusqlite::Error>),
    #[error("the job panicked")]
    Panicked,
    #[error("the queue was full for {} s", BUSY.as_secs())]
    Busy,
    #[error("the database is closed")]
    Closed,
}

type Read = Box<dyn FnOnce(&Connection) + Send>;
type Prepare = fn(&Connection) -> rusqlite::Result<()>;

impl Sqlite {
    /// Opens or creates the file and starts its threads. `prepare` runs once on every connection
    /// (to register SQL functions, for example), `first` on the one that writes, before any job and on this thread.
    pub(crate) fn open(
        path: &Path,
        prepare: Prepare,
        first: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<Self> {
        let mut writing = open_writer(path)?;
        prepare(&writing)?;
        first(&mut writing)?;
        let reading = open_reader(path, prepare)?;
        let (writer, jobs) = mpsc::channel(QUEUE);
        spawn(move || write_in_groups(writing, jobs)).map_err(cannot_spawn)?;

        let (reads, jobs) = mpsc::channel(QUEUE);
        let readers = Arc::new(Readers {
            path: path.to_owned(),
            prepare,
            jobs: Mutex::new(jobs),
            asked: AtomicUsize::new(0),
            open: AtomicUsize::new(1),
        });
        let one = readers.clone();
        spawn(move || one.work(&reading)).map_err(cannot_spawn)?;
        Ok(Self {
            writer,
            reads,
            readers,
        })
    }

    /// Runs `job` in a savepoint and answers once its group is durable.
    ///
    /// A caller that stops waiting does not stop the job.
    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = WriteJob {
            job: Some(job),
            outcome: Err(SqliteError::Closed),
            caller,
        };
        enqueue(&self.writer, Box::new(job)).await?;
        answer.await.unwrap_or(Err(SqliteError::Closed))
    }

    /// Readers that are open now.
    #[cfg(test)]
    pub(crate) fn readers(&self) -> usize {
        self.readers.open.load(Ordering::Relaxed)
    }

    /// Runs `job` on a connection that cannot write; it sees every committed write.
    pub(crate) async fn read<T, F>(&self, job: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let asked = self.readers.ask();
        let job: Read = Box::new(move |connection| {
            let done = guarded(|| job(connection));
            // Before the caller hears of it, and reads again.
            drop(asked);
            // Nobody is waiting any more: nothing to do about that.
            let _ = caller.send(done);
        });
        enqueue(&self.reads, job).await?;
        answer.await.unwrap_or(Err(SqliteError::Closed))
    }
}

async fn enqueue<J>(queue: &mpsc::Sender<J>, job: J) -> Result<(), SqliteError> {
    match timeout(BUSY, queue.send(job)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(SqliteError::Closed),
        Err(_) => Err(SqliteError::Busy),
    }
}

fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    Ok(connection)
}

fn open_reader(path: &Path, prepare: Prepare) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    prepare(&connection)?;
    Ok(connection)
}

/// A job whose types are hidden, so that one group can hold jobs of many.
trait Write: Send {
    /// Runs the job; `false` means that what it wrote must be rolled back.
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;
    /// Answers the caller, now that the fate of the group is known.
    fn answer(self: Box<Self>, commit: Result<(), SqliteError>);
}

struct WriteJob<F, T> {
    job: Option<F>,
    outcome: Result<T, SqliteError>,
    caller: oneshot::Sender<Result<T, SqliteError>>,
}

impl<T, F> Write for WriteJob<F, T>
where
    T: Send,
    F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        if let Some(job) = self.job.take() {
            self.outcome = guarded(|| job(transaction));
        }
        self.outcome.is_ok()
    }

    fn answer(self: Box<Self>, commit: Result<(), SqliteError>) {
        let Self {
            outcome, caller, ..
        } = *self;
        let _ = caller.send(commit.and(outcome));
    }
}

fn guarded<T>(job: impl FnOnce() -> rusqlite::Result<T>) -> Result<T, SqliteError> {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|_| Err(rusqlite::Error::UnwindingPanic))
        .map_err(|error| match error {
            rusqlite::Error::UnwindingPanic => SqliteError::Panicked,
            error => SqliteError::Job(error),
        })
}

fn write_in_groups(mut connection: Connection, mut jobs: mpsc::Receiver<Box<dyn Write>>) {
    let mut group = Vec::with_capacity(GROUP);
    while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
        let commit = commit_group(&mut connection, &mut group).map_err(Arc::new);
        for job in group.drain(..) {
            job.answer(commit.clone().map_err(SqliteError::Commit));
        }
    }
}

fn commit_group(connection: &mut Connection, group: &mut [Box<dyn Write>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        transaction.execute_batch("SAVEPOINT job")?;
        // A disk error may have ended the whole transaction. Then these fail too, and so does the
        // group, as it must.
        if job.run(&transaction) {
            transaction.execute_batch("RELEASE job")?;
        } else {
            transaction.execute_batch("ROLLBACK TO job; RELEASE job")?;
        }
    }
    transaction.commit()
}

/// The threads that read: one from the start, so that a file that cannot be read is noticed then, and
/// others when a job would have to wait for one.
struct Readers {
    path: PathBuf,
    prepare: Prepare,
    jobs: Mutex<mpsc::Receiver<Read>>,
    /// Jobs that wait or are being done.
    asked: AtomicUsize,
    open: AtomicUsize,
}

/// One job, until it is done.
struct Asked(Arc<Readers>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.asked.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Readers {
    /// Counts a job, for which another reader is opened when there is none to spare.
    fn ask(self: &Arc<Self>) -> Asked {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let one_more = |open| (open < asked.min(READERS)).then_some(open + 1);
        let counted = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if counted.is_ok() {
            let readers = self.clone();
            if let Err(error) = spawn(move || readers.join()) {
                self.stay_fewer(&error);
            }
        }
        Asked(self.clone())
    }

    fn join(&self) {
        match open_reader(&self.path, self.prepare) {
            Ok(connection) => self.work(&connection),
            Err(error) => {
                // It counts as open for so long: what is short now is not asked for again at once.
                thread::sleep(RETRY);
                self.stay_fewer(&error);
            }
        }
    }

    /// Those that are there do the job; the next one asks again.
    fn stay_fewer(&self, error: &(dyn std::error::Error + 'static)) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        tracing::warn!(error, "a database stays with fewer readers");
    }

    fn work(&self, connection: &Connection) {
        loop {
            // The lock is held while waiting: the readers take turns at being the next to be woken.
            let next = self
                .jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .blocking_recv();
            let Some(job) = next else { return };
            job(connection);
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("sqlite".to_owned());
    thread.spawn(work).map(drop)
}

fn cannot_spawn(error: io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
