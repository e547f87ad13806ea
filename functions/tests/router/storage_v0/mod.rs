//! Cloud Storage for Firebase, as the SDKs put it on the wire: one file for each subject.

mod access;
mod download;
mod events;
mod list;
mod metadata;
mod multipart;
mod names;
mod tokens;

use serde_json::{Value, json};

use crate::harness::event::BUCKET;
use crate::harness::{Call, Reply, Router, Token};

/// The name in the path or the query, as `encodeURIComponent` writes it.
pub(crate) fn escaped(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

pub(crate) fn objects() -> String {
    format!("/v0/b/{BUCKET}/o")
}

pub(crate) fn object(name: &str) -> String {
    format!("{}/{}", objects(), escaped(name))
}

pub(crate) fn media(name: &str) -> String {
    format!("{}?alt=media", object(name))
}

/// What the web's SDK sends with every request of a signed-in user.
pub(crate) fn signed_in(call: Call, uid: &str) -> Call {
    let token = Token::of(uid).signed();
    call.header("authorization", format!("Firebase {token}"))
        .header("x-firebase-storage-version", "webjs/12.19.0")
}

/// `uploadBytes`: two parts, and no line break behind the last boundary.
pub(crate) fn multipart(router: &Router, name: &str, said: &Value, file: &[u8]) -> Call {
    const BOUNDARY: &str = "00047299413842398400893";
    let media = said["contentType"].as_str();
    let media = media.unwrap_or("application/octet-stream");
    let head = format!(
        "--{BOUNDARY}\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{said}\r\n\
         --{BOUNDARY}\r\nContent-Type: {media}\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--");
    router
        .post(&format!("{}?name={}", objects(), escaped(name)))
        .header("x-goog-upload-protocol", "multipart")
        .header(
            "content-type",
            format!("multipart/related; boundary={BOUNDARY}"),
        )
        .body([head.as_bytes(), file, end.as_bytes()].concat())
}

/// Uploads as the user U1 and returns the metadata.
///
/// # Panics
/// Unless it succeeds.
pub(crate) async fn upload(router: &Router, name: &str, said: Value, file: &[u8]) -> Value {
    let mut all = json!({"name": name});
    if let (Some(all), Value::Object(said)) = (all.as_object_mut(), said) {
        all.extend(said);
    }
    let call = multipart(router, name, &all, file);
    let reply = signed_in(call, "U1").send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// As the user U1.
pub(crate) async fn send(call: Call) -> Reply {
    signed_in(call, "U1").send().await
}

/// # Panics
/// Unless this is a refusal in the shape of Google's JSON APIs; returns its text.
#[track_caller]
pub(crate) fn refusal(reply: &Reply, status: u16) -> String {
    assert_eq!(reply.status, status, "{reply:?}");
    let body = reply.json();
    assert_eq!(body["error"]["code"], status, "{reply:?}");
    let message = body["error"]["message"].as_str().expect("a message");
    message.to_owned()
}
