//! Who may do what, and how a refusal reads.

use serde_json::json;

use super::{escaped, media, multipart, object, objects, refusal, send, signed_in, upload};
use crate::harness::{Answer, Call, Launch, ORIGIN, Router, Token};

const NAME: &str = "user_uploads/U1/a.txt";

fn all(router: &Router, name: &str) -> Vec<Call> {
    let start = format!("{}?name={name}", objects());
    vec![
        router.get(&object(name)),
        router.get(&media(name)),
        router.call("HEAD", &object(name)),
        router.call("PATCH", &object(name)).body("{}"),
        router.call("DELETE", &object(name)),
        multipart(router, name, &json!({}), b"theirs"),
        router.post(&start).body("theirs"),
        router
            .post(&start)
            .header("x-goog-upload-protocol", "resumable")
            .header("x-goog-upload-command", "start")
            .body("{}"),
        router.post(&format!("{}?create_token=true", object(name))),
    ]
}

#[tokio::test]
async fn anothers_object_is_refused_alike_whether_or_not_it_exists() {
    let router = Router::start().await;
    upload(&router, NAME, json!({}), b"mine").await;
    let before = router.files();
    for name in [
        NAME,
        "user_uploads/U1/absent",
        "other/x",
        "a",
        "user_uploads/U1",
    ] {
        for call in all(&router, name) {
            let reply = signed_in(call, "U2").send().await;
            assert_eq!(reply.status, 403, "{name}: {reply:?}");
            if !reply.body.is_empty() {
                assert_eq!(refusal(&reply, 403), "Permission denied.");
            }
        }
        for call in all(&router, name) {
            let reply = call.send().await;
            assert_eq!(reply.status, 401, "{name}: {reply:?}");
        }
    }
    assert_eq!(router.files(), before);
    assert_eq!(send(router.get(&media(NAME))).await.text(), "mine");
}

#[tokio::test]
async fn outside_of_the_users_folders_nobody_may_do_anything() {
    let router = Router::start().await;
    for name in ["other/x", "a", "user_uploads/U1", "user_uploads//x", "../x"] {
        for call in all(&router, name) {
            assert_eq!(send(call).await.status, 403, "{name}");
        }
    }
}

#[tokio::test]
async fn a_bad_token_is_told_from_none() {
    let router = Router::start().await;
    let expired = Token::of("U1").claim("exp", 1).signed();
    for value in [
        "Firebase garbage",
        "Bearer garbage",
        "Basic x",
        &format!("Firebase {expired}"),
    ] {
        for call in all(&router, NAME) {
            let reply = call.header("authorization", value).send().await;
            assert_eq!(reply.status, 401, "{value}: {reply:?}");
        }
    }
    let bearer = router.get(&object(NAME)).bearer(Token::of("U1").signed());
    refusal(&bearer.send().await, 404);
}

#[tokio::test]
async fn without_keys_nobody_is_refused_for_good() {
    let router = Router::start().await;
    router.keys.answers(Answer::Failure);
    let reply = send(router.get(&object(NAME))).await;
    refusal(&reply, 503);
    assert!(!reply.header("retry-after").is_empty(), "{reply:?}");
}

#[tokio::test]
async fn what_app_check_sends_when_it_failed_is_ignored() {
    let router = Router::start().await;
    let junk = "eyJlcnJvciI6IlVOS05PV05fRVJST1IifQ==";
    let call = multipart(&router, NAME, &json!({}), b"x").header("x-firebase-appcheck", junk);
    assert_eq!(send(call).await.status, 200);
}

#[tokio::test]
async fn a_page_reads_every_header_of_a_refusal_and_asks_for_a_preflight_once_an_hour() {
    let router = Router::start().await;
    let call = router.get(&object(NAME)).header("origin", ORIGIN);
    let reply = call.send().await;
    refusal(&reply, 401);
    assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
    assert!(
        reply
            .header("access-control-expose-headers")
            .contains("x-request-id")
    );

    let asked = "authorization,content-type,x-firebase-storage-version,x-goog-upload-command,\
                 x-goog-upload-offset";
    let call = router
        .call("OPTIONS", &object(NAME))
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", asked)
        .header("access-control-request-private-network", "true");
    let reply = call.send().await;
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    assert_eq!(reply.header("access-control-allow-headers"), asked);
    assert_eq!(reply.header("access-control-max-age"), "3600");
    assert_eq!(reply.header("access-control-allow-private-network"), "true");
    assert!(
        reply
            .header("access-control-allow-methods")
            .contains("PATCH")
    );
}

#[tokio::test]
async fn a_full_disk_may_be_tried_again() {
    let router = Launch::new()
        .set("buckets.chunks", "min_free", "\"1000000GiB\"")
        .start()
        .await;
    let call = multipart(&router, NAME, &json!({}), b"x");
    refusal(&send(call).await, 507);
}

const RULES: &str = r#"[
    { objects = "public/**", read = "anyone", write = "signed_in" },
    { objects = "user_uploads/{uid}/public/**", read = "anyone", write = "signed_in" },
    { objects = "user_uploads/{uid}/**", read = "signed_in", write = "owner" },
]"#;

#[tokio::test]
async fn the_rules_of_the_manifest_hold_for_every_interface() {
    let rules = RULES.replace('\n', " ");
    let launch = Launch::new().set("buckets.chunks", "access", &rules);
    let router = launch.start().await;
    let (mine, other) = (Token::of("U1").signed(), Token::of("U2").signed());
    upload(&router, NAME, json!({}), b"mine").await;

    let read = signed_in(router.get(&media(NAME)), "U2").send().await;
    assert_eq!(read.text(), "mine");
    assert_eq!(router.download("U1", &other, "a.txt").await.text(), "mine");
    let list = format!("{}?prefix=user_uploads%2FU1%2F", objects());
    let list = signed_in(router.get(&list), "U2").send().await;
    assert_eq!(list.json()["items"][0]["name"], NAME);
    refusal(&router.get(&media(NAME)).send().await, 401);

    let write = multipart(&router, NAME, &json!({}), b"theirs");
    refusal(&signed_in(write, "U2").send().await, 403);
    let write = router.upload("U1", &other, "a.txt", b"theirs").await;
    assert_eq!(write.detail(403), "Forbidden");
    assert_eq!(
        router.upload("U1", &mine, "a.txt", b"new").await.status,
        200
    );
}

#[tokio::test]
async fn a_rule_for_one_file_holds_for_every_interface() {
    let rules = r#"[
        { objects = "user_uploads/{uid}/avatar.png", read = "anyone", write = "owner" },
        { objects = "user_uploads/{uid}/**", read = "owner", write = "owner" },
    ]"#;
    let launch = Launch::new().set("buckets.chunks", "access", &rules.replace('\n', " "));
    let router = launch.start().await;
    for name in ["avatar.png", "a.txt"] {
        upload(&router, &format!("user_uploads/U1/{name}"), json!({}), b"x").await;
    }
    let path = "/api/v1/chunks/download_chunk/U1";
    for (name, status) in [("avatar.png", 200), ("a.txt", 401), ("absent", 401)] {
        let seed = router.get(&format!("{path}/{name}")).send().await;
        let v0 = media(&format!("user_uploads/U1/{name}"));
        let v0 = router.get(&v0).send().await;
        assert_eq!((seed.status, v0.status), (status, status), "{name}");
    }
}

#[tokio::test]
async fn what_anyone_may_read_takes_no_token_and_no_bad_one() {
    let rules = RULES.replace('\n', " ");
    let launch = Launch::new().set("buckets.chunks", "access", &rules);
    let router = launch.start().await;
    for folder in ["user_uploads/U1/public/", "public/"] {
        let public = &format!("{folder}logo.svg");
        upload(&router, public, json!({}), b"<svg/>").await;
        let list = format!("{}?prefix={}&delimiter=%2F", objects(), escaped(folder));
        for target in [object(public), media(public), list] {
            let reply = router.get(&target).send().await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let reply = router.get(&target).bearer("garbage").send().await;
            refusal(&reply, 401);
        }
        let write = multipart(&router, public, &json!({}), b"x");
        refusal(&write.send().await, 401);
    }
    refusal(
        &send(router.get(&format!("{}?prefix=", objects()))).await,
        403,
    );
}
