//! What both engines promise alike. A new engine adds one line at the end.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::database::{DatabaseError, Statement};

/// No caller has to wait for another's connection, which could take too long on a busy machine.
const AT_ONCE: usize = 10;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shape {
    kind: String,
    sizes: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Sample {
    id: i32,
    text: Option<String>,
    number: Option<i64>,
    float: Option<f64>,
    flag: Option<bool>,
    bytes: Option<Vec<u8>>,
    json: Option<Shape>,
    uuid: Option<Uuid>,
    at: Option<Timestamp>,
}

const INSERT_SAMPLE: &str = "
    INSERT INTO samples (id, text, number, float, flag, bytes, json, uuid, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    RETURNING id, text, number, float, flag, bytes, json, uuid, at";

async fn insert_sample(database: &Database, sample: &Sample) -> Option<Sample> {
    let json = sample.json.clone().map(|shape| json!(shape));
    database
        .query_optional(
            INSERT_SAMPLE,
            &[
                &sample.id,
                &sample.text,
                &sample.number,
                &sample.float,
                &sample.flag,
                &sample.bytes,
                &json,
                &sample.uuid,
                &sample.at,
            ],
        )
        .await
        .unwrap()
}

async fn values_come_back_as_they_went(database: Database) {
    let full = Sample {
        id: 1,
        text: Some("привет 🙂 'quoted'".to_owned()),
        number: Some(i64::MIN),
        float: Some(2.0),
        flag: Some(true),
        bytes: Some(vec![0, 1, 255]),
        json: Some(Shape {
            kind: "голос".to_owned(),
            sizes: vec![1, 2],
        }),
        uuid: Some(Uuid::from_u128(0x0123_4567_89ab_cdef)),
        at: Some(Timestamp::from_microsecond(-1_234_567_890_123_456).unwrap()),
    };
    let empty = Sample {
        id: 2,
        text: None,
        number: None,
        float: None,
        flag: None,
        bytes: None,
        json: None,
        uuid: None,
        at: None,
    };
    for sample in [&full, &empty] {
        assert_eq!(
            insert_sample(&database, sample).await.as_ref(),
            Some(sample)
        );
    }
    let stored: Vec<Sample> = database
        .query("SELECT * FROM samples ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(stored, [full.clone(), empty]);

    // A statement may use a parameter twice and in any order; what goes in finds what is stored.
    let found: Vec<i32> = database
        .query(
            "SELECT id FROM samples WHERE uuid = $2 AND at = $1 AND at >= $1 AND flag = $3",
            &[&full.at, &full.uuid, &true],
        )
        .await
        .unwrap();
    assert_eq!(found, [1]);
}

async fn json_keeps_its_shape_when_it_is_read_as_json(database: Database) {
    let documents = [
        json!({"a": [1, 2.5, null, true, "x"], "б": {}}),
        json!([]),
        json!("text"),
        json!(5),
        json!(false),
    ];
    for (id, document) in (0..).zip(&documents) {
        let insert = "INSERT INTO samples (id, json) VALUES ($1, $2)";
        let count = database.execute(insert, &[&id, document]).await.unwrap();
        assert_eq!(count, 1);
    }
    let stored: Vec<serde_json::Value> = database
        .query("SELECT json FROM samples ORDER BY id", &[])
        .await
        .unwrap()
        .into_iter()
        .map(|(document,)| document)
        .collect();
    assert_eq!(stored, documents);
}

async fn timestamps_sort_and_now_is_between_its_neighbours(database: Database) {
    let before = Timestamp::now() - Duration::from_secs(1);
    let after = Timestamp::now() + Duration::from_secs(60);
    let insert = "INSERT INTO samples (id, at) VALUES (1, $1), (2, now()), (3, $2)";
    database.execute(insert, &[&after, &before]).await.unwrap();
    let ordered: Vec<(i32, Timestamp)> = database
        .query("SELECT id, at FROM samples ORDER BY at", &[])
        .await
        .unwrap();
    let ids: Vec<i32> = ordered.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [3, 2, 1]);
    assert!(ordered.is_sorted_by_key(|(_, at)| *at));
}

async fn a_statement_counts_what_it_changed(database: Database) {
    let count = |sql: &'static str| {
        let database = &database;
        async move { database.execute(sql, &[]).await.unwrap() }
    };
    let insert = "INSERT INTO people (uid) VALUES ('a'), ('b'), ('c')";
    assert_eq!(count(insert).await, 3);
    let again = "INSERT INTO people (uid) VALUES ('a') ON CONFLICT DO NOTHING";
    assert_eq!(count(again).await, 0);
    assert_eq!(
        count("UPDATE people SET email = uid WHERE uid > 'a'").await,
        2
    );
    assert_eq!(count("CREATE TABLE other (id INTEGER)").await, 0);
    assert_eq!(count("DELETE FROM people RETURNING uid").await, 3);
    assert_eq!(count("DELETE FROM people").await, 0);
    let nobody: Option<String> = database
        .query_optional("SELECT uid FROM people", &[])
        .await
        .unwrap();
    assert_eq!(nobody, None);
}

async fn all_statements_take_effect_or_none(database: Database) {
    let person = |uid: &str| {
        Statement::new(
            "INSERT INTO people (uid) VALUES ($1) RETURNING uid",
            &[&uid],
        )
    };
    let visit = |uid: &str| Statement::new("INSERT INTO visits (id, uid) VALUES (1, $1)", &[&uid]);
    let answers = database
        .atomically([person("a"), visit("a")])
        .await
        .unwrap();
    let [created, visited] = <[_; 2]>::try_from(answers).unwrap();
    assert_eq!(created.into_first::<String>().unwrap().unwrap(), "a");
    assert_eq!((visited.affected(), visited.is_empty()), (1, true));

    let failed = database
        .atomically([person("b"), person("c"), visit("nobody")])
        .await;
    assert!(
        matches!(failed, Err(DatabaseError::Conflict { .. })),
        "{failed:?}"
    );
    let people: Vec<String> = database.query("SELECT uid FROM people", &[]).await.unwrap();
    assert_eq!(people, ["a"]);
    assert!(database.atomically([]).await.unwrap().is_empty());
}

async fn a_conflict_is_told_from_other_failures(database: Database) {
    let insert = "INSERT INTO people (uid, email) VALUES ($1, $2)";
    database.execute(insert, &[&"a", &"a@x"]).await.unwrap();
    let fail = |sql: &'static str, uid: &'static str| {
        let database = &database;
        async move { database.execute(sql, &[&uid, &"a@x"]).await.unwrap_err() }
    };
    let constraint = |error| match error {
        DatabaseError::Conflict { constraint } => constraint,
        other => panic!("{other:?}"),
    };
    assert!(constraint(fail(insert, "a").await).contains("people"));
    assert!(constraint(fail(insert, "b").await).contains("email"));
    let orphan = "INSERT INTO visits (id, uid) VALUES (1, $1 || $2)";
    assert!(!constraint(fail(orphan, "nobody").await).is_empty());

    for sql in [
        "INSERT INTO nowhere VALUES ($1, $2)",
        "INSERT INTO people (uid, email) VALUES ($1, $2, $3)",
        "INSERT INTO people (email) VALUES ($1 || $2 || $3)",
        "NOT SQL",
    ] {
        let error = fail(sql, "c").await;
        assert!(matches!(error, DatabaseError::Query(_)), "{sql}: {error:?}");
    }
    let missing_value = "INSERT INTO visits (id, uid) VALUES (1, NULL)";
    let error = database.execute(missing_value, &[]).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Query(_)), "{error:?}");
    let error = fail("BEGIN", "c").await;
    assert!(matches!(error, DatabaseError::Refused(_)), "{error:?}");
}

async fn parallel_upserts_create_exactly_once(database: Database) {
    database.migrate().await.unwrap();
    let upsert = "INSERT INTO people (uid) VALUES ($1) ON CONFLICT DO NOTHING RETURNING uid";
    let answers: Vec<Option<String>> =
        join_all((0..AT_ONCE).map(|_| database.query_optional(upsert, &[&"u1"])))
            .await
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
    assert_eq!(answers.iter().flatten().count(), 1);
}

async fn writers_in_parallel_each_get_their_own_answer(database: Database) {
    database.migrate().await.unwrap();
    let write = |n| {
        // Every third one collides with the one before it.
        let uid = format!("u{}", n - i32::from(n % 3 == 2));
        let database = &database;
        async move {
            let sql = "INSERT INTO people (uid) VALUES ($1) RETURNING uid";
            let answer = database.query_optional::<String>(sql, &[&uid]).await;
            (uid, answer)
        }
    };
    let mut answers = Vec::new();
    for first in (0..60).step_by(AT_ONCE) {
        answers.extend(join_all((first..).take(AT_ONCE).map(write)).await);
    }
    let mut conflicts = 0;
    for (uid, answer) in answers {
        match answer {
            Ok(created) => assert_eq!(created, Some(uid)),
            Err(DatabaseError::Conflict { .. }) => conflicts += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(conflicts, 20);
}

async fn the_first_query_migrates_and_later_starts_change_nothing(database: Database) {
    database.ping().await.unwrap();
    database
        .execute("INSERT INTO people (uid) VALUES ('a')", &[])
        .await
        .unwrap();
    for _ in 0..2 {
        database.migrate().await.unwrap();
    }
    let versions: Vec<(i64, String)> = database
        .query(
            "SELECT version, name FROM schema_migrations ORDER BY version",
            &[],
        )
        .await
        .unwrap();
    let expected = [(1, "people".to_owned()), (2, "samples".to_owned())];
    assert_eq!(versions, expected);
    let now = "SELECT count(*) FROM schema_migrations WHERE applied_at <= now()";
    assert_eq!(database.query::<i64>(now, &[]).await.unwrap(), [2]);
}

macro_rules! contract {
    ($engine:ident, $home:path) => {
        contract! { $engine, $home;
            values_come_back_as_they_went
            json_keeps_its_shape_when_it_is_read_as_json
            timestamps_sort_and_now_is_between_its_neighbours
            a_statement_counts_what_it_changed
            all_statements_take_effect_or_none
            a_conflict_is_told_from_other_failures
            parallel_upserts_create_exactly_once
            writers_in_parallel_each_get_their_own_answer
            the_first_query_migrates_and_later_starts_change_nothing
        }
    };
    ($engine:ident, $home:path; $($promise:ident)+) => {
        mod $engine {
            $(#[tokio::test]
            async fn $promise() {
                let home = $home();
                super::$promise(home.database.clone()).await;
            })+
        }
    };
}

contract!(postgres, super::super::postgres_home);
contract!(sqlite, super::super::sqlite_home);
