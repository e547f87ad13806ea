//! A harness that notices nothing proves nothing: the product with one step left out, and the layer
//! that must notice.

use crate::named_points::{self, Case};
use crate::order;

#[track_caller]
fn must_be_noticed(verdict: Result<(), String>, words: &str) {
    let fault = verdict.expect_err("nobody noticed");
    assert!(fault.contains(words), "{fault}");
}

#[tokio::test]
async fn a_file_that_is_not_synced_is_noticed() {
    let verdict = order::prove(3, Some("no-file-fsync")).await;
    must_be_noticed(verdict, "no fsync of the file");
}

#[tokio::test]
async fn a_folder_that_is_not_synced_is_noticed() {
    let verdict = order::prove(3, Some("no-dir-fsync")).await;
    must_be_noticed(verdict, "no fsync of the staging folder");
}

#[tokio::test]
async fn an_upload_that_goes_straight_to_its_place_is_noticed() {
    let case = Case {
        point: "mid-write",
        overwrite: true,
        size: 300 << 10,
    };
    let verdict = named_points::run(case, Some("no-staging")).await;
    must_be_noticed(verdict, "not Some(300)");
}

#[tokio::test]
async fn an_effect_without_a_key_is_noticed() {
    let case = Case {
        point: "after-effect",
        overwrite: false,
        size: 300,
    };
    let verdict = named_points::run(case, Some("no-unique-key")).await;
    must_be_noticed(verdict, "repeated: 1");
}

#[tokio::test]
async fn a_start_that_does_not_sweep_is_noticed() {
    let case = Case {
        point: "after-create",
        overwrite: false,
        size: 300,
    };
    let verdict = named_points::run(case, Some("no-clean-up")).await;
    must_be_noticed(verdict, "left in staging");
}
