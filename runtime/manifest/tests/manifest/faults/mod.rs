//! One table for each code: a text, where its fault begins, and words of the message.

mod access;
mod egress;
mod hosting;
mod isolation;
mod proofs;
mod structure;
mod urls;
mod values;

use manifest::{Code, Place, Severity, parse};

use crate::{HEAD, PRODUCT};

/// Where the fault begins.
const MARK: char = '‸';

/// Each row's text has exactly one fault, with this code, at the mark. A text that is no whole
/// manifest is put behind one.
fn check(code: Code, rows: &[(&str, &str)]) {
    for (body, words) in rows {
        let marked = match body.starts_with("whole:") {
            true => body.trim_start_matches("whole:").to_owned(),
            false => format!("{HEAD}{body}"),
        };
        let before = marked.split(MARK).next().unwrap();
        let expected = Place {
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap().chars().count() + 1,
        };
        let faults = parse(&marked.replace(MARK, "")).faults;
        let [fault] = faults.as_slice() else {
            panic!("not one fault but {faults:#?}\nin {body}");
        };
        assert_eq!(fault.code, code, "{fault:#?}\nin {body}");
        assert_eq!(fault.start, expected, "{fault:#?}\nin {body}");
        assert!(fault.message.contains(words), "{fault:#?}\nin {body}");
    }
}

#[test]
fn places_count_lines_and_characters_from_one() {
    let faults = parse("manifest = 1\n[project]\n\"é\" = 1\nid=\"holograms-media\"; x").faults;
    let [fault] = faults.as_slice() else {
        panic!("{faults:#?}");
    };
    assert_eq!((fault.start.line, fault.start.column), (4, 21));
    let faults = parse(&format!("{HEAD}[project.\"é\"]\r\n")).faults;
    assert_eq!((faults[0].start.line, faults[0].start.column), (12, 10));
    assert_eq!((faults[0].end.line, faults[0].end.column), (12, 13));
}

#[test]
fn e021_a_text_that_is_not_toml_has_no_other_faults() {
    check(
        Code::Syntax,
        &[
            ("[functions.f]\nhttp = ‸", "this is not TOML"),
            (
                "[functions.f]\nhttp = {}\nhttp = {}"
                    .replacen("http = {}\nhttp", "http = {}\n‸http", 1)
                    .as_str(),
                "duplicate key",
            ),
            ("[functions.‸", "this is not TOML"),
        ],
    );
    let faults = parse("manifest = \n[x\n").faults;
    assert_eq!(faults.len(), 2, "one for each line: {faults:#?}");
}

#[test]
fn e026_another_version_of_the_format_is_not_read() {
    check(
        Code::Version,
        &[
            (
                "whole:manifest = ‸2\nwhatever = true",
                "version 2 of the manifest is not supported",
            ),
            ("whole:manifest = ‸0", "not supported"),
        ],
    );
}

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_text() {
    let text = PRODUCT
        .replace("regions = [\"europe-west1\"]", "regions = \"europe-west1\"")
        .replace("timeout     = \"60s\"", "timout = \"60s\"")
        .replace("max_age = \"1h\"", "max_age = \"1\"")
        .replace("owner          = \"uid\"", "owner = 1")
        .replace("error_format = \"message\"", "error_format = \"msg\"")
        .replace("[functions.hello_world]", "[functions.auth_sync_user]");
    let parsed = parse(&text);
    let codes: Vec<&str> = parsed
        .faults
        .iter()
        .filter(|fault| fault.severity == Severity::Error)
        .map(|fault| fault.code.as_str())
        .collect();
    assert_eq!(codes, ["E023", "E001", "E012", "E023", "E007", "E005"]);
    assert!(parsed.manifest.is_none());
    let lines: Vec<usize> = parsed.faults.iter().map(|fault| fault.start.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}
