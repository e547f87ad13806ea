//! Cross-origin calls: listed origins read every answer, errors too; others read none.

use crate::harness::router::{download_url, upload_url};
use crate::harness::{Call, Launch, ORIGIN, Reply, Router, Token};

/// Listed, unlisted, and such as look like a listed one.
const ORIGINS: [(&str, bool); 9] = [
    ("https://holograms-media.web.app", true),
    ("https://holograms.media", true),
    ("http://holograms.media", false),
    ("https://holograms.media:8443", false),
    ("https://holograms.media.example.com", false),
    ("https://www.holograms.media", false),
    ("https://example.com/?https://holograms.media", false),
    ("null", false),
    ("", false),
];

fn preflight(router: &Router, target: &str, origin: &str, method: &str) -> Call {
    router
        .call("OPTIONS", target)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
}

/// Whether `wanted` is in the list that the header is, on one line or on many.
fn names(reply: &Reply, header: &str, wanted: &str) -> bool {
    let lines = reply.headers.get_all(header).iter();
    lines
        .flat_map(|line| line.to_str().unwrap().split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(wanted))
}

/// # Panics
/// Unless `origin` may read the answer exactly when it is listed.
#[track_caller]
fn must_be_readable_by(reply: &Reply, origin: &str, listed: bool) {
    let allowed = if listed { origin } else { "" };
    assert_eq!(
        reply.header("access-control-allow-origin"),
        allowed,
        "{origin}: {reply:?}"
    );
    assert!(names(reply, "vary", "origin"), "{origin}: {reply:?}");
    assert_eq!(
        reply.header("access-control-allow-credentials"),
        "",
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_preflight_of_a_listed_origin_names_what_it_may_send() {
    let router = Router::start().await;
    for (target, method) in [
        ("/auth_sync", "POST"),
        ("/auth_sync_user", "POST"),
        (&upload_url("U1"), "POST"),
        ("/api/v1/upload_chunk/U1", "POST"),
        (&download_url("U1", "a.webm"), "GET"),
    ] {
        let reply = preflight(&router, target, ORIGIN, method).send().await;
        assert_eq!(
            (reply.status, reply.body.len()),
            (204, 0),
            "{target}: {reply:?}"
        );
        must_be_readable_by(&reply, ORIGIN, true);
        assert!(
            names(&reply, "access-control-allow-methods", method),
            "{reply:?}"
        );
        for header in ["authorization", "content-type"] {
            assert!(
                names(&reply, "access-control-allow-headers", header),
                "{reply:?}"
            );
        }
        assert_eq!(reply.header("access-control-max-age"), "3600");
    }
}

#[tokio::test]
async fn only_a_listed_origin_is_echoed() {
    let router = Router::start().await;
    for (origin, listed) in ORIGINS {
        let reply = preflight(&router, "/auth_sync", origin, "POST")
            .send()
            .await;
        must_be_readable_by(&reply, origin, listed);
        let call = router.post("/auth_sync").header("origin", origin);
        let reply = call.bearer(Token::of("U1").signed()).send().await;
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        must_be_readable_by(&reply, origin, listed);
    }
}

#[tokio::test]
async fn an_answer_without_an_origin_still_varies_by_it() {
    let router = Router::start().await;
    let reply = router.post("/auth_sync").send().await;
    assert_eq!(reply.header("access-control-allow-origin"), "");
    assert!(names(&reply, "vary", "origin"), "{reply:?}");
}

#[tokio::test]
async fn every_error_is_readable_by_the_page_that_caused_it() {
    let router = Launch::new()
        .set("functions.auth_sync", "max_body", "\"1KiB\"")
        .set("buckets.chunks", "max_object", "\"1KiB\"")
        .env(
            "NEON_DATABASE_URL",
            "postgresql://owner@127.0.0.1:9/app?sslmode=disable",
        )
        .start()
        .await;
    let (mine, other) = (Token::of("U1").signed(), Token::of("U2").signed());
    let upload = || router.post(&upload_url("U1"));
    let download = || router.get(&download_url("U1", "absent.webm"));
    let too_large = crate::harness::form::file("a.webm", &[0; 2048]);
    let refusals = [
        (401, router.post("/auth_sync")),
        (401, router.post("/auth_sync").bearer("garbage")),
        (405, router.get("/auth_sync")),
        (413, router.post("/auth_sync").bearer(&mine).body([0; 1025])),
        (
            415,
            router
                .post("/auth_sync")
                .bearer(&mine)
                .header("content-encoding", "gzip")
                .body("x"),
        ),
        (500, router.post("/auth_sync").bearer(&mine)),
        (401, upload()),
        (403, upload().bearer(&other)),
        (405, router.get(&upload_url("U1"))),
        (413, upload().bearer(&mine).form(too_large)),
        (422, upload().bearer(&mine)),
        (401, download()),
        (403, download().bearer(&other)),
        (404, download().bearer(&mine)),
        (404, router.get("/nope")),
        (404, router.post("/holograms-media/us-central1/auth_sync")),
    ];
    for (status, call) in refusals {
        let reply = call.header("origin", ORIGIN).send().await;
        assert_eq!(reply.status, status, "{reply:?}");
        must_be_readable_by(&reply, ORIGIN, true);
    }
}

#[tokio::test]
async fn a_page_may_read_what_a_download_says_about_the_file() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"0123456789").await;
    let call = router.get(&download_url("U1", "a.webm")).bearer(&token);
    let call = call.header("origin", ORIGIN).header("range", "bytes=0-1");
    let reply = call.send().await;
    must_be_readable_by(&reply, ORIGIN, true);
    for header in [
        "content-disposition",
        "content-range",
        "etag",
        "x-request-id",
    ] {
        assert!(
            names(&reply, "access-control-expose-headers", header),
            "{header}: {reply:?}"
        );
    }
}
