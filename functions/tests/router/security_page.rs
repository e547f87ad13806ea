//! SECURITY.md promises nothing that no test proves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::manifest::root;

/// Every function of the sources, and every one of the test command.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["runtime", "functions", "examples"] {
        collect(&root().join(folder), &mut names);
    }
    let script = fs::read_to_string(root().join("test.sh")).unwrap();
    let functions = script.lines().filter_map(|line| line.strip_suffix("() {"));
    names.extend(functions.map(str::to_owned));
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let functions = text
                .lines()
                .filter_map(|line| line.split_once("fn ")?.1.split_once('('));
            names.extend(functions.map(|(name, _)| name.to_owned()));
        }
    }
}

/// `| A1 | the promise | `a_test` `another` |`
fn promises(page: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line
            .strip_prefix('|')?
            .strip_suffix('|')?
            .split(" | ")
            .map(str::trim)
            .collect();
        let [id, _, proofs] = cells[..] else {
            return None;
        };
        let numbered = id.starts_with(|c: char| c.is_ascii_uppercase())
            && id.ends_with(|c: char| c.is_ascii_digit());
        numbered.then(|| (id, proofs.split('`').skip(1).step_by(2).collect()))
    });
    rows.collect()
}

#[test]
fn every_promise_names_tests_and_every_named_test_exists() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (promises, names) = (promises(&page), names());
    let numbers: Vec<_> = promises.iter().map(|(id, _)| *id).collect();
    for (letter, last) in [("A", 11), ("P", 3), ("H", 8), ("L", 2), ("S", 1), ("F", 14)] {
        for number in 1..=last {
            let id = format!("{letter}{number}");
            let count = numbers.iter().filter(|known| **known == id).count();
            assert_eq!(count, 1, "{id} in {numbers:?}");
        }
    }
    for (id, proofs) in promises {
        assert!(!proofs.is_empty(), "{id} is proved by nothing");
        for proof in proofs {
            assert!(
                names.contains(proof),
                "{id} names {proof}, which does not exist"
            );
        }
    }
}
