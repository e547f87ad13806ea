//! What an upload, a change and a deletion are told of.

use serde_json::{Value, json};

use super::{media, multipart, object, send, upload};
use crate::harness::event::BUCKET;
use crate::harness::{Engine, Launch, Router, eventually, on_both_databases};

on_both_databases!(
    an_upload_becomes_a_row,
    an_upload_in_anothers_name_becomes_none
);

const NAME: &str = "user_uploads/U1/1718000000000_a1b2c_x.webm_x.webm";

async fn delivered(router: &Router) {
    eventually("every event is delivered", async || {
        let open = "SELECT count(*) AS n FROM deliveries WHERE state <> 'done'";
        router.ledger(open)[0]["n"] == 0
    })
    .await;
}

fn events(router: &Router) -> Vec<Value> {
    router.ledger("SELECT kind, subject, event FROM events ORDER BY number")
}

fn kinds(router: &Router) -> Vec<String> {
    let kinds = events(router).into_iter();
    kinds
        .map(|row| {
            row["kind"]
                .as_str()
                .unwrap()
                .rsplit('.')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

async fn an_upload_becomes_a_row(engine: Engine) {
    let router = Launch::new().engine(engine).start().await;
    let custom = json!({
        "firebaseUserId": "U1",
        "originalFilename": "x.webm",
        "clientTimestamp": "2025-06-04T06:17:00.123Z",
    });
    let said = json!({"contentType": "video/webm", "metadata": custom});
    upload(&router, NAME, said, b"0123456789").await;
    delivered(&router).await;
    let chunks = router.chunks().await;
    assert_eq!(chunks.len(), 1, "{chunks:?}\n{}", router.log());
    let row = &chunks[0];
    for (column, expected) in [
        ("user_id", "U1"),
        ("chunk_type", "video"),
        ("original_filename", "x.webm"),
        ("storage_ref", &format!("gs://{BUCKET}/{NAME}")),
    ] {
        assert_eq!(row[column], expected, "{column}");
    }
    assert_eq!(
        row["custom_metadata_json"]["clientTimestamp"],
        custom["clientTimestamp"]
    );
}

async fn an_upload_in_anothers_name_becomes_none(engine: Engine) {
    let router = Launch::new().engine(engine).start().await;
    let said = json!({"metadata": {"firebaseUserId": "U2"}});
    upload(&router, NAME, said, b"0123456789").await;
    delivered(&router).await;
    assert_eq!(router.chunks().await.len(), 0);
}

#[tokio::test]
async fn each_change_of_an_object_is_one_event() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), b"one").await;
    assert_eq!(kinds(&router), ["finalized"]);
    // Reading changes nothing: the upload came with its token.
    send(router.get(&object(NAME))).await;
    send(router.get(&media(NAME))).await;
    assert_eq!(kinds(&router), ["finalized"]);

    let change = router
        .call("PATCH", &object(NAME))
        .body(r#"{"contentLanguage":"de"}"#);
    assert_eq!(send(change).await.status, 200);
    let create = router.post(&format!("{}?create_token=true", object(NAME)));
    assert_eq!(send(create).await.status, 200);
    let updated = ["finalized", "metadataUpdated", "metadataUpdated"];
    assert_eq!(kinds(&router), updated);

    assert_eq!(send(router.call("DELETE", &object(NAME))).await.status, 204);
    assert_eq!(kinds(&router).last().unwrap(), "deleted");
}

#[tokio::test]
async fn a_refused_upload_is_no_event() {
    let router = Router::start().await;
    let call = multipart(&router, "user_uploads/U2/a", &json!({}), b"x");
    assert_eq!(send(call).await.status, 403);
    assert_eq!(events(&router), Vec::<Value>::new());
}
