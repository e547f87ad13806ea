//! From an upload to its row: the event that every finished upload makes, and what is read from the
//! bytes.

use serde_json::{Value, json};

use crate::harness::event::{BUCKET, FINALIZED};
use crate::harness::{
    Engine, Event, Launch, Reply, Router, Token, eventually, form, media, on_both_databases,
};

on_both_databases!(
    an_upload_under_its_own_name_is_recorded,
    an_upload_under_a_fresh_name_is_recorded,
    recordings_of_browsers_are_described,
    an_overwritten_upload_is_described_anew,
    bytes_that_are_not_here_are_not_described,
);

async fn on(engine: Engine) -> Router {
    Launch::new().engine(engine).start().await
}

async fn upload(router: &Router, name: &str, media_type: &str, file: &[u8]) -> Reply {
    let call = router.post("/api/v1/chunks/upload_chunk/U1");
    let form = form::file_of_type(name, media_type, file);
    let reply = call
        .bearer(Token::of("U1").signed())
        .form(form)
        .send()
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply
}

/// The row of an upload under its own name, once every event has been delivered.
async fn chunk(router: &Router, name: &str) -> Value {
    delivered(router).await;
    let storage_ref = format!("gs://{BUCKET}/user_uploads/U1/{name}");
    let mut chunks = router.chunks().await;
    chunks.retain(|chunk| chunk["storage_ref"] == storage_ref);
    assert_eq!(chunks.len(), 1, "{name}: {chunks:?}\n{}", router.log());
    chunks.remove(0)
}

async fn delivered(router: &Router) {
    eventually("every event is delivered", async || {
        let open = "SELECT count(*) AS n FROM deliveries WHERE state <> 'done'";
        router.ledger(open)[0]["n"] == 0
    })
    .await;
}

#[track_caller]
fn must_have(row: &Value, expected: &Value) {
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(&row[column], value, "{column} of {row}");
    }
}

#[track_caller]
fn must_last_two_seconds(row: &Value) {
    let duration = row["duration_seconds"].as_f64();
    let duration = duration.unwrap_or_else(|| panic!("no duration in {row}"));
    assert!((duration - 2.0).abs() < 0.15, "{row}");
}

async fn an_upload_under_its_own_name_is_recorded(engine: Engine) {
    let router = on(engine).await;
    upload(&router, "a.webm", "video/webm", b"0123456789").await;
    must_have(
        &chunk(&router, "a.webm").await,
        &json!({
            "user_id": "U1",
            "chunk_type": "video",
            "mime_type": "video/webm",
            "original_filename": "a.webm",
            "custom_metadata_json": {"originalFilename": "a.webm"},
            "tria_processing_status": "pending_bot_processing",
            "duration_seconds": null,
            "resolution_width": null,
            "tria_extracted_features_json": {
                "container": null,
                "tracks": [],
                "duration_seconds": null,
                "unreadable": "it is no media that browsers record",
            },
        }),
    );
    assert_eq!(router.learning_log().await.len(), 1);
}

async fn an_upload_under_a_fresh_name_is_recorded(engine: Engine) {
    let router = on(engine).await;
    let form = form::file_of_type("my file.wav", "audio/wav", &media::wav());
    let call = router.post("/api/v1/upload_chunk/U1");
    let reply = call
        .bearer(Token::of("U1").signed())
        .form(form)
        .send()
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let stored = reply.json()["stored_filename"].as_str().unwrap().to_owned();
    let row = chunk(&router, &stored).await;
    must_have(
        &row,
        &json!({
            "user_id": "U1",
            "chunk_type": "audio",
            "mime_type": "audio/wav",
            "original_filename": "my file.wav",
        }),
    );
    must_last_two_seconds(&row);
}

async fn recordings_of_browsers_are_described(engine: Engine) {
    let router = on(engine).await;
    let video = |codec: &str| json!({"kind": "video", "codec": codec, "width": 64, "height": 48});
    let audio = |codec: &str, rate: u32| json!({"kind": "audio", "codec": codec, "sample_rate": rate, "channels": 1});
    for (name, file, container, tracks) in [
        (
            "a.webm",
            media::live_webm(),
            "webm",
            vec![video("vp8"), audio("opus", 48000)],
        ),
        (
            "a.mp4",
            media::mp4(),
            "mp4",
            vec![video("h264"), audio("aac", 48000)],
        ),
        (
            "a.wav",
            media::wav(),
            "wav",
            vec![audio("pcm_s16le", 48000)],
        ),
    ] {
        // What the uploader says it is has no weight.
        upload(&router, name, "text/plain", &file).await;
        let row = chunk(&router, name).await;
        must_last_two_seconds(&row);
        let features = &row["tria_extracted_features_json"];
        must_have(
            features,
            &json!({"container": container, "tracks": tracks, "unreadable": null}),
        );
        assert_eq!(features["duration_seconds"], row["duration_seconds"]);
        let (width, height) = match name {
            "a.wav" => (Value::Null, Value::Null),
            _ => (json!(64), json!(48)),
        };
        must_have(
            &row,
            &json!({"resolution_width": width, "resolution_height": height}),
        );
    }
    upload(&router, "a.png", "image/png", &media::png()).await;
    must_have(
        &chunk(&router, "a.png").await,
        &json!({"duration_seconds": null, "resolution_width": 64, "resolution_height": 48}),
    );
}

async fn an_overwritten_upload_is_described_anew(engine: Engine) {
    let router = on(engine).await;
    upload(&router, "a", "image/png", &media::png()).await;
    let first = chunk(&router, "a").await;
    upload(&router, "a", "audio/wav", &media::wav()).await;
    let second = chunk(&router, "a").await;
    assert_eq!(second["chunk_id"], first["chunk_id"]);
    must_have(
        &second,
        &json!({"chunk_type": "audio", "resolution_width": null}),
    );
    must_last_two_seconds(&second);
    assert_eq!(router.learning_log().await.len(), 2);

    // The first event, told once more by somebody else.
    let late = recorded_event(&router);
    assert_eq!(late.send(&router).await.status, 204);
    assert_eq!(chunk(&router, "a").await, second);
    assert_eq!(router.learning_log().await.len(), 2);
}

async fn bytes_that_are_not_here_are_not_described(engine: Engine) {
    let router = on(engine).await;
    upload(&router, "a", "image/png", &media::png()).await;
    must_have(&chunk(&router, "a").await, &json!({"resolution_width": 64}));
    // Another bucket of the same name has an object of this name too, and tells of a later version.
    let object = recorded_event(&router).with("contentType", "video/webm");
    let later = object.with("generation", i64::MAX.to_string());
    assert_eq!(later.send(&router).await.status, 204);
    must_have(
        &chunk(&router, "a").await,
        &json!({
            "chunk_type": "video",
            "resolution_width": null,
            "resolution_height": null,
            "tria_extracted_features_json": null,
        }),
    );
}

/// The first event of the ledger, to be sent again.
fn recorded_event(router: &Router) -> Event {
    let events = router.ledger("SELECT event FROM events ORDER BY number LIMIT 1");
    let event: Value = serde_json::from_str(events[0]["event"].as_str().unwrap()).unwrap();
    let mut again = Event::of("");
    again.object = event["data"].clone();
    again
}

#[tokio::test]
async fn every_finished_upload_makes_one_finalized_event_with_everything() {
    let router = Router::start().await;
    upload(&router, "a b.txt", "text/plain", b"123456789").await;
    let refused = router.post("/api/v1/chunks/upload_chunk/U1");
    let form = form::part("file", Some("b.txt"), b"without its end");
    let refused = refused.bearer(Token::of("U1").signed()).form(form);
    assert_eq!(refused.send().await.status, 400);
    delivered(&router).await;

    let events = router.ledger("SELECT event FROM events");
    assert_eq!(events.len(), 1, "{events:?}");
    let event: Value = serde_json::from_str(events[0]["event"].as_str().unwrap()).unwrap();
    let data = &event["data"];
    let name = "user_uploads/U1/a b.txt";
    must_have(
        &event,
        &json!({
            "specversion": "1.0",
            "type": FINALIZED,
            "source": format!("//storage.googleapis.com/projects/_/buckets/{BUCKET}"),
            "subject": format!("objects/{name}"),
            "bucket": BUCKET,
            "datacontenttype": "application/json",
        }),
    );
    assert!(!event["id"].as_str().unwrap().is_empty());
    let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    let generation = data["generation"].as_str().unwrap();
    let made = jiff::Timestamp::from_microsecond(generation.parse().unwrap()).unwrap();
    assert!(made <= time, "{event}");
    must_have(
        data,
        &json!({
            "kind": "storage#object",
            "id": format!("{BUCKET}/{name}/{generation}"),
            "bucket": BUCKET,
            "name": name,
            "metageneration": "1",
            "size": "9",
            "contentType": "text/plain",
            "storageClass": "STANDARD",
            // The check values of the algorithms' own descriptions.
            "md5Hash": "JfnnlDI7RTiF9RgfG2JNCw==",
            "crc32c": "4waSgw==",
            "metadata": {"originalFilename": "a b.txt"},
        }),
    );
    for time in ["timeCreated", "updated", "timeStorageClassUpdated"] {
        let text = data[time].as_str().unwrap();
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{time}: {text}");
    }
    assert!(!data["etag"].as_str().unwrap().is_empty());
}
