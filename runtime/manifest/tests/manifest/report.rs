//! What people and editors are shown.

use manifest::{parse, render, to_json};

use crate::HEAD;

const TWO_FAULTS: &str = "[functions.f]\nhttp = {}\nauth = \"none\"\ntimout = \"60s\"\n";

#[test]
fn a_report_underlines_each_fault_and_counts_them() {
    let text = format!("{HEAD}{TWO_FAULTS}");
    let report = render(&parse(&text).faults, "manifest.toml", &text);
    let expected = r#"warning[E018]: everybody may call [functions.f], and it is not marked as public
  --> manifest.toml:14:8
   |
14 | auth = "none"
   |        ^^^^^^
   |
   = help: add `public = true` when that is meant

error[E001]: unknown key `timout`: did you mean `timeout`?
  --> manifest.toml:15:1
   |
15 | timout = "60s"
   | ^^^^^^
   |
   = help: the keys of [functions.f] are `http`, `callable`, `storage`, `event`, `aliases`, `auth`, `public`, `app_check`, `check_revoked`, `cors`, `timeout`, `max_body`, `concurrency`, `rate_limit`, `flags`, `secrets`, `egress`, `bucket`, `error_format`, `enabled`, `examples`, `retry`, `senders` and `isolation`

manifest.toml: 1 error, 1 warning"#;
    assert_eq!(report, expected);
}

#[test]
fn a_clash_shows_both_lines() {
    let text = format!(
        "{HEAD}[functions.one]\nhttp = {{}}\nauth = \"required\"\n\
         [functions.two]\nhttp = {{}}\nauth = \"required\"\naliases = [\"one\"]\n"
    );
    let report = render(&parse(&text).faults, "other.toml", &text);
    let expected = r#"error[E005]: `/one` would run two functions: claimed in line 12 and in line 18
  --> other.toml:18:12
   |
12 | [functions.one]
   |            --- claimed here
...
18 | aliases = ["one"]
   |            ^^^^^
   |
   = help: remove or rename one of them

other.toml: 1 error"#;
    assert_eq!(report, expected);
}

#[test]
fn editors_get_the_same_faults_as_json() {
    let text = format!("{HEAD}{TWO_FAULTS}");
    let json = to_json(&parse(&text).faults, "manifest.toml");
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert_eq!(
        found[0],
        serde_json::json!({
            "code": "E018",
            "severity": "warning",
            "file": "manifest.toml",
            "line": 14,
            "column": 8,
            "end_line": 14,
            "end_column": 14,
            "message": "everybody may call [functions.f], and it is not marked as public",
            "help": "add `public = true` when that is meant",
        })
    );
    assert_eq!(to_json(&[], "manifest.toml"), "[]");
}
