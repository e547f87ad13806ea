//! A network that fails between here and PostgreSQL, in each of its ways.

use std::net::TcpListener;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::database::{DatabaseError, Statement};
use crate::testing::{Fault, FaultProxy};

/// After this long a test that waits has failed; nothing is ever asserted about a shorter time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database behind a proxy.
struct Far {
    database: Database,
    /// The same without the proxy.
    near: Database,
    proxy: FaultProxy,
    server: Arc<Postgres>,
    name: String,
}

impl Far {
    /// Nothing is connected yet.
    async fn asleep() -> Self {
        let server = Postgres::shared();
        let url = server.create_unpooled_database();
        let proxy = FaultProxy::before(port(&url)).await;
        let through = format!(":{}/", proxy.port());
        Self {
            database: on_postgres(url.replace(&format!(":{}/", port(&url)), &through)),
            near: on_postgres(url.clone()),
            proxy,
            server,
            name: url.rsplit('/').next().unwrap().to_owned(),
        }
    }

    async fn awake() -> Self {
        let far = Self::asleep().await;
        far.database.migrate().await.unwrap();
        far
    }

    /// A caller of its own.
    fn ping(&self) -> JoinHandle<Result<(), DatabaseError>> {
        let database = self.database.clone();
        tokio::spawn(async move { database.ping().await })
    }

    /// The fault comes when a statement runs, so that it is certain that no connection is left.
    async fn falls(&self, fault: Fault) {
        let falling = async {
            self.runs("pg_sleep(600)").await;
            self.proxy.does(fault);
        };
        let statement = self.database.execute("SELECT pg_sleep(600)", &[]);
        let (answer, ()) = tokio::join!(statement, falling);
        assert_unavailable(&answer);
    }

    /// Waits until so many connections were tried.
    async fn accepted(&self, connections: usize) {
        eventually("another attempt to connect", async || {
            self.proxy.accepted() >= connections
        })
        .await;
    }

    /// Waits until a statement of this kind runs.
    async fn runs(&self, statement: &str) {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                       AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1";
        let kind = format!("%{statement}%");
        eventually("the statement runs", async || {
            self.near.query::<i64>(running, &[&kind]).await.unwrap() != [0]
        })
        .await;
    }

    async fn people(&self) -> Vec<String> {
        let people = "SELECT uid FROM people ORDER BY uid";
        self.database.query(people, &[]).await.unwrap()
    }
}

fn port(url: &str) -> u16 {
    let (_, address) = url.rsplit_once('@').unwrap();
    address.split([':', '/']).nth(1).unwrap().parse().unwrap()
}

async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"));
}

fn insert(uid: &str) -> Statement {
    Statement::new("INSERT INTO people (uid) VALUES ($1)", &[&uid])
}

/// Runs until it is stopped.
fn endless() -> Statement {
    Statement::new("SELECT pg_sleep(600)", &[])
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(answer: &Result<T, DatabaseError>) {
    assert!(
        matches!(answer, Err(DatabaseError::Unavailable(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_network_that_is_only_slow_is_no_failure() {
    for fault in [Fault::Late(Duration::from_millis(20)), Fault::Slow(100_000)] {
        let far = Far::asleep().await;
        far.proxy.does(fault);
        far.database.atomically([insert("a")]).await.unwrap();
        assert_eq!(far.people().await, ["a"], "{fault:?}");
    }
}

#[tokio::test]
async fn a_statement_whose_network_fails_ends_and_the_next_one_works() {
    for fault in [Fault::Reset, Fault::Silent, Fault::Slow(20)] {
        let far = Far::awake().await;
        far.falls(fault).await;
        far.proxy.does(Fault::None);
        far.database.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_whose_network_fails_leaves_nothing_and_holds_nothing() {
    for fault in [Fault::Reset, Fault::Silent] {
        let far = Far::awake().await;
        let breaking = async {
            far.runs("pg_sleep(600)").await;
            far.proxy.does_to_the_open(fault);
        };
        let transaction = far.database.atomically([insert("a"), endless()]);
        let (answer, ()) = tokio::join!(transaction, breaking);
        assert_unavailable(&answer);
        assert!(far.people().await.is_empty(), "{fault:?}");
        far.database.atomically([insert("a")]).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_slowly_is_given_up() {
    let far = Far::awake().await;
    far.proxy.does(Fault::Slow(20));
    let long = "SELECT repeat('x', 1000)";
    assert_unavailable(&far.database.query::<String>(long, &[]).await);
    far.proxy.does(Fault::None);
    let answer = far.database.query::<String>(long, &[]).await.unwrap();
    assert_eq!(answer[0].len(), 1000);
}

/// Behind a network that forgot them, or a machine that is gone.
#[tokio::test]
async fn connections_that_died_silently_fail_one_caller_and_no_second() {
    let far = Far::awake().await;
    let at_once = (0..5).map(|_| far.database.execute("SELECT pg_sleep(0.5)", &[]));
    for answer in join_all(at_once).await {
        answer.unwrap();
    }
    let open = far.proxy.accepted();
    assert!(open > 1, "{open}");
    far.proxy.does_to_the_open(Fault::Silent);
    assert_unavailable(&far.database.ping().await);
    for _ in 0..open {
        far.database.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_backend_that_is_killed_fails_what_it_was_doing_and_nothing_else() {
    const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let far = Far::awake().await;
    let killing = async {
        far.runs("pg_sleep(600)").await;
        far.server.sql(&far.name, KILL);
    };
    let transaction = far.database.atomically([insert("a"), endless()]);
    let (answer, ()) = tokio::join!(transaction, killing);
    assert_unavailable(&answer);
    assert!(far.people().await.is_empty());
    far.database.atomically([insert("a")]).await.unwrap();
}

#[tokio::test]
async fn a_server_that_takes_the_place_of_another_is_used_when_it_comes() {
    let far = Far::awake().await;
    let (successor, served_by) = (Postgres::start(), "SELECT current_setting('port')");
    successor.sql("postgres", &format!("CREATE DATABASE {}", far.name));
    far.falls(Fault::Reset).await;

    let before = far.proxy.accepted();
    let asking = far.database.query::<String>(served_by, &[]);
    let coming = async {
        // Hung up on by whatever stands in its place meanwhile.
        far.accepted(before + 3).await;
        far.proxy.leads_to(successor.port());
        far.proxy.does(Fault::None);
    };
    let (answer, ()) = tokio::join!(asking, coming);
    assert_eq!(answer.unwrap(), [successor.port().to_string()]);
}

#[tokio::test]
async fn whoever_finds_the_database_asleep_waits_for_it() {
    for (asleep, attempts) in [
        // The first attempt is given up after five seconds.
        (Fault::Silent, 2),
        (Fault::Reset, 4),
    ] {
        let far = Far::asleep().await;
        far.proxy.does(asleep);
        let callers: Vec<_> = (0..8).map(|_| far.ping()).collect();
        far.accepted(attempts).await;
        assert!(callers.iter().all(|caller| !caller.is_finished()));
        assert!(far.proxy.accepted() <= attempts + 1, "one tries for all");
        far.proxy.does(Fault::None);
        for answer in join_all(callers).await {
            answer.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_database_that_falls_asleep_again_is_waited_for_again() {
    let far = Far::awake().await;
    far.falls(Fault::Reset).await;
    let before = far.proxy.accepted();
    let caller = far.ping();
    far.accepted(before + 3).await;
    assert!(!caller.is_finished());
    far.proxy.does(Fault::None);
    caller.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_database_that_stays_away_is_not_waited_for_by_everybody() {
    let far = Far::asleep().await;
    far.proxy.does(Fault::Silent);
    assert_unavailable(&far.database.ping().await);
    let before = far.proxy.accepted();
    // They have their answer before a single attempt is given up.
    for answer in join_all((0..30).map(|_| far.ping())).await {
        assert_unavailable(&answer.unwrap());
    }
    assert_eq!(far.proxy.accepted(), before + 1);
    // It comes back without anybody asking for it.
    far.proxy.does(Fault::None);
    far.database.ping().await.unwrap();
}

#[tokio::test]
async fn nobody_is_told_of_an_attempt_that_ended_before_they_came() {
    let far = Far::asleep().await;
    far.proxy.does(Fault::Silent);
    let caller = far.ping();
    far.accepted(1).await;
    caller.abort();
    // Should it not have ended by then, the next caller has part in it, and has the same answer.
    sleep(Duration::from_secs(12)).await;
    far.proxy.does(Fault::None);
    far.ping().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_database_that_was_refused_for_a_moment_is_still_waited_for() {
    let silent = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (away, refused) = (silent(), silent());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let database = |port| on_postgres(format!("postgres://u:p@127.0.0.1:{port}/db"));
    let known_to_be_away = database(port(&away));
    assert_unavailable(&known_to_be_away.ping().await);

    let port = port(&refused);
    drop(refused);
    let refused = database(port);
    assert_unavailable(&refused.ping().await);
    let _silent = TcpListener::bind(("127.0.0.1", port)).unwrap();
    tokio::select! {
        biased;
        answer = known_to_be_away.ping() => assert_unavailable(&answer),
        answer = refused.ping() => panic!("it was not waited for: {answer:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_takes_longer_than_anybody_waits_is_opened_all_the_same() {
    let far = Far::awake().await;
    far.falls(Fault::Silent).await;
    assert_unavailable(&far.database.ping().await);
    // Its handshake is so many pieces that two seconds are over before it is.
    far.proxy.does(Fault::Late(Duration::from_millis(500)));
    assert_unavailable(&far.database.ping().await);
    eventually("a connection is open", async || {
        far.database.ping().await.is_ok()
    })
    .await;
}

/// The one does not answer before the other was given up, however slow the machine is.
async fn fails_before_silence_is_given_up(url: String) {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silence = silent.local_addr().unwrap().port();
    let silence = on_postgres(format!("postgres://u:p@127.0.0.1:{silence}/db"));
    let failing = on_postgres(url);
    tokio::select! {
        biased;
        answer = failing.ping() => assert_unavailable(&answer),
        answer = silence.ping() => panic!("nobody waits for that: {answer:?}"),
    }
}

#[tokio::test]
async fn where_nobody_listens_or_the_door_is_shut_for_good_nobody_waits() {
    let server = Postgres::shared();
    let url = server.create_unpooled_database();
    let nowhere = url.replace(&format!(":{}/", port(&url)), ":9/");
    fails_before_silence_is_given_up(nowhere).await;
    fails_before_silence_is_given_up(url.replace("correct", "wrong")).await;
}
