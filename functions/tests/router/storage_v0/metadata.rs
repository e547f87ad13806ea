//! Metadata read and changed, and objects deleted.

use serde_json::{Value, json};

use super::{media, multipart, object, refusal, send, upload};
use crate::harness::{Call, Reply, Router, Token};

const NAME: &str = "user_uploads/U1/a b/ü+%/f#?.txt";

async fn patch(router: &Router, change: &Value) -> Reply {
    let call = router
        .call("PATCH", &object(NAME))
        .header("content-type", "application/json; charset=utf-8");
    send(call.body(change.to_string())).await
}

async fn changed(router: &Router, change: Value) -> Value {
    let reply = patch(router, &change).await;
    assert_eq!(reply.status, 200, "{change}: {reply:?}");
    let answer = reply.json();
    assert_eq!(send(router.get(&object(NAME))).await.json(), answer);
    answer
}

#[tokio::test]
async fn what_an_upload_was_answered_with_is_read_again() {
    let router = Router::start().await;
    let said = json!({"contentType": "text/plain", "metadata": {"k": "v"}});
    let uploaded = upload(&router, NAME, said, b"hello").await;
    assert_eq!(send(router.get(&object(NAME))).await.json(), uploaded);
    let head = send(router.call("HEAD", &object(NAME))).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_change_sets_unsets_and_merges() {
    let router = Router::start().await;
    let said = json!({"cacheControl": "no-store", "metadata": {"a": "1", "b": "2"}});
    let before = upload(&router, NAME, said, b"hello").await;

    let after = changed(
        &router,
        json!({"contentLanguage": "de", "cacheControl": null}),
    )
    .await;
    assert_eq!(after["contentLanguage"], "de");
    assert_eq!(after.get("cacheControl"), None);
    assert_eq!(after["metadata"], json!({"a": "1", "b": "2"}));
    for kept in [
        "generation",
        "size",
        "md5Hash",
        "timeCreated",
        "downloadTokens",
    ] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!(after["metageneration"], "2");
    assert_ne!(after["etag"], before["etag"]);

    let after = changed(&router, json!({"metadata": {"a": null, "c": 3, "d": true}})).await;
    assert_eq!(after["metadata"], json!({"b": "2", "c": "3", "d": "true"}));
    let after = changed(&router, json!({"metadata": null, "contentType": "a/b"})).await;
    assert_eq!(after.get("metadata"), None);
    assert_eq!(after["contentType"], "a/b");
    assert_eq!(after["downloadTokens"], before["downloadTokens"]);
    assert_eq!(after["metageneration"], "4");
}

#[tokio::test]
async fn what_a_client_may_not_set_is_passed_over() {
    let router = Router::start().await;
    let before = upload(&router, NAME, json!({}), b"hello").await;
    let wish = json!({
        "name": "x", "size": "9", "md5Hash": "x", "generation": "1", "bucket": "x", "new": [1],
        "downloadTokens": "x", "metadata": {"firebaseStorageDownloadTokens": "guessable"},
    });
    let mut after = changed(&router, wish).await;
    for moved in ["metageneration", "updated", "etag"] {
        after[moved] = before[moved].clone();
    }
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_client_that_cannot_patch_says_so_in_a_header() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), b"hello").await;
    for method in ["PUT", "POST"] {
        let call = router
            .call(method, &object(NAME))
            .header("x-http-method-override", "PATCH");
        let change = json!({"contentLanguage": method}).to_string();
        let reply = send(call.body(change)).await;
        assert_eq!(reply.json()["contentLanguage"], method, "{reply:?}");
    }
    assert_eq!(send(router.get(&media(NAME))).await.text(), "hello");

    for (meant, status) in [("GET", 400), ("", 400), ("delete", 204)] {
        let call = router
            .post(&object(NAME))
            .header("x-http-method-override", meant);
        assert_eq!(send(call.body("x")).await.status, status, "{meant}");
        let left = if status == 204 { 404 } else { 200 };
        let reply = send(router.get(&object(NAME))).await;
        assert_eq!(reply.status, left, "{meant}");
    }
}

#[tokio::test]
async fn a_change_that_is_none_is_refused() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), b"hello").await;
    for change in [
        json!([]),
        json!({"contentType": 5}),
        json!({"contentType": "a\r\nb: c"}),
    ] {
        refusal(&patch(&router, &change).await, 400);
    }
    let long = json!({"metadata": {"k": "x".repeat(40 << 10)}});
    refusal(&patch(&router, &long).await, 400);
}

#[tokio::test]
async fn many_changes_make_an_object_no_longer_than_one_could() {
    let router = Router::start().await;
    let half = "x".repeat(4000);
    upload(&router, NAME, json!({"metadata": {"a": half}}), b"").await;
    changed(&router, json!({"metadata": {"b": half}})).await;
    let before = send(router.get(&object(NAME))).await.json();
    let refused = patch(&router, &json!({"metadata": {"c": half}})).await;
    assert_eq!(refusal(&refused, 400), "The metadata is too long");
    for _ in 0..5 {
        send(router.post(&format!("{}?create_token=true", object(NAME)))).await;
    }
    let after = send(router.get(&object(NAME))).await.json();
    assert_eq!(after["metadata"], before["metadata"]);
    let tokens = after["downloadTokens"].as_str().unwrap();
    assert!(tokens.len() < 192, "{tokens}");

    let (name, said) = (
        "user_uploads/U1/b",
        json!({"metadata": {"a": half, "b": half, "c": half}}),
    );
    refusal(&send(multipart(&router, name, &said, b"x")).await, 400);
    assert_eq!(send(router.get(&object(name))).await.status, 404);
    router.nothing_staged().await;
}

#[tokio::test]
async fn an_empty_text_unsets_as_null_does() {
    let router = Router::start().await;
    let said = json!({
        "contentType": "text/plain", "cacheControl": "no-store", "contentEncoding": "br",
        "contentDisposition": "attachment", "contentLanguage": "de",
    });
    for unset in ["", "null"] {
        upload(&router, NAME, said.clone(), b"hello").await;
        let mut change = said.clone();
        for text in change.as_object_mut().unwrap().values_mut() {
            *text = if unset.is_empty() {
                json!("")
            } else {
                json!(null)
            };
        }
        let after = changed(&router, change).await;
        for key in ["cacheControl", "contentDisposition", "contentLanguage"] {
            assert_eq!(after.get(key), None, "{unset:?} {key}");
        }
        let reply = send(router.get(&media(NAME))).await;
        for (header, expected) in [
            ("content-type", "application/octet-stream"),
            ("cache-control", "private, max-age=0"),
            (
                "content-disposition",
                "attachment; filename*=utf-8''f%23%3F.txt",
            ),
        ] {
            assert_eq!(reply.header(header), expected, "{unset:?}");
        }
        for header in ["content-encoding", "content-language"] {
            assert!(!reply.headers.contains_key(header), "{unset:?} {header}");
        }
    }
}

#[tokio::test]
async fn a_deleted_object_is_gone() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), b"hello").await;
    let delete = || router.call("DELETE", &object(NAME));
    let reply = send(delete()).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    for call in [
        delete(),
        router.get(&object(NAME)),
        router.get(&media(NAME)),
        router.call("HEAD", &object(NAME)),
        router.call("PATCH", &object(NAME)).body("{}"),
        router.post(&format!("{}?create_token=true", object(NAME))),
    ] {
        let reply = send(call).await;
        assert_eq!(reply.status, 404, "{reply:?}");
    }
    assert_eq!(refusal(&send(delete()).await, 404), "Not Found.");
}

#[tokio::test]
async fn both_names_of_the_bucket_mean_it_and_no_other_does() {
    let router = Router::start().await;
    upload(&router, "user_uploads/U1/a", json!({}), b"hello").await;
    let get = |bucket: &str| router.get(&format!("/v0/b/{bucket}/o/user_uploads%2FU1%2Fa"));
    assert_eq!(send(get("chunks")).await.status, 200);
    for other in ["other", "holograms-media", "user_chunks", "%2e%2e"] {
        refusal(&send(get(other)).await, 404);
    }
}

#[tokio::test]
async fn another_method_is_refused_with_those_to_use() {
    let router = Router::start().await;
    let target = super::objects();
    for (method, target) in [
        ("DELETE", target.as_str()),
        ("PATCH", &target),
        ("OPTIONS", &object(NAME)),
    ] {
        let reply = send(router.call(method, target)).await;
        refusal(&reply, 405);
        assert!(reply.header("allow").contains("GET"), "{reply:?}");
    }
}

/// Objects that the other interface stored have neither a disposition nor tokens.
#[tokio::test]
async fn an_object_of_the_other_interface_is_described_and_then_has_a_token() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"0123456789").await;
    let get = || -> Call { router.get(&object("user_uploads/U1/a.webm")) };
    let described = send(get()).await.json();
    assert_eq!(described["size"], "10");
    assert_eq!(described.get("contentDisposition"), None);
    assert_eq!(described["metageneration"], "2");
    assert_eq!(described["downloadTokens"].as_str().unwrap().len(), 36);
    assert_eq!(described["metadata"], json!({"originalFilename": "a.webm"}));
    assert_eq!(send(get()).await.json(), described);
}
