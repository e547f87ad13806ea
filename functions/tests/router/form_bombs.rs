//! Forms that would cost their reader more than their sender.

use crate::harness::router::upload_url;
use crate::harness::{Reply, Router, Token, form};

async fn send(router: &Router, body: Vec<u8>) -> Reply {
    let call = router
        .post(&upload_url("U1"))
        .bearer(Token::of("U1").signed());
    call.form_type().chunked(body).send().await
}

fn fields(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|at| form::part(&format!("f{at}"), None, b"x"))
        .collect()
}

/// A part whose head goes on and on.
fn endless_head(bytes: usize) -> Vec<u8> {
    let opening = form::opening("x", None);
    let opening = opening.strip_suffix(b"\r\n").unwrap();
    [opening, b"x: ", "y".repeat(bytes).as_bytes()].concat()
}

#[tokio::test]
async fn a_form_of_many_parts_or_of_parts_without_end_is_refused_and_leaves_nothing() {
    const MUCH: usize = 8 << 20;
    let router = Router::start().await;
    let before = router.files();
    let file = || form::part("file", Some("a.webm"), b"content");
    let long = |name: &str| form::part(name, None, &vec![b'x'; MUCH]);
    for (what, body) in [
        (
            "fields before the file",
            [fields(16), file(), form::end()].concat(),
        ),
        (
            "fields behind the file",
            [file(), fields(16), form::end()].concat(),
        ),
        (
            "fields around the file",
            [fields(8), file(), fields(8), form::end()].concat(),
        ),
        ("nothing but fields", [fields(10_000), form::end()].concat()),
        ("two files", [file(), file(), form::end()].concat()),
        (
            "a long field before the file",
            [long("x"), file(), form::end()].concat(),
        ),
        (
            "a long field behind the file",
            [file(), long("x"), form::end()].concat(),
        ),
        (
            "a long part without a name",
            [long(""), file(), form::end()].concat(),
        ),
        ("a head without end before the file", endless_head(MUCH)),
        (
            "a head without end behind the file",
            [file(), endless_head(MUCH)].concat(),
        ),
        (
            "a head of many lines",
            [form::opening("x", None), b"x: y\r\n".repeat(MUCH / 6)].concat(),
        ),
        (
            "words before the first part",
            [vec![b'x'; MUCH], file(), form::end()].concat(),
        ),
    ] {
        let reply = send(&router, body).await;
        assert!(matches!(reply.status, 400 | 413 | 422), "{what}: {reply:?}");
        router.nothing_staged().await;
        assert_eq!(router.files(), before, "{what}");
    }
    let reply = send(&router, [fields(15), file(), form::end()].concat()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}
