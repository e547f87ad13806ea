//! Everything that reads by a name.

use super::{Aviary, VICTIM, corpus};
use crate::harness::router::download_url;
use crate::harness::{Call, Token};
use crate::storage_v0::{objects, signed_in};

#[tokio::test]
async fn no_url_reads_anything_outside_of_the_callers_own() {
    let aviary = Aviary::start().await;
    let router = &aviary.router;
    let token = Token::of("U1").signed();
    for name in corpus::names(router) {
        let own = format!("user_uploads%2FU1%2F{name}");
        let targets = [
            download_url("U1", &name),
            download_url(&name, "secret.txt"),
            format!("{}/{own}?alt=media", objects()),
            format!("{}/{own}", objects()),
            format!("{}/{name}?alt=media", objects()),
            format!("{}/user_uploads/U1/{name}?alt=media", objects()),
            format!("{}/{}/secret.txt?alt=media", objects(), name),
            format!("/v0/b/{name}/o/secret.txt?alt=media"),
            format!("/{name}"),
            format!("/hello_world/{name}"),
            format!("/api/v1/chunks/{name}"),
        ];
        for target in targets {
            if target.contains([' ', '\r', '\n']) {
                continue;
            }
            let reply = router.get(&target).bearer(&token).send().await;
            aviary.heard(&target, &reply);
            if !target.starts_with("/hello_world/") {
                assert!(
                    matches!(reply.status, 400 | 401 | 403 | 404 | 405),
                    "{target}: {reply:?}"
                );
            }
        }
    }
    aviary.is_untouched().await;
}

#[tokio::test]
async fn no_list_names_what_is_not_the_callers() {
    let aviary = Aviary::start().await;
    let router = &aviary.router;
    let lists = |prefix: &str| {
        let all = format!("{}?prefix={prefix}", objects());
        let folders = format!("{all}&delimiter=%2F");
        let behind = format!("{all}&pageToken={prefix}");
        [all, folders, behind]
    };
    for name in corpus::names(router) {
        for prefix in [format!("user_uploads%2FU1%2F{name}"), name] {
            for target in lists(&prefix) {
                let reply = signed_in(router.get(&target), "U1").send().await;
                aviary.heard(&target, &reply);
                assert!(
                    !reply.text().contains("secret.txt\""),
                    "{target}: {reply:?}"
                );
                assert!(
                    matches!(reply.status, 200 | 400 | 403),
                    "{target}: {reply:?}"
                );
            }
        }
    }
    let own = format!("{}?prefix=user_uploads%2F{VICTIM}%2F", objects());
    let reply = signed_in(router.get(&own), VICTIM).send().await;
    assert!(reply.text().contains("secret.txt"), "{reply:?}");
    aviary.is_untouched().await;
}

#[tokio::test]
async fn another_users_object_is_refused_however_it_is_asked_for() {
    let aviary = Aviary::start().await;
    let router = &aviary.router;
    let call = |method: &str, target: &str| -> Call {
        signed_in(router.call(method, target), "U1").header("content-type", "application/json")
    };
    for name in ["secret.txt", "absent.txt"] {
        let object = format!("{}/user_uploads%2F{VICTIM}%2F{name}", objects());
        let media = format!("{object}?alt=media");
        for (method, target) in [
            ("GET", &object),
            ("GET", &media),
            ("PATCH", &object),
            ("DELETE", &object),
        ] {
            let reply = call(method, target).body("{}").send().await;
            aviary.heard(target, &reply);
            assert_eq!(reply.status, 403, "{method} {target}: {reply:?}");
        }
    }
    aviary.is_untouched().await;
}
