//! Keeps the log printable: whatever callers send, a line of JSON is one line of printable ASCII, so that
//! nothing in it can begin another line, colour a terminal or turn the reading direction around.

use std::io::{self, Write};

/// Adds `text` as it stands inside a JSON string.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    // As nearly every text is; one that is looked at to its end is compared many bytes at a time.
    let is_plain = |b| matches!(b, b' '..=b'~') & (b != b'"') & (b != b'\\');
    if text.bytes().fold(true, |plain, b| plain & is_plain(b)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', c as u8]),
            c => push(c, out),
        }
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    if matches!(c, ' '..='~') {
        out.push(c as u8);
        return;
    }
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to memory cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// Standard error, for whoever writes whole lines of JSON: a character beyond ASCII stands inside a
/// string there, so its escape means the same.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(&printable(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn printable(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        match c {
            '\n' => out.push(b'\n'),
            c => push(c, &mut out),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn an_escaped_text_is_printable_and_means_the_same(text in any::<String>()) {
            let mut escaped = Vec::new();
            escape(&text, &mut escaped);
            let escaped = String::from_utf8(escaped).unwrap();
            prop_assert!(escaped.bytes().all(|b| (b' '..=b'~').contains(&b)), "{escaped:?}");
            let read: String = serde_json::from_str(&format!("\"{escaped}\"")).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn a_line_of_json_is_printable_and_means_the_same(text in any::<String>()) {
            let value = json!({"a": text, "message": "\u{2028}\u{9b}31m\u{7f}\u{202e}📼"});
            let line = printable(format!("{value}\n").as_bytes());
            let line = String::from_utf8(line).unwrap();
            let text = line.strip_suffix('\n').unwrap();
            prop_assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text:?}");
            prop_assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        }
    }
}
