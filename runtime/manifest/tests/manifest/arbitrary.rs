//! Whatever the text, reading it ends with a manifest or with errors, and its report can be made.

use manifest::{Severity, parse, render, to_json};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::PRODUCT;

fn check(text: &str) {
    let parsed = parse(text);
    let errors = parsed
        .faults
        .iter()
        .filter(|fault| fault.severity == Severity::Error);
    assert_eq!(parsed.manifest.is_none(), errors.count() > 0, "{text}");
    for fault in &parsed.faults {
        assert!(
            fault.start.line >= 1 && fault.start.column >= 1,
            "{fault:?}"
        );
        assert!(fault.start <= fault.end, "{fault:?}");
        assert!(text.get(fault.span.clone()).is_some(), "{fault:?}");
    }
    render(&parsed.faults, "manifest.toml", text);
    to_json(&parsed.faults, "manifest.toml");
}

/// Pieces that change the meaning of a text rather than its bytes.
const PIECES: [&str; 33] = [
    "",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "=",
    "\n",
    "\r\n",
    "é",
    "\u{feff}",
    "\0",
    "#",
    ".",
    "-1",
    "\n[functions.x]\n",
    "\n[[rewrites]]\n",
    "http = {}\n",
    "event = {}\n",
    "event = { type = \"\" }\n",
    "callable = {}\n",
    "\n[[rewrites]]\nregex = \"(a|\"\n",
    "\n[[rewrites]]\nsource = \"!{a,@(b|[c])}\"\n",
    "\n[hosting]\nheaders = [{ headers = { a = \"\" } }]\n",
    "access = [{ objects = \"*\" }]\n",
    "rate_limit = \"0/h per caller\"\n",
    "senders = { emails = [\"\"] }\n",
    "\"/{*x}\"",
    "none",
    "99999999999999999999",
];

#[derive(Debug, Clone)]
enum Change {
    Insert(Index, usize),
    Remove(Index, usize),
    /// A line put in place of another.
    Copy(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Copy(from, to)),
    ]
}

fn changed(text: &str, change: &Change) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let places = characters.len() + 1;
    match change {
        Change::Insert(at, piece) => {
            let at = at.index(places);
            characters.splice(at..at, PIECES[*piece].chars());
        }
        Change::Remove(at, length) => {
            let at = at.index(places);
            let end = (at + length).min(characters.len());
            characters.drain(at..end);
        }
        Change::Copy(from, to) => {
            let mut lines: Vec<&str> = text.lines().collect();
            if lines.is_empty() {
                return String::new();
            }
            let line = lines[from.index(lines.len())];
            let to = to.index(lines.len());
            lines[to] = line;
            return lines.join("\n");
        }
    }
    characters.into_iter().collect()
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_text_that_looks_like_a_manifest_is_read_without_a_panic(
        text in "(manifest = 1\n)?([\\[\\]{}=\"'#.,a-z0-9 \n\\\\é-]{0,12}(project|functions|cors|http|\n)){0,12}",
    ) {
        check(&text);
    }

    #[test]
    fn any_change_of_a_manifest_is_read_without_a_panic(
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let text = changes.iter().fold(PRODUCT.to_owned(), |text, change| changed(&text, change));
        check(&text);
    }
}
