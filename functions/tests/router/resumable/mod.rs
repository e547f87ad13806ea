//! Uploads that take several requests: one file for each question.

mod chunks;
mod clients;
mod states;

use serde_json::{Value, json};

use crate::harness::{Call, Reply, Router};
use crate::storage_v0::{escaped, media, objects, send};

const NAME: &str = "user_uploads/U1/ü b.webm";
/// What the answers say chunks are multiples of.
const BLOCK: usize = 262_144;

/// Bytes of which each block differs from the others.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 1000 + at) as u8).collect()
}

fn start_call(router: &Router, length: Option<usize>) -> Call {
    let said = json!({"name": NAME, "contentType": "video/webm", "metadata": {"k": "v"}});
    let mut call = router
        .post(&format!("{}?name={}", objects(), escaped(NAME)))
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .header("x-goog-upload-header-content-type", "video/webm")
        .header("content-type", "application/json; charset=utf-8");
    if let Some(length) = length {
        call = call.header("x-goog-upload-header-content-length", length.to_string());
    }
    call.body(said.to_string())
}

/// The path and query of the upload's URL.
async fn start(router: &Router, length: Option<usize>) -> String {
    let reply = send(start_call(router, length)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    target(router, reply.header("x-goog-upload-url"))
}

fn target(router: &Router, url: &str) -> String {
    let origin = format!("http://{}", router.address);
    let target = url.strip_prefix(&origin);
    target
        .unwrap_or_else(|| panic!("{url} is not at {origin}"))
        .to_owned()
}

/// Without a token, as the SDK of iOS sends it.
fn command(router: &Router, target: &str, command: &str) -> Call {
    router.post(target).header("x-goog-upload-command", command)
}

async fn chunk(router: &Router, target: &str, words: &str, offset: usize, bytes: &[u8]) -> Reply {
    let call = command(router, target, words).header("x-goog-upload-offset", offset.to_string());
    call.body(bytes).send().await
}

async fn query(router: &Router, target: &str) -> (String, String) {
    let reply = command(router, target, "query").body("").send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    standing(&reply)
}

fn standing(reply: &Reply) -> (String, String) {
    let status = reply.header("x-goog-upload-status");
    let received = reply.header("x-goog-upload-size-received");
    (status.to_owned(), received.to_owned())
}

fn stands(status: &str, received: usize) -> (String, String) {
    (status.to_owned(), received.to_string())
}

#[track_caller]
fn must_be_active(reply: &Reply, received: usize) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(standing(reply), stands("active", received), "{reply:?}");
}

/// The metadata that a finished upload is answered with.
#[track_caller]
fn finished(reply: &Reply, size: usize) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(standing(reply), stands("final", size), "{reply:?}");
    let answer = reply.json();
    assert_eq!(answer["name"], NAME);
    assert_eq!(answer["size"], size.to_string());
    answer
}

async fn must_hold(router: &Router, file: &[u8]) {
    let reply = send(router.get(&media(NAME))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(
        reply.body == file,
        "{} bytes of {}",
        reply.body.len(),
        file.len()
    );
}
