use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::yield_now;

use super::*;
use crate::database::{DatabaseError, Statement};

fn assert_unavailable<T: std::fmt::Debug>(answer: &Result<T, DatabaseError>) {
    assert!(
        matches!(answer, Err(DatabaseError::Unavailable(_))),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_database_is_unavailable_and_works_again_after_it_is_back() {
    let server = Postgres::start();
    let url = server.create_unpooled_database();
    server.stop();

    // Down at start: opening succeeds, everybody is told.
    let database = on_postgres(url);
    for answer in join_all((0..30).map(|_| database.ping())).await {
        assert_unavailable(&answer);
    }

    server.run();
    for answer in join_all((0..8).map(|_| database.ping())).await {
        answer.unwrap();
    }

    // Down while connections are open.
    server.stop();
    assert_unavailable(&database.ping().await);
    assert_unavailable(
        &database
            .atomically([
                Statement::new("SELECT 1", &[]),
                Statement::new("SELECT 2", &[]),
            ])
            .await,
    );
    server.run();
    database.ping().await.unwrap();
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let database = on_postgres(format!("postgres://u:hunter2@127.0.0.1:{port}/db"));
    let error = database.ping().await.unwrap_err();
    let shown = format!("{error} {error:?} {database:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_unavailable(&Err::<(), _>(error));
}

#[tokio::test]
async fn a_wrong_password_is_not_repeated_in_the_error() {
    let server = Postgres::shared();
    let url = server.create_database().replace("correct", "hunter2");
    let error = on_postgres(url).ping().await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_unavailable(&Err::<(), _>(error));
}

/// Waits until nothing but the question itself runs in the database.
async fn until_idle(database: &Database) {
    let busy = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()";
    let idle = async {
        while database.query::<i64>(busy, &[]).await.unwrap() != [0] {
            yield_now().await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, idle)
        .await
        .expect("the statement was cancelled");
}

#[tokio::test]
async fn a_statement_past_its_deadline_is_cancelled_and_rolled_back() {
    let home = unpooled_home();
    let slow = "WITH slow AS (SELECT pg_sleep(600)) INSERT INTO people (uid) SELECT 'a' FROM slow";
    assert_unavailable(&home.database.execute(slow, &[]).await);
    until_idle(&home.database).await;

    let insert = Statement::new("INSERT INTO people (uid) VALUES ('b')", &[]);
    assert_unavailable(
        &home
            .database
            .atomically([insert, Statement::new(slow, &[])])
            .await,
    );
    until_idle(&home.database).await;
    let people: Vec<String> = home
        .database
        .query("SELECT uid FROM people", &[])
        .await
        .unwrap();
    assert!(people.is_empty());
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_statement_along() {
    let home = unpooled_home();
    home.database.migrate().await.unwrap();
    // More than the pool holds: connections that stayed busy would leave none for the last query.
    for _ in 0..12 {
        let slow = home.database.execute("SELECT pg_sleep(600)", &[]);
        let left = tokio::time::timeout(Duration::from_millis(50), slow).await;
        assert!(left.is_err());
    }
    until_idle(&home.database).await;
}

#[test]
fn connections_outlive_the_runtime_that_asked_for_them() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let connections = runtime();
    let server = Postgres::shared();
    let settings = Settings {
        url: Some(server.create_database()),
        data_dir: "unused".into(),
        migrations: Migrations::default(),
    };
    let database = Database::open(settings, connections.handle().clone()).unwrap();
    let backend = || {
        let callers = runtime();
        callers.block_on(database.query::<i32>("SELECT pg_backend_pid()", &[]))
    };
    assert_eq!(backend().unwrap(), backend().unwrap());
}
