use jiff::Timestamp;
use runtime::DatabaseError;
use serde::Deserialize;

use super::*;

/// The tables as the former backend made them, with rows. Its script failed half-way, so the two
/// tables about conversations are often missing.
const FORMER: &str = "
    CREATE TABLE users (
        user_id TEXT PRIMARY KEY,
        email TEXT UNIQUE,
        display_name TEXT,
        photo_url TEXT,
        created_at TIMESTAMPTZ DEFAULT (now() AT TIME ZONE 'utc'),
        updated_at TIMESTAMPTZ DEFAULT (now() AT TIME ZONE 'utc')
    );
    CREATE TABLE audiovisual_gestural_chunks (
        chunk_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
        chunk_type TEXT NOT NULL,
        storage_ref TEXT NOT NULL UNIQUE,
        original_filename TEXT,
        mime_type TEXT,
        duration_seconds FLOAT,
        resolution_width INTEGER,
        resolution_height INTEGER,
        tria_processing_status TEXT DEFAULT 'pending',
        tria_extracted_features_json JSONB,
        related_gesture_id UUID,
        related_hologram_id UUID,
        custom_metadata_json JSONB,
        created_at TIMESTAMPTZ DEFAULT (now() AT TIME ZONE 'utc'),
        updated_at TIMESTAMPTZ DEFAULT (now() AT TIME ZONE 'utc')
    );
    CREATE TABLE tria_learning_log (
        log_id SERIAL PRIMARY KEY,
        timestamp TIMESTAMPTZ DEFAULT (now() AT TIME ZONE 'utc'),
        user_id TEXT REFERENCES users (user_id) ON DELETE SET NULL,
        session_id UUID,
        event_type TEXT NOT NULL,
        bot_affected_id TEXT,
        summary_text TEXT,
        prompt_text TEXT,
        tria_response_text TEXT,
        model_used TEXT,
        feedback_score INTEGER,
        custom_data JSONB
    );
    CREATE FUNCTION update_updated_at_column() RETURNS TRIGGER AS $$
    BEGIN
        NEW.updated_at = now() AT TIME ZONE 'utc';
        RETURN NEW;
    END;
    $$ LANGUAGE plpgsql;
    CREATE TRIGGER trigger_update_updated_at_users BEFORE UPDATE ON users
        FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
    INSERT INTO users (user_id, email, display_name) VALUES ('u1', 'a@x', 'Ann');
    INSERT INTO audiovisual_gestural_chunks (user_id, chunk_type, storage_ref)
        VALUES ('u1', 'video', 'gs://bucket/user_uploads/u1/a.webm');
    INSERT INTO tria_learning_log (user_id, event_type) VALUES ('u1', 'old');
";

/// The schema that came later: the same names, other columns.
const LATER: &str = "
    CREATE TABLE users (
        firebase_uid TEXT PRIMARY KEY,
        email TEXT UNIQUE,
        role TEXT NOT NULL DEFAULT 'user',
        created_at TIMESTAMPTZ DEFAULT now()
    );
    CREATE TABLE audiovisual_gestural_chunks (id SERIAL PRIMARY KEY, user_id TEXT);
    INSERT INTO users (firebase_uid, email) VALUES ('u1', 'a@x');
";

/// Everything that is in a database: columns with their defaults, functions, triggers, rows.
fn contents(server: &Postgres, name: &str) -> String {
    let dump = server
        .command("pg_dump")
        .env("PGPASSWORD", Postgres::PASSWORD)
        .args(["--inserts", "-U", "postgres", "-d", name, "-h"])
        .arg(server.folder())
        .args(["-p", &server.port().to_string()])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{dump:?}");
    // A random token that newer versions print around the dump.
    String::from_utf8(dump.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .fold(String::new(), |text, line| text + line + "\n")
}

fn database_with(server: &Postgres, script: &str) -> (Database, String) {
    let url = server.create_database();
    let name = url.rsplit('/').next().unwrap().to_owned();
    server.sql(&name, script);
    (open(Some(url), Path::new("unused")), name)
}

#[tokio::test]
async fn a_database_of_the_former_backend_is_adopted_with_its_rows() {
    let server = Postgres::shared();
    let (database, name) = database_with(&server, FORMER);
    let before = contents(&server, &name);
    database.migrate().await.unwrap();

    // Nothing that was there has changed, statement by statement.
    let after = contents(&server, &name);
    for statement in before.split(";\n") {
        assert!(after.contains(statement), "lost: {statement}");
    }
    let missing_before = "SELECT count(*) FROM chat_history, user_chat_sessions";
    assert_eq!(
        database.query::<i64>(missing_before, &[]).await.unwrap(),
        [0]
    );
    let triggers = "SELECT CAST(tgrelid::regclass AS TEXT) FROM pg_trigger
                    WHERE NOT tgisinternal ORDER BY 1";
    assert_eq!(
        database.query::<String>(triggers, &[]).await.unwrap(),
        ["audiovisual_gestural_chunks", "users"]
    );

    // A second start finds nothing to do.
    open(Some(server.url(&name)), Path::new("unused"))
        .migrate()
        .await
        .unwrap();
    assert_eq!(contents(&server, &name), after);
}

#[tokio::test]
async fn the_migration_can_run_twice() {
    let server = Postgres::shared();
    let (database, name) = database_with(&server, crate::registry().migrations().postgres[0].1);
    let before = contents(&server, &name);
    server.sql(&name, crate::registry().migrations().postgres[0].1);
    assert_eq!(contents(&server, &name), before);
    database.migrate().await.unwrap();
}

#[tokio::test]
async fn the_later_schema_is_refused_and_left_as_it_was() {
    let server = Postgres::shared();
    let (database, name) = database_with(&server, LATER);
    let before = contents(&server, &name);
    for _ in 0..2 {
        let Err(DatabaseError::Refused(text)) = database.ping().await else {
            panic!("adopted")
        };
        for part in [
            name.as_str(),
            "users.user_id",
            "audiovisual_gestural_chunks.chunk_id",
            "firebase_uid",
            "Nothing was changed.",
            "NEON_DATABASE_URL",
        ] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
    assert_eq!(contents(&server, &name), before);
}

#[tokio::test]
async fn both_dialects_have_the_same_columns_and_defaults_that_work() {
    #[derive(Debug, Deserialize)]
    struct Chunk {
        chunk_id: String,
        tria_processing_status: String,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
    let engines = Engines::open();
    let tables = [
        "users",
        "audiovisual_gestural_chunks",
        "chunk_generations",
        "tria_learning_log",
        "user_chat_sessions",
        "chat_history",
    ];
    for table in tables {
        let in_sqlite: Vec<String> = engines
            .sqlite
            .query(
                "SELECT name FROM pragma_table_info($1) ORDER BY name",
                &[&table],
            )
            .await
            .unwrap();
        let in_postgres: Vec<String> = engines
            .postgres
            .query(
                "SELECT column_name FROM information_schema.columns
                 WHERE table_name = $1 ORDER BY column_name COLLATE \"C\"",
                &[&table],
            )
            .await
            .unwrap();
        assert!(!in_sqlite.is_empty());
        assert_eq!(in_sqlite, in_postgres, "{table}");
    }

    for database in engines.both() {
        let long_ago: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
        database
            .execute("INSERT INTO users (user_id) VALUES ('u1')", &[])
            .await
            .unwrap();
        database
            .execute(
                "INSERT INTO audiovisual_gestural_chunks (user_id, chunk_type, storage_ref, updated_at)
                 VALUES ('u1', 'audio', 'gs://a', $1)",
                &[&long_ago],
            )
            .await
            .unwrap();
        let update = "UPDATE audiovisual_gestural_chunks SET mime_type = 'audio/wav'";
        assert_eq!(database.execute(update, &[]).await.unwrap(), 1);
        let chunk: Chunk = database
            .query_optional("SELECT * FROM audiovisual_gestural_chunks", &[])
            .await
            .unwrap()
            .unwrap();
        assert_eq!(chunk.chunk_id.as_bytes()[14], b'4', "{chunk:?}");
        assert_eq!(chunk.tria_processing_status, "pending");
        assert!(chunk.updated_at > long_ago && chunk.created_at > long_ago);
    }
}
