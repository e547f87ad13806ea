//! HTTP/2 beside HTTP/1.1 where H2C=1 asks for it.

mod floods;
mod requests;
mod stalls;

use crate::harness::http2::{END_HEADERS, HEADERS, Http2, field, frame, request};
use crate::harness::router::upload_url;
use crate::harness::{Launch, Router, Token, form};

/// A router that speaks both.
async fn started() -> Router {
    Launch::new().env("H2C", "1").start().await
}

/// Whether somebody else is served, in both versions.
async fn others_are_served(router: &Router) {
    assert_eq!(router.get("/hello_world").send().await.status, 200);
    let other = Http2::open(router.address).await;
    assert_eq!(other.get("/hello_world").await.status, 200);
}

/// The head of an upload, on the first stream; its body is a form.
fn begun_upload(uid: &str) -> Vec<u8> {
    let bearer = format!("Bearer {}", Token::of(uid).signed());
    let fields = [
        request("POST", &upload_url(uid)),
        field("authorization", &bearer),
        field("content-type", &form::content_type()),
    ];
    frame(HEADERS, END_HEADERS, 1, &fields.concat())
}
