//! Uploads to a URL that was handed out before, as firebaseStorageService.js sends them.

use serde_json::{Value, json};

use crate::harness::{Call, ORIGIN, Reply, Router, Token, eventually, form};

const ASK: &str = "/api/v1/generate-upload-url";

fn ask(router: &Router, wish: &Value) -> Call {
    let call = router.post(ASK).header("content-type", "application/json");
    call.body(wish.to_string())
}

fn wish() -> Value {
    json!({"filename": "my chunk.webm", "content_type": "video/webm"})
}

async fn url(router: &Router) -> Value {
    let token = Token::of("U1").signed();
    let reply = ask(router, &wish()).bearer(token).send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// All the fields first, and the file last.
fn body(fields: &Value, media_type: &str, file: &[u8]) -> Vec<u8> {
    let fields = fields.as_object().unwrap().iter();
    fields
        .map(|(name, value)| form::part(name, None, value.as_str().unwrap().as_bytes()))
        .chain([form::file_of_type("my chunk.webm", media_type, file)])
        .collect::<Vec<_>>()
        .concat()
}

async fn post(router: &Router, answer: &Value, body: Vec<u8>) -> Reply {
    let url = answer["url"].as_str().unwrap();
    let target = url.strip_prefix(&format!("http://{}", router.address));
    router.post(target.unwrap()).form(body).send().await
}

#[tokio::test]
async fn a_file_sent_to_the_url_becomes_the_callers_object() {
    let router = Router::start().await;
    let answer = url(&router).await;
    let key = answer["object_key"].as_str().unwrap();
    let (id, extension) = key
        .strip_prefix("user_uploads/U1/")
        .and_then(|name| name.split_once('.'))
        .unwrap();
    assert_eq!((id.len(), extension), (36, "webm"));
    assert_eq!(answer["fields"]["key"], key);

    let reply = post(
        &router,
        &answer,
        body(&answer["fields"], "video/webm", b"0123456789"),
    )
    .await;
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    let token = Token::of("U1").signed();
    let name = format!("{id}.webm");
    let reply = router.download("U1", &token, &name).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "0123456789"));
    assert_eq!(reply.header("content-type"), "video/webm");
    eventually("the upload is recorded", async || {
        let chunks = router.chunks().await;
        chunks.len() == 1 && chunks[0]["original_filename"] == "my chunk.webm"
    })
    .await;
    router.nothing_staged().await;
}

#[tokio::test]
async fn a_url_is_for_one_upload() {
    let router = Router::start().await;
    let answer = url(&router).await;
    let file = |content: &[u8]| body(&answer["fields"], "video/webm", content);
    assert_eq!(post(&router, &answer, file(b"first")).await.status, 204);
    let again = post(&router, &answer, file(b"second")).await;
    assert!(!again.detail(403).is_empty());
}

#[tokio::test]
async fn of_forms_that_come_together_one_is_taken() {
    let router = Router::start().await;
    let answer = url(&router).await;
    let form = || body(&answer["fields"], "video/webm", &[7; 100_000]);
    let replies = (0..8).map(|_| post(&router, &answer, form()));
    let replies = futures_util::future::join_all(replies).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 403, 403, 403, 403, 403, 403, 403]);
    assert_eq!(router.ledger("SELECT kind FROM events").len(), 1);
    router.nothing_staged().await;
}

#[tokio::test]
async fn a_form_that_broke_off_may_be_sent_again() {
    let router = Router::start().await;
    let answer = url(&router).await;
    let mut cut = body(&answer["fields"], "video/webm", b"0123456789");
    cut.truncate(cut.len() - 30);
    let reply = post(&router, &answer, cut).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let whole = body(&answer["fields"], "video/webm", b"0123456789");
    assert_eq!(post(&router, &answer, whole).await.status, 204);
}

#[tokio::test]
async fn only_what_was_promised_is_taken() {
    let router = Router::start().await;
    let (mine, other) = (url(&router).await, url(&router).await);
    let fields = |changes: Value| {
        let mut fields = mine["fields"].clone();
        let all = fields.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => all.remove(name),
                value => all.insert(name.clone(), value.clone()),
            };
        }
        fields
    };
    for (changes, media_type) in [
        (json!({"upload_id": "guessed"}), "video/webm"),
        (json!({"upload_id": null}), "video/webm"),
        (json!({"key": other["object_key"]}), "video/webm"),
        (json!({"key": "user_uploads/U2/x"}), "video/webm"),
        (json!({"key": null}), "video/webm"),
        (json!({"Content-Type": "text/html"}), "video/webm"),
        (json!({"Content-Type": null}), "text/html"),
    ] {
        let reply = post(
            &router,
            &mine,
            body(&fields(changes.clone()), media_type, b"x"),
        )
        .await;
        assert!(!reply.detail(403).is_empty(), "{changes}");
    }
    let typed_by_the_file = body(&fields(json!({"Content-Type": null})), "video/webm", b"x");
    assert_eq!(post(&router, &mine, typed_by_the_file).await.status, 204);
    assert_eq!(router.ledger("SELECT name FROM objects").len(), 1);
}

#[tokio::test]
async fn who_is_not_signed_in_gets_no_url() {
    let router = Router::start().await;
    let reply = ask(&router, &wish()).header("origin", ORIGIN).send().await;
    assert!(!reply.detail(401).is_empty());
    assert!(reply.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
    let reply = ask(&router, &wish()).bearer("garbage").send().await;
    assert!(!reply.detail(401).is_empty());
}

#[tokio::test]
async fn a_malformed_wish_is_refused() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    for (wish, status) in [
        (json!({}), 422),
        (json!({"filename": "a.webm"}), 422),
        (json!({"filename": 5, "content_type": "a/b"}), 422),
        (json!({"filename": "a.webm", "content_type": ""}), 422),
        (
            json!({"filename": "a.webm", "content_type": "a\r\nb: c"}),
            422,
        ),
        (json!({"filename": "../a", "content_type": "a/b"}), 400),
        (json!({"filename": "", "content_type": "a/b"}), 400),
    ] {
        let reply = ask(&router, &wish).bearer(&token).send().await;
        assert!(!reply.detail(status).is_empty(), "{wish}");
    }
    let reply = router.post(ASK).bearer(&token).body("{").send().await;
    assert!(!reply.detail(422).is_empty());
    let reply = router.get(ASK).bearer(&token).send().await;
    assert_eq!(reply.detail(405), "Method Not Allowed");
}

#[tokio::test]
async fn a_url_is_of_no_use_after_an_hour() {
    let router = Router::start().await;
    url(&router).await;
    let lifetime = "SELECT expires - updated AS microseconds FROM upload_sessions";
    assert_eq!(
        router.ledger(lifetime)[0]["microseconds"],
        3_600_000_000_i64
    );
}
