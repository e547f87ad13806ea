//! Behind PgBouncer in transaction mode, as Neon's pooled endpoint is.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::*;
use crate::database::{DatabaseError, Statement};

#[tokio::test]
async fn everything_works_through_a_pooler_in_transaction_mode() {
    let server = Postgres::start_behind_a_pooler();
    let database = on_postgres(server.create_database() + "?pgbouncer=true");
    let write = |n: i32| {
        let database = &database;
        async move {
            let uid = format!("u{n}");
            let person = "INSERT INTO people (uid) VALUES ($1)";
            let visit = "INSERT INTO visits (id, uid) VALUES ($1, $2)";
            database
                .atomically([
                    Statement::new(person, &[&uid]),
                    Statement::new(visit, &[&n, &uid]),
                ])
                .await?;
            database
                .query_optional::<i64>("SELECT id FROM visits WHERE uid = $1", &[&uid])
                .await
        }
    };
    // The very first of them migrate, side by side. No more come at once than there are connections.
    for wave in (0..100).step_by(10) {
        for (n, found) in (wave..).zip(join_all((wave..wave + 10).map(write)).await) {
            assert_eq!(found.unwrap(), Some(i64::from(n)));
        }
    }
    let backends: Vec<i64> = database
        .query(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend'",
            &[],
        )
        .await
        .unwrap();
    assert!(backends <= vec![2], "the pooler shares two connections");

    server.stop();
    let answer = database.ping().await;
    assert!(
        matches!(answer, Err(DatabaseError::Unavailable(_))),
        "{answer:?}"
    );
}

/// As Neon does: its endpoint is always there, and its database is started by whoever comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_sleeps_behind_its_pooler_is_waited_for() {
    let server = Postgres::start_behind_a_pooler();
    let database = on_postgres(server.create_database());
    server.stop();
    let callers = (0..8).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { database.ping().await })
    });
    let callers: Vec<_> = callers.collect();
    server.run();
    for answer in join_all(callers).await {
        answer.unwrap().unwrap();
    }
}

/// A pooler may lose the request to cancel it.
#[tokio::test]
async fn a_transaction_past_its_deadline_ends_behind_a_pooler_too() {
    let server = Postgres::start_behind_a_pooler();
    let url = server.create_database();
    let name = url.rsplit('/').next().unwrap().to_owned();
    let database = on_postgres(url);
    let answer = database
        .atomically([
            Statement::new("INSERT INTO people (uid) VALUES ('a')", &[]),
            Statement::new("SELECT pg_sleep(600)", &[]),
        ])
        .await;
    assert!(
        matches!(answer, Err(DatabaseError::Unavailable(_))),
        "{answer:?}"
    );
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'
                   AND state <> 'idle' AND pid <> pg_backend_pid()";
    let ended = async {
        while server.sql(&name, running) != "0" {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let patience = Duration::from_secs(60);
    timeout(patience, ended).await.expect("the statement ends");
    assert_eq!(server.sql(&name, "SELECT count(*) FROM people"), "0");
}
