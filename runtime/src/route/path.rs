//! The slashes of a path, which clients double where they join a base and a name.

use std::borrow::Cow;
use std::ops::Range;

/// The next segment at or after `from`, past any number of slashes.
pub(super) fn segment(path: &str, from: usize) -> Option<Range<usize>> {
    let slashes = path[from..].bytes().take_while(|b| *b == b'/').count();
    let start = from + slashes;
    if slashes == 0 || start == path.len() {
        return None;
    }
    let length = path[start..].find('/').unwrap_or(path.len() - start);
    Some(start..start + length)
}

pub(super) fn leading_slash_once(path: &str) -> &str {
    let slashes = path.bytes().take_while(|b| *b == b'/').count();
    &path[slashes.saturating_sub(1)..]
}

/// As the manifest's sources know a path.
pub(crate) fn single_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut single = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    Cow::Owned(single)
}
