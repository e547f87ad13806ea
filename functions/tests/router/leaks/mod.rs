//! What nobody else may read: secrets in the log, and causes in answers.

mod egress;
mod errors;
mod lines;
mod refused_starts;
mod secrets;

use uuid::Uuid;

use crate::harness::{Router, eventually};

/// One URL of each kind that the product has, and some that it does not have.
const TARGETS: [(&str, &str); 24] = [
    ("GET", "/hello_world"),
    ("POST", "/auth_sync"),
    ("GET", "/auth_sync"),
    ("POST", "/holograms-media/europe-west1/auth_sync_user"),
    ("POST", "/tria_chat"),
    ("POST", "/tria_chat_handler"),
    ("POST", "/api/chat"),
    ("POST", "/tria_chat_log"),
    ("POST", "/process_chunk"),
    ("POST", "/api/v1/chunks/upload_chunk/U1"),
    ("POST", "/api/v1/upload_chunk/U1"),
    ("GET", "/api/v1/chunks/download_chunk/U1/a.webm"),
    ("POST", "/api/v1/generate-upload-url"),
    ("POST", "/api/v1/direct_upload"),
    ("GET", "/v0/b/holograms-media.firebasestorage.app/o"),
    ("POST", "/v0/b/holograms-media.firebasestorage.app/o"),
    (
        "GET",
        "/v0/b/holograms-media.firebasestorage.app/o/user_uploads%2FU1%2Fa",
    ),
    (
        "PATCH",
        "/v0/b/holograms-media.firebasestorage.app/o/user_uploads%2FU1%2Fa",
    ),
    (
        "DELETE",
        "/v0/b/holograms-media.firebasestorage.app/o/user_uploads%2FU1%2Fa",
    ),
    ("GET", "/metrics"),
    ("GET", "/readyz"),
    ("GET", "/healthz"),
    ("OPTIONS", "/auth_sync"),
    ("GET", "/nowhere"),
];

/// The log, once it holds everything that happened before.
async fn whole_log(router: &Router) -> String {
    let last = format!("/last-{}", Uuid::new_v4());
    router.get(&last).send().await;
    eventually("the log is written", async || router.log().contains(&last)).await;
    router.log()
}
