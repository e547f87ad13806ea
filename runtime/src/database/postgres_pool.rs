//! Connections to PostgreSQL: opened when they are needed, lent for one piece of work, closed when in doubt.
//!
//! A database that sleeps or moves to another machine is slow to open a connection, refuses it for the moment or says
//! nothing at all. So when none is open, the first is opened for all who wait for it, as often as it takes within
//! [`WAKE`], and also when they have left. A database that is down costs its callers less: where nobody listens,
//! and where the door is shut for good, they know at once; and after ten seconds in vain each of them waits for
//! [`WAIT`] alone, until a connection succeeds.
//!
//! Only connecting is repeated. What was sent may have taken effect, so nothing is ever sent again here.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::DatabaseError;
use super::postgres::STATEMENT;
use super::postgres_url::Target;

const MAX_CONNECTIONS: usize = 10;
/// For a connection that others use, or that could not be opened before.
const WAIT: Duration = Duration::from_secs(2);
/// For one attempt to open a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// For the first connection of all, attempts and pauses included.
const WAKE: Duration = Duration::from_secs(10);
/// Between the first two attempts; it doubles up to a second.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Connections {
    pool: Pool,
    tls: MakeRustlsConnect,
    runtime: Handle,
    /// The first connection on its way, or how that ended.
    waking: Mutex<Option<Waking>>,
    /// Whether the last attempt at a first connection took all its time in vain.
    is_away: Arc<AtomicBool>,
}

/// One for all who wait.
type Waking = Shared<BoxFuture<'static, Result<(), Arc<PoolError>>>>;

impl Connections {
    pub(crate) fn new(url: &str, runtime: Handle) -> Result<Self, DatabaseError> {
        let target = Target::parse(url, CONNECT)?;
        let tls = target.tls()?;
        let connect = ConnectOn {
            runtime: runtime.clone(),
            tls: tls.clone(),
        };
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_connect(target.config, connect, recycling);
        let pool = Pool::builder(manager)
            .max_size(MAX_CONNECTIONS)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| DatabaseError::Settings(error.to_string()))?;
        Ok(Self {
            pool,
            tls,
            runtime,
            waking: Mutex::default(),
            is_away: Arc::default(),
        })
    }

    pub(crate) async fn lease(&self) -> Result<Lease<'_>, DatabaseError> {
        self.pool.retain(|client, _| !client.is_closed());
        if self.pool.status().size == 0 {
            self.wake().await?;
        }
        let client = self.pool.get().await.map_err(DatabaseError::unavailable)?;
        Ok(Lease {
            client: Some(client),
            lent: Instant::now(),
            connections: self,
        })
    }

    /// Waits until a connection is open, for as long as that is worth it.
    async fn wake(&self) -> Result<(), DatabaseError> {
        let patience = match self.is_away.load(Ordering::Relaxed) {
            true => WAIT,
            false => WAKE,
        };
        let opened = timeout(patience, self.first_connection()).await;
        let opened = opened.unwrap_or_else(|_| Err(Arc::new(no_answer())));
        opened.map_err(DatabaseError::unavailable)
    }

    /// In a task of its own: a caller that leaves does not take it along.
    fn first_connection(&self) -> Waking {
        let mut waking = self.waking.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked, not looked at: when all who waited have left, nobody has seen yet that it ended.
        if let Some(waking) = &*waking
            && waking.clone().now_or_never().is_none()
        {
            return waking.clone();
        }
        let (pool, is_away) = (self.pool.clone(), self.is_away.clone());
        let opening = self.runtime.spawn(async move {
            let opened = open_one(&pool).await;
            let in_vain = opened.as_ref().is_err_and(may_pass);
            is_away.store(in_vain, Ordering::Relaxed);
            opened.map_err(Arc::new)
        });
        // Without an end when the runtime is shutting down: no caller waits for longer than its patience.
        let opening = opening.then(async |opened| match opened {
            Ok(opened) => opened,
            Err(_) => std::future::pending().await,
        });
        waking.insert(opening.boxed().shared()).clone()
    }

    /// A connection gave no answer. Those that lay idle meanwhile may be as dead; those that others used since have
    /// shown that they are not.
    fn doubt_the_idle(&self, since: Instant) {
        self.pool
            .retain(|_, metrics| metrics.recycled.unwrap_or(metrics.created) > since);
    }
}

/// Leaves one connection in the pool.
async fn open_one(pool: &Pool) -> Result<(), PoolError> {
    let begun = Instant::now();
    let mut pause = PAUSE;
    loop {
        let left = WAKE.saturating_sub(begun.elapsed());
        let opened = timeout(left, pool.get()).await;
        match opened.unwrap_or_else(|_| Err(no_answer())) {
            Ok(_) => return Ok(()),
            Err(failure) if !may_pass(&failure) || begun.elapsed() + pause >= WAKE => {
                return Err(failure);
            }
            Err(_) => sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

fn no_answer() -> PoolError {
    PoolError::Timeout(TimeoutType::Create)
}

/// Whether another attempt to connect may succeed in a moment: somebody is there, who says nothing, hangs up, or
/// cannot let anybody in now.
fn may_pass(failure: &PoolError) -> bool {
    let error = match failure {
        PoolError::Timeout(_) => return true,
        PoolError::Backend(error) => error,
        _ => return false,
    };
    match error.as_db_error() {
        Some(refusal) => !is_final(refusal.code().code()),
        None => error.is_closed() || hung_up(error),
    }
}

/// Whether a SQLSTATE at the door is about who asks (28), for what (3D, 42), or in which language (0A). Whatever else is
/// said there, poolers say of databases that are not up yet.
fn is_final(code: &str) -> bool {
    ["0A", "28", "3D", "42"]
        .iter()
        .any(|class| code.starts_with(class))
}

fn hung_up(error: &Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    let source = std::error::Error::source(error);
    source
        .and_then(<dyn std::error::Error>::downcast_ref::<io::Error>)
        .is_some_and(|error| {
            matches!(
                error.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof
            )
        })
}

/// Opens connections on the runtime that is to drive them, whoever asks for one.
struct ConnectOn {
    runtime: Handle,
    tls: MakeRustlsConnect,
}

type Connected = Result<(Client, JoinHandle<()>), Error>;

impl Connect for ConnectOn {
    fn connect(&self, config: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        let (config, tls) = (config.clone(), self.tls.clone());
        Box::pin(async move {
            // A JoinSet, because it ends the attempt when the pool stops waiting for it.
            let mut attempt = JoinSet::new();
            let connect = async move {
                let (client, connection) = config.connect(tls).await?;
                let driver = tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::warn!(error = %error, "a database connection was lost");
                    }
                });
                Ok((client, driver))
            };
            attempt.spawn_on(connect, &self.runtime);
            match attempt.join_next().await {
                Some(Ok(connected)) => connected,
                // The runtime is shutting down: the pool's own limit ends this.
                _ => std::future::pending().await,
            }
        })
    }
}

/// A connection of the pool. It goes back only when its answers have been read to the end; otherwise
/// (deadline, caller gone) whatever still runs on it is cancelled and it is closed.
pub(crate) struct Lease<'a> {
    client: Option<Object>,
    lent: Instant,
    connections: &'a Connections,
}

impl Lease<'_> {
    pub(crate) fn client(&self) -> &Client {
        self.client.as_ref().expect("held until given back")
    }

    pub(crate) fn client_mut(&mut self) -> &mut Client {
        self.client.as_mut().expect("held until given back")
    }

    pub(crate) fn give_back(mut self) {
        self.client = None;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(client) = self.client.take().map(Object::take) else {
            return;
        };
        if self.lent.elapsed() >= STATEMENT {
            self.connections.doubt_the_idle(self.lent);
        }
        let cancel = client.cancel_token();
        let tls = self.connections.tls.clone();
        self.connections.runtime.spawn(async move {
            // Best effort: closing the connection would not stop a statement that waits for a lock.
            let _ = timeout(CONNECT, cancel.cancel_query(tls)).await;
            drop(client);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_at_the_door_is_final_only_when_it_is_about_the_caller() {
        for (code, last) in [
            ("08006", false),
            ("08P01", false),
            ("53300", false),
            ("57P03", false),
            ("XX000", false),
            ("0A000", true),
            ("28000", true),
            ("28P01", true),
            ("3D000", true),
            ("42501", true),
        ] {
            assert_eq!(is_final(code), last, "{code}");
        }
    }
}
