//! process_chunk, told of uploads by whoever may tell it: what is taken down, and how often.

use serde_json::{Value, json};

use crate::harness::event::{BUCKET, EVENT_TOKEN};
use crate::harness::{Engine, Event, Launch, PROJECT, REGION, Router, Token, on_both_databases};

on_both_databases!(
    an_upload_becomes_a_row_and_a_line_of_the_log,
    an_event_that_comes_again_changes_nothing,
    a_structured_event_and_a_pub_sub_push_are_the_same_event,
    an_upload_without_the_uploaders_word_belongs_to_its_path,
    an_upload_that_claims_another_owner_is_nobodys,
    what_is_no_upload_of_a_user_is_passed_over,
    what_the_uploader_did_not_say_is_unknown,
    a_row_follows_the_latest_generation_in_whatever_order_they_come,
    twenty_deliveries_at_once_are_one,
    a_user_who_is_there_already_is_left_as_they_are,
    a_row_that_was_deleted_is_made_again,
);

const NAME: &str = "user_uploads/U1/1_a_x.webm_x.webm";

async fn on(engine: Engine) -> Router {
    Launch::new().engine(engine).start().await
}

async fn accepted(router: &Router, event: &Event) {
    let reply = event.send(router).await;
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (204, ""),
        "{reply:?}"
    );
}

async fn only_chunk(router: &Router) -> Value {
    let mut chunks = router.chunks().await;
    assert_eq!(chunks.len(), 1, "{chunks:?}");
    chunks.remove(0)
}

async fn nothing_is_recorded(router: &Router) {
    assert_eq!(router.chunks().await, [] as [Value; 0]);
    assert_eq!(router.learning_log().await, [] as [Value; 0]);
    assert!(router.users().await.is_empty());
}

#[track_caller]
fn must_have(row: &Value, expected: &Value) {
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(&row[column], value, "{column} of {row}");
    }
}

async fn an_upload_becomes_a_row_and_a_line_of_the_log(engine: Engine) {
    let router = on(engine).await;
    let event = Event::of(NAME);
    accepted(&router, &event).await;

    let chunk = only_chunk(&router).await;
    let id = chunk["chunk_id"].as_str().unwrap();
    assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
    let storage_ref = format!("gs://{BUCKET}/{NAME}");
    must_have(
        &chunk,
        &json!({
            "user_id": "U1",
            "chunk_type": "video",
            "storage_ref": storage_ref,
            "original_filename": "x.webm",
            "mime_type": "video/webm",
            "tria_processing_status": "pending_bot_processing",
            "custom_metadata_json": event.object["metadata"],
            // The object is not kept here.
            "duration_seconds": null,
            "resolution_width": null,
            "resolution_height": null,
            "tria_extracted_features_json": null,
            "related_gesture_id": null,
            "related_hologram_id": null,
        }),
    );
    assert!(chunk["created_at"].is_string(), "{chunk}");

    let log = router.learning_log().await;
    assert_eq!(log.len(), 1, "{log:?}");
    must_have(
        &log[0],
        &json!({
            "user_id": "U1",
            "event_type": "chunk_metadata_processed",
            "bot_affected_id": "ChunkProcessorBot",
            "summary_text": format!("Successfully processed metadata for chunk: {id}"),
            "custom_data": {
                "chunk_id": id,
                "user_id": "U1",
                "storage_ref": storage_ref,
                "chunk_type": "video",
            },
            "session_id": null,
            "prompt_text": null,
            "tria_response_text": null,
            "model_used": null,
            "feedback_score": null,
        }),
    );
    assert!(log[0]["timestamp"].is_string(), "{log:?}");
    let users = router.users().await;
    assert_eq!((users.len(), users[0].user_id.as_str()), (1, "U1"));
    assert_eq!(users[0].email, None);
}

async fn an_event_that_comes_again_changes_nothing(engine: Engine) {
    let router = on(engine).await;
    let event = Event::of(NAME);
    accepted(&router, &event).await;
    router
        .behind_its_back(
            "UPDATE audiovisual_gestural_chunks SET tria_processing_status = 'understood'",
        )
        .await;
    let before = (router.chunks().await, router.learning_log().await);

    accepted(&router, &event).await;
    // Another subscription tells of the same upload under another id.
    let mut elsewhere = event.clone();
    elsewhere.id = "another".to_owned();
    accepted(&router, &elsewhere).await;
    assert_eq!((router.chunks().await, router.learning_log().await), before);
}

async fn a_structured_event_and_a_pub_sub_push_are_the_same_event(engine: Engine) {
    use base64::Engine as _;
    let router = on(engine).await;
    let event = Event::of(NAME);
    accepted(&router, &event).await;
    let first = only_chunk(&router).await;

    let other = Event::of("user_uploads/U1/structured.webm");
    let call = router.post("/process_chunk_storage").bearer(EVENT_TOKEN);
    let reply = call
        .header("content-type", "application/cloudevents+json")
        .body(other.structured().to_string())
        .send()
        .await;
    assert_eq!(reply.status, 204, "{reply:?}");

    let pushed = Event::of("user_uploads/U1/pushed.webm");
    let data = base64::prelude::BASE64_STANDARD.encode(pushed.object.to_string());
    let push = json!({
        "subscription": "projects/p/subscriptions/s",
        "message": {
            "messageId": "136969346945",
            "publishTime": "2025-06-04T06:17:00.123Z",
            "attributes": {
                "bucketId": BUCKET,
                "eventType": "OBJECT_FINALIZE",
                "notificationConfig": format!("projects/_/buckets/{BUCKET}/notificationConfigs/1"),
                "objectGeneration": "1700000000000001",
                "objectId": "user_uploads/U1/pushed.webm",
                "payloadFormat": "JSON_API_V1",
            },
            "data": data,
        },
    });
    let target = format!("/{PROJECT}/{REGION}/process_chunk");
    let call = router.post(&target).bearer(EVENT_TOKEN);
    let reply = call
        .header("content-type", "application/json")
        .body(push.to_string())
        .send()
        .await;
    assert_eq!(reply.status, 204, "{reply:?}");

    let chunks = router.chunks().await;
    let names = chunks.iter().map(|chunk| chunk["storage_ref"].clone());
    let expected = [
        NAME,
        "user_uploads/U1/pushed.webm",
        "user_uploads/U1/structured.webm",
    ];
    let expected = expected.map(|name| json!(format!("gs://{BUCKET}/{name}")));
    assert_eq!(names.collect::<Vec<_>>(), expected);
    for chunk in &chunks {
        for column in ["user_id", "chunk_type", "mime_type", "custom_metadata_json"] {
            assert_eq!(chunk[column], first[column], "{chunk}");
        }
    }
    assert_eq!(router.learning_log().await.len(), 3);
}

async fn an_upload_without_the_uploaders_word_belongs_to_its_path(engine: Engine) {
    let router = on(engine).await;
    accepted(
        &router,
        &Event::of("user_uploads/U1/a/звук 1.webm").with("metadata", json!({})),
    )
    .await;
    must_have(
        &only_chunk(&router).await,
        &json!({
            "user_id": "U1",
            "original_filename": "звук 1.webm",
            "custom_metadata_json": {},
        }),
    );
}

async fn an_upload_that_claims_another_owner_is_nobodys(engine: Engine) {
    let router = on(engine).await;
    for claimed in ["U2", "", "u1"] {
        let event = Event::of(NAME).with("metadata", json!({"firebaseUserId": claimed}));
        accepted(&router, &event).await;
    }
    nothing_is_recorded(&router).await;
    assert!(
        router.log().contains("another user than its path"),
        "{}",
        router.log()
    );
}

async fn what_is_no_upload_of_a_user_is_passed_over(engine: Engine) {
    let router = on(engine).await;
    for name in [
        "other/x",
        "user_uploads/x",
        "user_uploads/U1/",
        "user_uploads//x",
    ] {
        accepted(&router, &Event::of(name)).await;
    }
    let mut deleted = Event::of(NAME);
    deleted.kind = "google.cloud.storage.object.v1.deleted";
    accepted(&router, &deleted).await;
    let unstorable = Event::of(NAME).with("contentType", "video/webm\0");
    accepted(&router, &unstorable).await;
    nothing_is_recorded(&router).await;
}

async fn what_the_uploader_did_not_say_is_unknown(engine: Engine) {
    let router = on(engine).await;
    let event = Event::of(NAME)
        .without("contentType")
        .without("metadata")
        .with("timeCreated", "2025-06-04T06:17:00Z");
    accepted(&router, &event).await;
    must_have(
        &only_chunk(&router).await,
        &json!({
            "chunk_type": "unknown",
            "mime_type": null,
            "original_filename": "1_a_x.webm_x.webm",
            "custom_metadata_json": {},
        }),
    );
}

async fn a_row_follows_the_latest_generation_in_whatever_order_they_come(engine: Engine) {
    let router = on(engine).await;
    let told = async |generation: &str, content_type: &str| {
        let event = Event::of(NAME).with("generation", generation);
        accepted(&router, &event.with("contentType", content_type)).await;
        only_chunk(&router).await
    };
    let first = told("1700000000000005", "video/webm").await;
    let overwritten = told("1700000000000009", "audio/ogg").await;
    must_have(
        &overwritten,
        &json!({"chunk_type": "audio", "mime_type": "audio/ogg"}),
    );
    assert_eq!(overwritten["chunk_id"], first["chunk_id"]);
    assert_eq!(overwritten["created_at"], first["created_at"]);
    assert_eq!(told("1700000000000007", "image/png").await, overwritten);

    let log = router.learning_log().await;
    let types: Vec<_> = log
        .iter()
        .map(|line| &line["custom_data"]["chunk_type"])
        .collect();
    assert_eq!(types, ["video", "audio"]);
    assert!(
        log.iter()
            .all(|line| line["custom_data"]["chunk_id"] == first["chunk_id"])
    );
}

async fn twenty_deliveries_at_once_are_one(engine: Engine) {
    let router = Launch::new()
        .engine(engine)
        .set("functions.process_chunk", "concurrency", "20")
        .start()
        .await;
    // Two generations, so that the row is fought over as well.
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let generation = ["1700000000000001", "1700000000000002"][number % 2];
            let event = Event::of(NAME).with("generation", generation);
            event.with("contentType", format!("type{}/x", number % 2))
        })
        .map(|event| event.posted(&router).bearer(EVENT_TOKEN))
        .map(|call| tokio::spawn(call.send()))
        .collect();
    for call in calls {
        let reply = call.await.unwrap();
        assert_eq!(reply.status, 204, "{reply:?}");
    }
    let chunk = only_chunk(&router).await;
    assert_eq!(chunk["chunk_type"], "type1");
    let log = router.learning_log().await;
    assert!(matches!(log.len(), 1 | 2), "{log:?}");
    let last = log.last().unwrap();
    assert_eq!(last["custom_data"]["chunk_type"], "type1", "{log:?}");
    assert!(
        log.iter()
            .all(|line| line["custom_data"]["chunk_id"] == chunk["chunk_id"])
    );
}

async fn a_user_who_is_there_already_is_left_as_they_are(engine: Engine) {
    let router = on(engine).await;
    let token = Token::of("U1").email("u1@example.com").signed();
    assert_eq!(router.sync(&token).await.status, 201);
    let before = router.users().await;
    accepted(&router, &Event::of(NAME)).await;
    assert_eq!(router.users().await, before);
    // And the other way round: whoever uploads first and signs in later.
    accepted(&router, &Event::of("user_uploads/U2/a").without("metadata")).await;
    let reply = router.sync(&Token::of("U2").signed()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

async fn a_row_that_was_deleted_is_made_again(engine: Engine) {
    let router = on(engine).await;
    accepted(&router, &Event::of(NAME)).await;
    let first = only_chunk(&router).await;
    let delete = match engine {
        // A connection of its own does not enforce references unless it says so.
        Engine::Sqlite => "PRAGMA foreign_keys = ON; DELETE FROM audiovisual_gestural_chunks",
        Engine::Postgres => "DELETE FROM audiovisual_gestural_chunks",
    };
    router.behind_its_back(delete).await;
    accepted(&router, &Event::of(NAME)).await;
    let again = only_chunk(&router).await;
    assert_ne!(again["chunk_id"], first["chunk_id"]);
    assert_eq!(router.learning_log().await.len(), 2);
}

#[tokio::test]
async fn what_is_no_event_is_refused_without_an_echo() {
    let router = Router::start().await;
    let post = || router.post("/process_chunk").bearer(EVENT_TOKEN);
    let json = || post().header("content-type", "application/json");
    let object = Event::of(NAME).object.to_string();
    let broken = Event::of(NAME).with("generation", "hunter2");
    for (what, call) in [
        ("an object without an event", json().body(object)),
        ("other JSON", json().body(r#"{"hunter2": "hunter2"}"#)),
        ("no JSON", json().body("hunter2")),
        ("nothing", post()),
        (
            "a generation that is no number",
            broken.posted(&router).bearer(EVENT_TOKEN),
        ),
    ] {
        let reply = call.header("x-probe", "hunter2").send().await;
        reply.refusal(400, "INVALID_ARGUMENT");
        assert!(
            !format!("{reply:?}").contains("hunter2"),
            "{what}: {reply:?}"
        );
    }
    for method in ["GET", "PUT", "DELETE"] {
        let call = router.call(method, "/process_chunk").bearer(EVENT_TOKEN);
        let reply = call.send().await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, "POST"),
            "{method}"
        );
    }
    nothing_is_recorded(&router).await;
}
