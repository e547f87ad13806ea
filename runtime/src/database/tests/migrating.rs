use std::path::Path;

use futures_util::future::join_all;

use super::*;
use crate::database::DatabaseError;

fn refusal(error: DatabaseError) -> String {
    match error {
        DatabaseError::Refused(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn instances_that_start_together_migrate_once() {
    let server = Postgres::shared();
    let url = server.create_database();
    let instances: Vec<Database> = (0..4).map(|_| on_postgres(url.clone())).collect();
    for started in join_all(instances.iter().map(Database::migrate)).await {
        started.unwrap();
    }
    let versions: Vec<i64> = instances[0]
        .query(
            "SELECT version FROM schema_migrations ORDER BY version",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn a_renamed_migration_is_refused_on_both_engines() {
    const RENAMED: Migrations = Migrations {
        postgres: &[("0001_persons.sql", PEOPLE)],
        sqlite: &[("0001_persons.sql", PEOPLE)],
    };
    let server = Postgres::shared();
    let folder = tempfile::tempdir().unwrap();
    for url in [None, Some(server.create_database())] {
        let opened = |migrations| open(url.clone(), folder.path(), migrations);
        opened(MIGRATIONS).migrate().await.unwrap();
        let renamed = opened(RENAMED);
        for _ in 0..2 {
            let text = refusal(renamed.ping().await.unwrap_err());
            assert!(
                text.contains("people") && text.contains("persons"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_behind_and_is_tried_again() {
    const BROKEN: Migrations = Migrations {
        postgres: &[(
            "0001_half.sql",
            "CREATE TABLE half (id INTEGER); SELECT nonsense;",
        )],
        sqlite: &[(
            "0001_half.sql",
            "CREATE TABLE half (id INTEGER); SELECT nonsense;",
        )],
    };
    let server = Postgres::shared();
    let folder = tempfile::tempdir().unwrap();
    for url in [None, Some(server.create_database())] {
        let broken = open(url.clone(), folder.path(), BROKEN);
        let error = broken.migrate().await.unwrap_err();
        assert!(matches!(error, DatabaseError::Query(_)), "{error:?}");
        let mended = open(url, folder.path(), MIGRATIONS);
        mended.migrate().await.unwrap();
        let half = mended.execute("SELECT * FROM half", &[]).await;
        assert!(matches!(half, Err(DatabaseError::Query(_))), "{half:?}");
    }
}

#[tokio::test]
async fn a_migration_may_refuse_a_database_in_its_own_words() {
    const REFUSING: Migrations = Migrations {
        postgres: &[(
            "0001_refuse.sql",
            "CREATE TABLE made_before_the_refusal (id INTEGER);
             DO $$ BEGIN RAISE EXCEPTION 'found strangers' USING HINT = 'Move them.'; END $$;",
        )],
        sqlite: &[],
    };
    let server = Postgres::shared();
    let url = server.create_database();
    let database = open(Some(url.clone()), Path::new("unused"), REFUSING);
    for _ in 0..2 {
        let text = refusal(database.ping().await.unwrap_err());
        assert_eq!(text, "found strangers Move them.");
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let empty = open(Some(url), Path::new("unused"), Migrations::default());
    assert_eq!(empty.query::<i64>(tables, &[]).await.unwrap(), [0]);
}

#[tokio::test]
async fn a_version_table_of_another_tool_is_refused() {
    let server = Postgres::shared();
    let url = server.create_database();
    let name = url.rsplit('/').next().unwrap();
    server.sql(name, "CREATE TABLE schema_migrations (filename TEXT)");
    let text = refusal(on_postgres(url.clone()).ping().await.unwrap_err());
    assert!(text.contains("another tool"), "{text}");
}
