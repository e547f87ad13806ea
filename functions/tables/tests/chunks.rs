use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::tables::chunks::{Chunk, Contents, is_recorded, record};

const STORAGE_REF: &str = "gs://b/user_uploads/U1/a";

/// A generation that can be told from every other.
fn chunk(generation: i64) -> Chunk {
    Chunk {
        user_id: "U1".to_owned(),
        storage_ref: STORAGE_REF.to_owned(),
        generation,
        chunk_type: format!("type{generation}"),
        mime_type: None,
        original_filename: Some("a".to_owned()),
        custom_metadata: json!({}),
        contents: Contents {
            duration_seconds: Some(2.5),
            features: Some(json!({"generation": generation})),
            ..Contents::default()
        },
    }
}

/// Id, type and features of the only row.
async fn row(database: &Database) -> (Uuid, String, Value) {
    let sql = "SELECT chunk_id, chunk_type, tria_extracted_features_json
               FROM audiovisual_gestural_chunks";
    let mut rows = database.query(sql, &[]).await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

async fn log(database: &Database) -> Vec<Value> {
    let sql = "SELECT custom_data FROM tria_learning_log ORDER BY log_id";
    let rows: Vec<(Value,)> = database.query(sql, &[]).await.unwrap();
    rows.into_iter().map(|(custom_data,)| custom_data).collect()
}

fn line(id: Uuid, generation: i64) -> Value {
    json!({
        "chunk_id": id,
        "user_id": "U1",
        "storage_ref": STORAGE_REF,
        "chunk_type": format!("type{generation}"),
    })
}

#[tokio::test]
async fn a_row_goes_on_to_a_later_generation_and_never_back() {
    let engines = Engines::open();
    for database in engines.both() {
        for (generation, latest, lines) in [(5, 5, 1), (5, 5, 1), (9, 9, 2), (7, 9, 2), (9, 9, 2)] {
            record(database, &chunk(generation)).await.unwrap();
            let (_, chunk_type, features) = row(database).await;
            assert_eq!(chunk_type, format!("type{latest}"));
            assert_eq!(features, json!({"generation": latest}));
            assert_eq!(log(database).await.len(), lines);
        }
        let (id, ..) = row(database).await;
        assert_eq!(log(database).await, [line(id, 5), line(id, 9)]);
        for (generation, recorded) in [(8, true), (9, true), (10, false)] {
            let found = is_recorded(database, STORAGE_REF, generation).await;
            assert_eq!(found.unwrap(), recorded, "{generation}");
        }
    }
}

#[tokio::test]
async fn whoever_records_at_the_same_time_the_latest_generation_wins() {
    let engines = Engines::open();
    for database in engines.both() {
        let chunks: Vec<_> = (0..24).map(|number| chunk(number % 6)).collect();
        for recorded in join_all(chunks.iter().map(|chunk| record(database, chunk))).await {
            recorded.unwrap();
        }
        let (id, chunk_type, _) = row(database).await;
        assert_eq!(chunk_type, "type5");
        let log = log(database).await;
        assert_eq!(log.last(), Some(&line(id, 5)), "{log:?}");
        assert!(log.is_sorted_by(|one, next| {
            one["chunk_id"] == next["chunk_id"]
                && one["chunk_type"].as_str() < next["chunk_type"].as_str()
        }));
    }
}

#[tokio::test]
async fn a_row_of_the_former_backend_is_described_and_keeps_its_id() {
    let engines = Engines::open();
    for database in engines.both() {
        let id = Uuid::new_v4();
        let statements = [
            Statement::new("INSERT INTO users (user_id) VALUES ('U1')", &[]),
            Statement::new(
                "INSERT INTO audiovisual_gestural_chunks (chunk_id, user_id, chunk_type, storage_ref)
                 VALUES ($1, 'U1', 'unknown', $2)",
                &[&id, &STORAGE_REF],
            ),
        ];
        database.atomically(statements).await.unwrap();
        assert!(!is_recorded(database, STORAGE_REF, 1).await.unwrap());
        record(database, &chunk(1)).await.unwrap();
        let (kept, chunk_type, _) = row(database).await;
        assert_eq!((kept, chunk_type.as_str()), (id, "type1"));
        assert_eq!(log(database).await, [line(id, 1)]);
    }
}
