//! Everything that writes, changes or removes by a name.

use serde_json::json;

use super::{Aviary, corpus};
use crate::harness::router::upload_url;
use crate::harness::{Reply, Router, Token, form};
use crate::storage_v0::{objects, signed_in};

/// Each attempt to write under `name`, by what it was.
async fn attempts(router: &Router, name: &str) -> Vec<(String, Reply)> {
    let token = Token::of("U1").signed();
    let bytes = corpus::unescaped(name);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut replies = Vec::new();
    // A line break would end the head of the part; a quotation mark the name.
    let in_a_form = |name: &str| !name.contains(['\r', '\n', '"']);
    for name in [name, &text] {
        if in_a_form(name) {
            replies.push((
                format!("a form with {name:?}"),
                router.upload("U1", &token, name, b"x").await,
            ));
            let extended = format!(
                "filename*=UTF-8''{}",
                name.replace('%', "%25").replace('/', "%2F")
            );
            let body = String::from_utf8(form::file("NAME", b"x")).unwrap();
            let body = body.replace("filename=\"NAME\"", &extended);
            let call = router.post(&upload_url("U1")).bearer(&token).form(body);
            replies.push((format!("an extended {name:?}"), call.send().await));
        }
        let wish = json!({"filename": name, "content_type": "video/webm"}).to_string();
        let call = router.post("/api/v1/generate-upload-url").bearer(&token);
        let call = call.header("content-type", "application/json").body(wish);
        replies.push((format!("a wish for {name:?}"), call.send().await));
    }
    if name.contains([' ', '\r', '\n']) {
        return replies;
    }
    let call = router.post(&upload_url(name)).bearer(&token);
    replies.push((
        format!("the uid {name:?}"),
        call.form(form::file("secret.txt", b"x")).send().await,
    ));
    for object in [format!("user_uploads%2FU1%2F{name}"), name.to_owned()] {
        let post = || signed_in(router.post(&format!("{}?name={object}", objects())), "U1");
        replies.push((format!("media {object:?}"), post().body("x").send().await));
        let start = post().header("x-goog-upload-protocol", "resumable");
        let start = start
            .header("x-goog-upload-command", "start")
            .body("{}")
            .send()
            .await;
        let session = start.header("x-goog-upload-url").to_owned();
        replies.push((format!("a session for {object:?}"), start));
        if let Some((_, target)) = session.split_once(&router.address.to_string()) {
            let call = router
                .post(target)
                .header("x-goog-upload-command", "upload, finalize");
            let call = call.header("x-goog-upload-offset", "0").body("x");
            replies.push((format!("the end of {object:?}"), call.send().await));
        }
        for (method, query) in [
            ("PATCH", ""),
            ("POST", "?create_token=true"),
            ("DELETE", ""),
        ] {
            let target = format!("{}/{object}{query}", objects());
            let call = signed_in(router.call(method, &target), "U1");
            let call = call
                .header("content-type", "application/json")
                .body("{\"metadata\":{\"k\":\"v\"}}");
            replies.push((format!("{method} {object:?}"), call.send().await));
        }
    }
    replies
}

#[tokio::test]
async fn no_name_writes_changes_or_removes_anything_outside_of_the_callers_own() {
    let aviary = Aviary::start().await;
    for name in corpus::names(&aviary.router) {
        for (attempt, reply) in attempts(&aviary.router, &name).await {
            aviary.heard(&attempt, &reply);
        }
    }
    aviary.is_untouched().await;
    // Nor is any of it nobody's: only owners may write.
    let nobodys = aviary.router.disk().join("user_chunks/%o");
    assert_eq!(std::fs::read_dir(nobodys).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_name_of_the_seeds_endpoint_is_one_plain_segment_or_refused() {
    let aviary = Aviary::start().await;
    let token = Token::of("U1").signed();
    for name in corpus::names(&aviary.router) {
        let text = String::from_utf8_lossy(&corpus::unescaped(&name)).into_owned();
        let reply = aviary.router.upload("U1", &token, &text, b"x").await;
        let is_plain = (1..=255).contains(&text.len())
            && !text.starts_with('.')
            && !text.contains(|c: char| c == '/' || c == '\\' || c == '"' || c.is_control());
        // A line break ends the head of the part, a last backslash not even the name: whether that or the
        // form is at fault, nobody can say.
        let expected: &[u16] = match is_plain {
            true => &[200],
            false if text.contains('\n') || text.ends_with('\\') => &[400, 422],
            false => &[400],
        };
        assert!(expected.contains(&reply.status), "{text:?}: {reply:?}");
    }
    aviary.is_untouched().await;
}
