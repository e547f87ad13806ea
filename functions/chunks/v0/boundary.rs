//! The boundary between the parts of a `multipart/related` body, from its content type. Pure.

/// RFC 2046 §5.1.1
const LONGEST_BOUNDARY: usize = 70;

/// The boundary of a `multipart/related` content type, quoted or not.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (media, parameters) = content_type.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let mut rest = parameters;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, behind) = parameter_value(value.trim_start())?;
        if name.trim().eq_ignore_ascii_case("boundary") {
            let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            let usable = printable && (1..=LONGEST_BOUNDARY).contains(&value.len());
            return usable.then_some(value);
        }
        rest = behind;
    }
}

/// A token or a quoted string (RFC 9110 §5.6.4), and what is behind its semicolon.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, behind) = text.split_once(';').unwrap_or((text, ""));
        return Some((value.trim_end().to_owned(), behind));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (_, '\\') => value.push(characters.next()?.1),
            (at, '"') => {
                let behind = &quoted[at + 1..];
                return Some((value, behind.split_once(';').map_or("", |(_, next)| next)));
            }
            (_, character) => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_found_in_every_spelling_of_the_content_type() {
        let long = "x".repeat(LONGEST_BOUNDARY);
        for (content_type, expected) in [
            ("multipart/related; boundary=123", Some("123")),
            ("Multipart/Related;BOUNDARY=123", Some("123")),
            ("multipart/related; boundary=\"12 3\"", Some("12 3")),
            ("multipart/related; boundary=\"1\\\"2\"", Some("1\"2")),
            (
                "multipart/related; type=a/b; boundary=123; x=y",
                Some("123"),
            ),
            (
                "multipart/related; type=\"a; boundary=9\"; boundary=123",
                Some("123"),
            ),
            (
                &format!("multipart/related; boundary={long}"),
                Some(long.as_str()),
            ),
            (&format!("multipart/related; boundary={long}x"), None),
            ("multipart/related; boundary=", None),
            ("multipart/related; boundary=\"123", None),
            ("multipart/related; boundary=ü", None),
            ("multipart/related", None),
            ("multipart/form-data; boundary=123", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(
                boundary(content_type).as_deref(),
                expected,
                "{content_type}"
            );
        }
    }
}
