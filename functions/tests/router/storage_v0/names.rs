//! Object names: any text of 1 to 1024 bytes.

use serde_json::json;

use super::{escaped, media, multipart, object, objects, refusal, send, upload};
use crate::harness::Router;

const FOLDER: &str = "user_uploads/U1/";

#[tokio::test]
async fn a_name_is_kept_as_it_is_and_never_means_another_place() {
    let router = Router::start().await;
    for name in [
        "a b/ü+%/f#?.txt",
        "100%",
        "%2F",
        "%252F",
        "a%2Fb",
        "..",
        "../../../escaped",
        "./x",
        "/",
        "a//b",
        ".hidden",
        r"..\x",
        "a\u{0}b",
        "a\r\nb",
        "\u{1f600}",
        "!$'()*,=:@&;",
    ] {
        let name = format!("{FOLDER}{name}");
        let answer = upload(&router, &name, json!({}), name.as_bytes()).await;
        assert_eq!(answer["name"], name);
        assert_eq!(send(router.get(&object(&name))).await.json(), answer);
        assert_eq!(send(router.get(&media(&name))).await.body, name);
    }
    let outside = router
        .files()
        .into_iter()
        .filter(|file| file.contains("escaped"));
    assert!(
        outside
            .into_iter()
            .all(|file| file.contains("user_chunks/U1/"))
    );
}

#[tokio::test]
async fn a_name_has_1_to_1024_bytes() {
    let router = Router::start().await;
    let longest = format!("{FOLDER}{}", "ü".repeat((1024 - FOLDER.len()) / 2));
    assert_eq!(longest.len(), 1024);
    upload(&router, &longest, json!({}), b"x").await;
    assert_eq!(send(router.get(&media(&longest))).await.text(), "x");
    for name in ["", &format!("{longest}x")] {
        refusal(&send(multipart(&router, name, &json!({}), b"x")).await, 400);
        let target = format!("{}?name={}", objects(), escaped(name));
        refusal(&send(router.post(&target).body("x")).await, 400);
    }
    refusal(
        &send(router.get(&object(&format!("{longest}x")))).await,
        400,
    );
}

#[tokio::test]
async fn a_plus_sign_is_itself_in_the_path_and_a_space_in_the_query() {
    let router = Router::start().await;
    let target = format!("{}?name=user_uploads/U1/a+b%2Bc", objects());
    let reply = send(router.post(&target).body("x")).await;
    assert_eq!(reply.json()["name"], "user_uploads/U1/a b+c", "{reply:?}");
    let target = format!("{}/user_uploads%2FU1%2Fa%20b+c", objects());
    assert_eq!(send(router.get(&target)).await.status, 200);
}

#[tokio::test]
async fn what_is_not_utf8_is_refused() {
    let router = Router::start().await;
    let target = format!("{}/user_uploads%2FU1%2F%FF", objects());
    refusal(&send(router.get(&target)).await, 400);
    let target = format!("{}?name=user_uploads%2FU1%2F%FF", objects());
    refusal(&send(router.post(&target).body("x")).await, 400);
}
