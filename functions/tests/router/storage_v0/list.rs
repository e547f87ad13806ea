//! Lists of a folder.

use serde_json::{Value, json};

use super::{escaped, objects, refusal, send, signed_in, upload};
use crate::harness::Router;

const FOLDER: &str = "user_uploads/U1/";

async fn page(router: &Router, query: &str) -> Value {
    let reply = send(router.get(&format!("{}?{query}", objects()))).await;
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    reply.json()
}

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    let names = items.map(|item| item["name"].as_str().unwrap());
    names
        .map(|name| name.strip_prefix(FOLDER).unwrap_or(name).to_owned())
        .collect()
}

fn folder(path: &str) -> String {
    format!(
        "prefix={}&delimiter=%2F",
        escaped(&format!("{FOLDER}{path}"))
    )
}

#[tokio::test]
async fn a_folder_lists_its_objects_and_the_folders_in_it() {
    let router = Router::start().await;
    for name in ["b", "a b/ü+%", "a b/deep/er", "B", "ä"] {
        upload(&router, &format!("{FOLDER}{name}"), json!({}), b"").await;
    }
    let item = |name: &str| {
        let bucket = "holograms-media.firebasestorage.app";
        json!({"name": format!("{FOLDER}{name}"), "bucket": bucket})
    };
    let expected = json!({
        "prefixes": [format!("{FOLDER}a b/")],
        "items": [item("B"), item("b"), item("ä")],
    });
    assert_eq!(page(&router, &folder("")).await, expected);
    let below = page(&router, &folder("a b/")).await;
    assert_eq!(names(&below), ["a b/ü+%"]);
    assert_eq!(below["prefixes"], json!([format!("{FOLDER}a b/deep/")]));
    let none = json!({"prefixes": [], "items": []});
    assert_eq!(page(&router, &folder("absent/")).await, none);

    let all = page(&router, &format!("prefix={}", escaped(FOLDER))).await;
    assert_eq!(names(&all), ["B", "a b/deep/er", "a b/ü+%", "b", "ä"]);
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition() {
    let router = Router::start().await;
    let mut expected = Vec::new();
    for at in 0..10 {
        // Every third one lies in a folder.
        let name = if at % 3 == 0 {
            format!("{at}/x")
        } else {
            at.to_string()
        };
        upload(&router, &format!("{FOLDER}{name}"), json!({}), b"").await;
        expected.push(if at % 3 == 0 { format!("{at}/") } else { name });
    }
    let (mut found, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let query = format!("{}&maxResults=4&pageToken={token}", folder(""));
        let page = page(&router, &query).await;
        let prefixes = page["prefixes"].as_array().unwrap().iter();
        let mut here: Vec<String> = prefixes
            .map(|prefix| prefix.as_str().unwrap()[FOLDER.len()..].to_owned())
            .chain(names(&page))
            .collect();
        here.sort();
        sizes.push(here.len());
        found.extend(here);
        match page.get("nextPageToken") {
            Some(next) => token = next.as_str().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(found, expected);
    assert_eq!(sizes, [4, 4, 2]);
}

#[tokio::test]
async fn names_that_no_client_could_show_are_hidden() {
    let router = Router::start().await;
    for name in ["a//b", "/a", "a/", "ok"] {
        upload(&router, &format!("{FOLDER}{name}"), json!({}), b"").await;
    }
    let all = page(&router, &format!("prefix={}", escaped(FOLDER))).await;
    assert_eq!(names(&all), ["ok"]);
}

#[tokio::test]
async fn a_list_of_what_is_not_ones_own_is_refused() {
    let router = Router::start().await;
    let own = format!("{}?{}", objects(), folder(""));
    refusal(&router.get(&own).send().await, 401);
    refusal(&signed_in(router.get(&own), "U2").send().await, 403);
    for prefix in ["", "user_uploads/", "user_uploads/U2/", "other/", "/"] {
        let target = format!("{}?prefix={}&delimiter=%2F", objects(), escaped(prefix));
        refusal(&send(router.get(&target)).await, 403);
    }
}

#[tokio::test]
async fn a_malformed_list_is_refused() {
    let router = Router::start().await;
    let prefix = escaped(FOLDER);
    let message = "The prefix parameter is required to be empty or ends with a single / character.";
    let target = format!("{}?prefix=user_uploads%2FU1", objects());
    assert_eq!(refusal(&send(router.get(&target)).await, 400), message);
    for query in [
        "maxResults=0",
        "maxResults=x",
        "delimiter=%2F%2F",
        "pageToken=%21",
    ] {
        let target = format!("{}?prefix={prefix}&{query}", objects());
        refusal(&send(router.get(&target)).await, 400);
    }
}
