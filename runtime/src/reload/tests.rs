use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::app::{Deployment, Entry};
use crate::function::{Function, HttpFunction as _, Request, Response};
use crate::secrets::Secret;
use crate::{Context, Result, StatusCode, json};

const MANIFEST: &str = r#"
manifest = 1
[project]
id      = "demo-project"
regions = ["europe-west1"]
bucket  = "demo-project.appspot.com"
[defaults]
cors = "app"
[cors.app]
origins = ["https://app.example"]
[buckets.files]
root        = "files"
object_name = "u/{uid}/{path}"
owner       = "uid"
max_object  = "1MiB"
access      = [{ objects = "u/{uid}/**", read = "owner", write = "owner" }]
[functions.ask]
http       = {}
auth       = "none"
public     = true
aliases    = ["question"]
rate_limit = "2/h per address"
secrets    = ["KEY", "SPARE?"]
egress     = ["api.example", "neighbour:80"]
concurrency = 2
[functions.tell]
storage = { bucket = "files", event = "finalized", prefix = "u/" }
"#;

fn parsed(text: &str) -> Manifest {
    let parsed = manifest::parse(text);
    let report = manifest::render(&parsed.faults, "manifest.toml", text);
    parsed.manifest.unwrap_or_else(|| panic!("{report}"))
}

fn edited(old: &str, new: &str) -> Manifest {
    assert!(MANIFEST.contains(old), "{old}");
    parsed(&MANIFEST.replacen(old, new, 1))
}

fn difference(new: &Manifest) -> Difference {
    let key = ("KEY".to_owned(), Secret::new("a value".to_owned()));
    let opened = Opened {
        secrets: &[key].into_iter().collect(),
        accounts: false,
    };
    Difference::between(&parsed(MANIFEST), new, &opened)
}

#[test]
fn what_only_says_how_requests_are_treated_can_change() {
    for (old, new, changed) in [
        ("manifest = 1", "manifest = 1", &[][..]),
        // Everything below moves by a line.
        ("manifest = 1", "\nmanifest = 1", &[]),
        (
            "https://app.example",
            "https://other.example",
            &["[defaults] cors", "[functions.ask] cors"],
        ),
        (
            r#"regions = ["europe-west1"]"#,
            r#"regions = ["us-central1"]"#,
            &["[project] regions"],
        ),
        (
            r#"read = "owner""#,
            r#"read = "anyone""#,
            &["[buckets.files] access"],
        ),
        (
            r#"aliases    = ["question"]"#,
            r#"max_body = "1KiB""#,
            &["[functions.ask] aliases, max_body"],
        ),
        (
            "http       = {}",
            "http = { subpaths = false }",
            &["[functions.ask] http"],
        ),
        ("api.example", "other.example", &["[functions.ask] egress"]),
        (
            "2/h per address",
            "3/h per address",
            &["[functions.ask] rate_limit"],
        ),
        (
            "concurrency = 2",
            "enabled = false\ntimeout = \"5s\"\nflags = { loud = true }",
            &["[functions.ask] timeout, concurrency, flags, enabled"],
        ),
        (
            "[functions.tell]",
            "[[rewrites]]\nsource = \"/api/**\"\nfunction = \"ask\"\n[functions.tell]",
            &["[[rewrites]]"],
        ),
        (
            r#"prefix = "u/" }"#,
            r#"prefix = "u/1/" }"#,
            &["[functions.tell] storage"],
        ),
        (
            r#"prefix = "u/" }"#,
            "prefix = \"u/\" }\nretry = { attempts = 2 }\nsecrets = [\"KEY\", \"SPARE?\"]",
            &["[functions.tell] storage, secrets"],
        ),
    ] {
        let found = difference(&edited(old, new));
        assert_eq!(found.changed, changed, "{new}");
        assert!(found.refused.is_empty(), "{new}: {:?}", found.refused);
    }
}

#[test]
fn what_a_start_opens_needs_one() {
    for (old, new, refused) in [
        (
            r#"id      = "demo-project""#,
            r#"id = "other-project""#,
            "[project] id",
        ),
        (
            "demo-project.appspot.com",
            "other.appspot.com",
            "[project] bucket",
        ),
        (
            r#"root        = "files""#,
            r#"root = "others""#,
            "[buckets.files] root",
        ),
        ("1MiB", "2MiB", "[buckets.files] max_object"),
        (
            "[functions.ask]",
            "[functions.new]\nhttp = {}\nauth = \"required\"\n[functions.ask]",
            "[functions.new] is new",
        ),
        (
            "[functions.tell]\nstorage = { bucket = \"files\", event = \"finalized\", prefix = \"u/\" }",
            "",
            "[functions.tell] is gone",
        ),
        (
            "http       = {}",
            "callable = {}",
            "[functions.ask] callable",
        ),
        (
            r#""KEY", "#,
            r#""KEY", "OTHER?", "#,
            "[functions.ask] secrets: OTHER was not read",
        ),
        (
            "auth       = \"none\"\npublic     = true",
            "auth = \"required\"\ncheck_revoked = true",
            "[functions.ask] check_revoked",
        ),
        (
            "neighbour",
            "neighbour:80\", \"other",
            "[functions.ask] egress",
        ),
        (
            "SPARE?",
            "SPARE",
            "[functions.ask] secrets: SPARE was not read",
        ),
    ] {
        assert_eq!(difference(&edited(old, new)).refused, [refused], "{new}");
    }
}

#[test]
fn an_isolated_function_needs_a_start_for_what_its_process_was_told() {
    let isolated = MANIFEST.replacen("concurrency = 2", "isolation = \"process\"", 1);
    for (old, new, refused) in [
        (
            "isolation = \"process\"",
            "",
            &["[functions.ask] isolation"][..],
        ),
        (
            "isolation = \"process\"",
            "isolation = { memory = \"512MiB\" }",
            &["[functions.ask] isolation"],
        ),
        (
            "http       = {}",
            "http = {}\nflags = { loud = true }",
            &["[functions.ask] flags"],
        ),
        ("http       = {}", "http = {}\nmax_body = \"1KiB\"", &[]),
    ] {
        let opened = Opened {
            secrets: &[("KEY".to_owned(), Secret::new("a value".to_owned()))]
                .into_iter()
                .collect(),
            accounts: false,
        };
        let new = parsed(&isolated.replacen(old, new, 1));
        let found = Difference::between(&parsed(&isolated), &new, &opened);
        assert_eq!(found.refused, refused);
    }
}

#[test]
fn everything_that_needs_a_restart_is_told_at_once() {
    let new = edited("1MiB", "2MiB\"\nquota_per_user = \"1GiB");
    let new = Manifest {
        project: Project {
            id: "another".to_owned(),
            ..new.project
        },
        ..new
    };
    let found = difference(&new).refused;
    assert_eq!(
        found,
        ["[project] id", "[buckets.files] max_object, quota_per_user"]
    );
}

async fn answer(_context: Context, _request: Request) -> Result<Response> {
    json(StatusCode::OK, &"answer")
}

fn code() -> Function {
    answer.into_function()
}

/// The function `ask` under the manifest, and then under another one.
fn ask_under(new: Manifest) -> (Arc<Entry>, Arc<Entry>) {
    let ask = Arc::new(Entry::new(
        parsed(MANIFEST).functions["ask"].clone(),
        code(),
    ));
    let old = Deployment::new(parsed(MANIFEST), vec![ask.clone()], None);
    let new = old.followed_by(new, None);
    (ask, new.entries[0].clone())
}

#[test]
fn what_runs_keeps_its_places_under_another_limit() {
    let (old, new) = ask_under(edited("concurrency = 2", "concurrency = 3"));
    let running = [old.slots.take().unwrap(), old.slots.take().unwrap()];
    let third = new.slots.take().expect("the third place");
    assert!(new.slots.take().is_none(), "a fourth place of three");
    drop(running);
    assert_eq!(new.slots.taken(), 1);
    drop(third);
    assert_eq!(old.slots.taken(), 0);
}

#[test]
fn callers_keep_their_counts_until_their_limit_is_another() {
    let from = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    let passes = |entry: &Entry| {
        let limiter = entry.rate_limiter.as_ref().expect("a limit");
        limiter.count(None, from).is_ok()
    };
    let (old, new) = ask_under(edited("concurrency = 2", "concurrency = 3"));
    assert!(passes(&old) && passes(&new), "two of two");
    assert!(!passes(&new), "a third of two");
    let (old, new) = ask_under(edited("2/h", "1/h"));
    assert!(passes(&old) && passes(&old) && !passes(&old));
    assert!(passes(&new), "the first under a limit that is new");
    assert!(!passes(&new));
}

#[test]
fn what_was_counted_stays() {
    let (old, new) = ask_under(edited("concurrency = 2", "concurrency = 3"));
    old.counts.panics.increment();
    assert!(Arc::ptr_eq(&old.counts, &new.counts));
}
