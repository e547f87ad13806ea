//! Objects' names and where they lie: no two share a file, none climbs, and a path tells its name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;
use runtime::testing::parsing::{place, segment_of_owner};

const PREFIX: &str = "user_uploads/";

fuzz_target!(|data: &[u8]| {
    // No byte of UTF-8 is 255.
    let names = data.split(|byte| *byte == 255).map(str::from_utf8);
    let names: Vec<&str> = names.filter_map(Result::ok).take(8).collect();
    let placed = |name: &&str| Some((name.to_string(), place(name, PREFIX)?));
    let placed: Vec<_> = names.iter().filter_map(placed).collect();
    for (name, path) in &placed {
        check(name, path);
        for (other, beside) in &placed {
            assert_eq!(name == other, path == beside, "{path:?}");
            let is_below = beside.len() > path.len() && beside.starts_with(path);
            assert!(!is_below, "{path:?} is a file and a folder");
        }
    }
    for uid in names.iter().filter(|uid| !uid.is_empty()) {
        check_owner(uid);
    }
});

fn check(name: &str, path: &[String]) {
    for component in path {
        assert!((1..=255).contains(&component.len()), "{component:?}");
        assert!(!component.starts_with('.'), "{component:?}");
        let hostile = |c: char| c == '/' || c == '\\' || c.is_control();
        assert!(!component.contains(hostile), "{component:?}");
    }
    if let Some(decoded) = decoded(path) {
        assert_eq!(decoded, name, "{path:?}");
    }
}

/// The name that a path stands for; `None` where it has a hash for a part.
fn decoded(path: &[String]) -> Option<String> {
    let (top, below) = path.split_first()?;
    let (file, folders) = below.split_last()?;
    let mut segments = Vec::new();
    let mut name = String::new();
    if top != "%o" {
        name.push_str(PREFIX);
        segments.push(segment(top)?);
    }
    for folder in folders {
        segments.push(segment(
            folder.strip_suffix("%2F").expect("a folder's end"),
        )?);
    }
    segments.push(segment(file)?);
    name.push_str(&segments.join("/"));
    Some(name)
}

fn segment(component: &str) -> Option<String> {
    if component == "%" {
        return Some(String::new());
    }
    if component.starts_with("%h") {
        assert_eq!(component.len(), 66, "{component:?}");
        return None;
    }
    let decoded = percent_decode_str(component).decode_utf8();
    Some(decoded.expect("escapes of UTF-8").into_owned())
}

fn check_owner(uid: &str) {
    let segment = segment_of_owner(uid);
    assert!(!segment.contains('/'), "{segment:?}");
    assert_eq!(segment.replace("%2F", "/").replace("%25", "%"), uid);
    if let Some(path) = place(&format!("{PREFIX}{segment}/x"), PREFIX) {
        assert!(path[0] != "%o" && path.len() == 2, "{path:?}");
    }
}
