//! docs/operations.md explains all that the process says.

use std::fs;
use std::path::Path;

use crate::harness::manifest::root;

fn page() -> String {
    fs::read_to_string(root().join("docs/operations.md")).unwrap()
}

/// The sources of the product, without those of its tests.
fn sources() -> Vec<String> {
    let mut sources = Vec::new();
    collect(&root().join("runtime/src"), &mut sources);
    collect(&root().join("functions"), &mut sources);
    sources
}

fn collect(folder: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// The message of each `tracing::warn!` and `tracing::error!`, up to what is filled in.
fn messages(source: &str) -> Vec<&str> {
    let calls = ["tracing::warn!(", "tracing::error!("].map(|name| source.split(name).skip(1));
    let messages = calls.into_iter().flatten().map(|call| {
        let fixed = message(call).split('{').next().unwrap_or_default();
        fixed.trim_end_matches([' ', ':'])
    });
    messages.filter(|message| !message.is_empty()).collect()
}

/// The text that is itself an argument of a call, and not part of one.
fn message(arguments: &str) -> &str {
    let (mut depth, mut rest) = (0, arguments);
    while let Some(at) = rest.find(['(', ')', '"']) {
        let found = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match found {
            b'(' => depth += 1,
            b')' if depth == 0 => return "",
            b')' => depth -= 1,
            _ => {
                let (text, behind) = rest.split_once('"').expect("the end of a text");
                if depth == 0 {
                    return text;
                }
                rest = behind;
            }
        }
    }
    ""
}

#[test]
fn every_warning_and_every_error_of_the_log_is_explained() {
    let (page, sources) = (page(), sources());
    let said: Vec<_> = sources.iter().flat_map(|source| messages(source)).collect();
    assert!(said.len() > 30, "{said:?}");
    for message in said {
        assert!(
            page.contains(message),
            "the page does not explain {message:?}"
        );
    }
}

#[test]
fn every_metric_of_the_router_is_explained() {
    let (page, sources) = (page(), sources().concat());
    let begun = sources.split("page.begin(").skip(1);
    let names: Vec<_> = begun.filter_map(|call| call.split('"').nth(1)).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(
            page.contains(&format!("| `{name}{{")),
            "the page does not explain {name}"
        );
    }
}
