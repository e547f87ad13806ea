//! Which bytes of a file a request asks for (RFC 9110, section 14): one range, or all.

use std::ops::Range;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// No range, several, or one that is not understood: a server may ignore them.
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

/// `header`: the value of `Range`.
pub(super) fn select(header: Option<&str>, size: u64) -> Selection {
    let Some((first, last)) = header.and_then(bounds) else {
        return Selection::Whole;
    };
    let range = match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => first..size,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (None, Some(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Selection::Whole,
    };
    match range.is_empty() {
        true => Selection::Unsatisfiable,
        false => Selection::Part(range),
    }
}

/// `bytes=0-99`
fn bounds(header: &str) -> Option<(&str, &str)> {
    let (unit, range) = header.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes")
        .then(|| range.trim().split_once('-'))?
}

/// Digits only: Rust parses `+1`, which is no number in HTTP.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_understood() {
        for (header, size, selection) in [
            ("bytes=2-4", 10, Selection::Part(2..5)),
            ("bytes=0-", 10, Selection::Part(0..10)),
            ("Bytes=-3", 10, Selection::Part(7..10)),
            ("bytes=-30", 10, Selection::Part(0..10)),
            ("bytes=8-99", 10, Selection::Part(8..10)),
            ("bytes=10-", 10, Selection::Unsatisfiable),
            ("bytes=-0", 10, Selection::Unsatisfiable),
            ("bytes=0-", 0, Selection::Unsatisfiable),
            ("bytes=4-2", 10, Selection::Whole),
            ("bytes=0-1,3-4", 10, Selection::Whole),
            ("bytes=+1-2", 10, Selection::Whole),
            ("bytes=-", 10, Selection::Whole),
            ("lines=1-2", 10, Selection::Whole),
        ] {
            assert_eq!(select(Some(header), size), selection, "{header}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
    }
}
