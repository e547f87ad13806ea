//! How much a caller may send, and what the disk must keep free.

use crate::harness::router::upload_url;
use crate::harness::{Launch, Router, Token, Wire, form};

const MIB: usize = 1024 * 1024;

async fn with_objects_of_one_mebibyte() -> Router {
    let launch = Launch::new().set("buckets.chunks", "max_object", "\"1MiB\"");
    launch.start().await
}

async fn nothing_was_stored(router: &Router) {
    router.nothing_staged().await;
    let files = router.files();
    assert!(
        !files.iter().any(|path| path.contains("a.webm")),
        "{files:?}"
    );
}

#[tokio::test]
async fn a_file_of_the_greatest_size_is_stored() {
    let router = with_objects_of_one_mebibyte().await;
    let token = Token::of("U1").signed();
    let file = vec![b'x'; MIB];
    let body = form::file("a.webm", &file);
    for call in [
        router.post(&upload_url("U1")).form(body.clone()),
        router.post(&upload_url("U1")).form_type().chunked(body),
    ] {
        let reply = call.bearer(&token).send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(router.download("U1", &token, "a.webm").await.body, file);
    }
}

#[tokio::test]
async fn a_file_of_one_byte_more_is_refused_and_nothing_is_stored() {
    let router = with_objects_of_one_mebibyte().await;
    let token = Token::of("U1").signed();
    let body = form::file("a.webm", &vec![b'x'; MIB + 1]);
    for call in [
        router.post(&upload_url("U1")).form(body.clone()),
        router.post(&upload_url("U1")).form_type().chunked(body),
    ] {
        assert!(!call.bearer(&token).send().await.detail(413).is_empty());
        nothing_was_stored(&router).await;
    }
}

#[tokio::test]
async fn an_endless_file_is_refused_when_it_passes_the_limit() {
    let router = with_objects_of_one_mebibyte().await;
    let call = router
        .post(&upload_url("U1"))
        .bearer(Token::of("U1").signed());
    let mut wire = Wire::open(router.address).await;
    wire.send(call.form_type().chunked("").head()).await;
    let opening = form::opening("file", Some("a.webm"));
    let content = vec![b'x'; 65_536];
    for chunk in std::iter::once(&opening).chain(std::iter::repeat_n(&content, 20)) {
        wire.send(format!("{:x}\r\n", chunk.len())).await;
        wire.send(chunk).await;
        wire.send("\r\n").await;
    }
    assert!(!wire.answer().await.detail(413).is_empty());
    nothing_was_stored(&router).await;
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_before_a_byte_of_the_body() {
    let launch = Launch::new().set("functions.chunks", "max_body", "\"1MiB\"");
    let router = launch.start().await;
    let call = router
        .post(&upload_url("U1"))
        .bearer(Token::of("U1").signed());
    let call = call
        .form_type()
        .header("content-length", (MIB + 1).to_string());
    let mut wire = Wire::open(router.address).await;
    wire.send(call.body("").head()).await;
    assert!(!wire.answer().await.detail(413).is_empty());
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn a_body_may_be_exactly_as_long_as_its_function_allows() {
    let overhead = form::file("a.webm", b"").len();
    let launch = Launch::new().set("functions.chunks", "max_body", "\"1MiB\"");
    let router = launch.start().await;
    let token = Token::of("U1").signed();
    // Nobody reads what follows a form's last boundary, so a few bytes more could go unnoticed.
    for (length, status) in [(MIB, 200), (MIB + 100, 413)] {
        let body = form::file("a.webm", &vec![b'x'; length - overhead]);
        for call in [
            router.post(&upload_url("U1")).form(body.clone()),
            router.post(&upload_url("U1")).form_type().chunked(body),
        ] {
            let reply = call.bearer(&token).send().await;
            assert_eq!(reply.status, status, "{length}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_function_that_never_reads_the_body_has_its_limit_too() {
    let launch = Launch::new().set("functions.auth_sync", "max_body", "\"1KiB\"");
    let launch = launch.set("functions.hello_world", "max_body", "\"1KiB\"");
    let router = launch.start().await;
    let token = Token::of("U1").signed();
    for (target, length, status) in [
        ("/hello_world", 1024, 200),
        ("/hello_world", 1025, 413),
        ("/auth_sync", 1024, 201),
        ("/auth_sync", 1025, 413),
    ] {
        let reply = router
            .post(target)
            .bearer(&token)
            .body(vec![0; length])
            .send()
            .await;
        assert_eq!(reply.status, status, "{target} {length}: {reply:?}");
    }
    let reply = router
        .post("/auth_sync")
        .bearer(&token)
        .body([0; 1025])
        .send()
        .await;
    let body = reply.json();
    assert_eq!(body["status"], "error");
    assert!(body["message"].is_string(), "{body}");
    router
        .post("/hello_world")
        .body([0; 1025])
        .send()
        .await
        .refusal(413, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn many_uploads_at_once_need_a_mebibyte_each_at_most() {
    const MANY: usize = 16;
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let uploads = async |file: &[u8]| {
        let uploads = (0..MANY).map(|number| {
            let (router, token) = (&router, &token);
            async move {
                let name = format!("{number}.webm");
                router.upload("U1", token, &name, file).await.status
            }
        });
        let statuses = futures_util::future::join_all(uploads).await;
        assert_eq!(statuses, [200; MANY]);
    };
    // With the threads that so many need.
    uploads(b"x").await;
    let before = router.memory("VmRSS");
    uploads(&vec![b'x'; 4 * MIB]).await;
    let growth = router.memory("VmHWM").saturating_sub(before);
    assert!(growth < MANY * 1024, "{growth} KiB");
}

#[tokio::test]
async fn a_user_may_fill_a_quota_and_no_more() {
    let launch = Launch::new().set("buckets.chunks", "quota_per_user", "\"64KiB\"");
    let router = launch.start().await;
    let (first, second) = (Token::of("U1").signed(), Token::of("U2").signed());
    let file = vec![b'x'; 40 * 1024];
    assert_eq!(
        router.upload("U1", &first, "a.webm", &file).await.status,
        200
    );
    let reply = router.upload("U1", &first, "b.webm", &file).await;
    assert!(!reply.detail(413).is_empty());
    assert_eq!(router.download("U1", &first, "b.webm").await.status, 404);
    router.nothing_staged().await;

    assert_eq!(router.download("U1", &first, "a.webm").await.body, file);
    assert_eq!(
        router.upload("U2", &second, "b.webm", &file).await.status,
        200
    );
    let overwrite = router.upload("U1", &first, "a.webm", &file).await;
    assert_eq!(
        overwrite.status, 200,
        "the old version does not count: {overwrite:?}"
    );
}

#[tokio::test]
async fn a_disk_that_would_become_too_full_takes_no_file() {
    let launch = Launch::new().set("buckets.chunks", "min_free", "\"1000000GiB\"");
    let router = launch.start().await;
    let token = Token::of("U1").signed();
    let reply = router.upload("U1", &token, "a.webm", b"x").await;
    assert!(!reply.detail(507).is_empty());
    nothing_was_stored(&router).await;
    assert_eq!(router.sync(&token).await.status, 201);
    assert_eq!(router.get("/healthz").send().await.status, 200);
}
