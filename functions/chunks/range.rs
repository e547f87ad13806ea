//! The `Range` header (RFC 9110 §14.2): one range of bytes.

use std::ops::Range;

/// What a request gets of `size` bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// No range, several, or one that is not understood: RFC 9110 lets a server ignore them.
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

pub(super) fn select(header: Option<&str>, size: u64) -> Selection {
    let Some((first, last)) = header
        .and_then(|value| value.split_once('='))
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, range)| range.trim().split_once('-'))
    else {
        return Selection::Whole;
    };
    let range = match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => first..size,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (None, Some(suffix)) if first.is_empty() => match suffix {
            0 => return Selection::Unsatisfiable,
            suffix => size.saturating_sub(suffix)..size,
        },
        _ => return Selection::Whole,
    };
    match range.is_empty() {
        true => Selection::Unsatisfiable,
        false => Selection::Part(range),
    }
}

/// Digits only: `+1` parses in Rust and is no number in HTTP.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_selects_what_rfc_9110_says() {
        for (header, size, selection) in [
            ("bytes=2-4", 10, Selection::Part(2..5)),
            ("bytes=0-", 10, Selection::Part(0..10)),
            ("Bytes=0-", 10, Selection::Part(0..10)),
            ("bytes=-3", 10, Selection::Part(7..10)),
            ("bytes=-30", 10, Selection::Part(0..10)),
            ("bytes=8-99", 10, Selection::Part(8..10)),
            ("bytes=0-18446744073709551615", 10, Selection::Part(0..10)),
            ("bytes=50-60", 10, Selection::Unsatisfiable),
            ("bytes=10-", 10, Selection::Unsatisfiable),
            ("bytes=-0", 10, Selection::Unsatisfiable),
            ("bytes=0-", 0, Selection::Unsatisfiable),
            ("bytes=4-2", 10, Selection::Whole),
            ("bytes=0-1,3-4", 10, Selection::Whole),
            ("bytes=+1-2", 10, Selection::Whole),
            ("bytes=-", 10, Selection::Whole),
            ("bytes=a-b", 10, Selection::Whole),
            ("lines=1-2", 10, Selection::Whole),
        ] {
            assert_eq!(select(Some(header), size), selection, "{header}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
    }
}
