//! Another manifest for a server that runs, and the events that it delivers.

use reqwest::Method;

use crate::events::{attempts, change};
use crate::functions::{MANIFEST, server, told};
use crate::metrics::{counting, until_counted};

fn edited(section: &str, line: &str) -> String {
    let header = format!("[functions.{section}]\n");
    assert!(MANIFEST.contains(&header));
    MANIFEST.replacen(&header, &format!("{header}{line}\n"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_switched_off_is_told_of_nothing_until_it_is_on_again() {
    let server = server().await;
    server
        .reload(&edited("tell_finalized", "enabled = false"))
        .unwrap();
    change(&server, Method::PUT, "u/1/while-off", "x").await;
    server.reload(MANIFEST).unwrap();
    change(&server, Method::PUT, "u/1/while-on", "x").await;
    attempts("u/1/while-on", 1).await;
    assert!(told("u/1/while-off").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_retried_as_the_new_manifest_says() {
    let server = counting().await;
    let other = MANIFEST.replacen("attempts = 3", "attempts = 2", 1);
    assert_ne!(other, MANIFEST);
    server.reload(&other).unwrap();
    change(&server, Method::PUT, "u/reload/fails-always", "x").await;
    let given_up = r#"router_deliveries_total{function="tell_finalized",outcome="given_up"} 1"#;
    until_counted(&server, given_up).await;
    assert_eq!(told("u/reload/fails-always").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_cannot_be_taken_is_refused_whole() {
    let server = server().await;
    let refused = edited("tell_finalized", "enabled = false").replacen("1MiB", "2MiB", 1);
    let error = server.reload(&refused).unwrap_err().to_string();
    assert!(error.contains("[buckets.files] max_object"), "{error}");
    change(&server, Method::PUT, "u/1/as-before", "x").await;
    attempts("u/1/as-before", 1).await;
}
