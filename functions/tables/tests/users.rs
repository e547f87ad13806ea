use futures_util::future::join_all;

use super::*;
use crate::tables::users::{ensure, synchronise};

async fn users(database: &Database) -> Vec<(String, Option<String>)> {
    let sql = "SELECT user_id, email FROM users ORDER BY user_id";
    database.query(sql, &[]).await.unwrap()
}

fn user(uid: &str, email: Option<&str>) -> (String, Option<String>) {
    (uid.to_owned(), email.map(str::to_owned))
}

#[tokio::test]
async fn a_user_is_created_once_and_not_modified_afterwards() {
    let engines = Engines::open();
    for database in engines.both() {
        assert!(synchronise(database, "u1", Some("a@x")).await.unwrap());
        let stamps = "SELECT created_at, updated_at FROM users";
        let before: Vec<(jiff::Timestamp, jiff::Timestamp)> =
            database.query(stamps, &[]).await.unwrap();
        for email in [Some("a@x"), Some("b@x"), None] {
            assert!(!synchronise(database, "u1", email).await.unwrap());
        }
        assert_eq!(users(database).await, [user("u1", Some("a@x"))]);
        let after: Vec<(jiff::Timestamp, jiff::Timestamp)> =
            database.query(stamps, &[]).await.unwrap();
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn a_user_without_an_email_or_with_a_taken_one_is_kept_without() {
    let engines = Engines::open();
    for database in engines.both() {
        for (uid, email) in [
            ("u1", Some("a@x")),
            ("u2", None),
            ("u3", None),
            ("u4", Some("a@x")),
        ] {
            assert!(synchronise(database, uid, email).await.unwrap(), "{uid}");
            assert!(!synchronise(database, uid, email).await.unwrap(), "{uid}");
        }
        let expected = [
            user("u1", Some("a@x")),
            user("u2", None),
            user("u3", None),
            user("u4", None),
        ];
        assert_eq!(users(database).await, expected);
    }
}

#[tokio::test]
async fn of_twenty_callers_at_once_exactly_one_creates_the_user() {
    let engines = Engines::open();
    for database in engines.both() {
        database.migrate().await.unwrap();
        let callers = (0..20).map(|_| synchronise(database, "u1", Some("a@x")));
        let created = join_all(callers).await.into_iter().map(Result::unwrap);
        assert_eq!(created.filter(|created| *created).count(), 1);
        assert_eq!(users(database).await.len(), 1);
    }
}

#[tokio::test]
async fn a_row_that_refers_to_a_user_can_make_them_first() {
    let engines = Engines::open();
    for database in engines.both() {
        synchronise(database, "u1", Some("a@x")).await.unwrap();
        for uid in ["u1", "u2"] {
            let mut statements = ensure(uid, Some("a@x")).to_vec();
            statements.push(Statement::new(
                "INSERT INTO tria_learning_log (user_id, event_type) VALUES ($1, 'test')",
                &[&uid],
            ));
            database.atomically(statements).await.unwrap();
        }
        let expected = [user("u1", Some("a@x")), user("u2", None)];
        assert_eq!(users(database).await, expected);
        let log = "SELECT user_id FROM tria_learning_log ORDER BY log_id";
        assert_eq!(
            database.query::<String>(log, &[]).await.unwrap(),
            ["u1", "u2"]
        );
    }
}
