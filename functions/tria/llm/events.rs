//! Server-sent events, as a provider streams its answer: the `data` of each, however the bytes come
//! (HTML Living Standard §9.2.6).

use std::collections::VecDeque;

/// Bytes in, the data of whole events out. It keeps what it is given; its user bounds that.
#[derive(Debug, Default)]
pub(super) struct Events {
    ready: VecDeque<Vec<u8>>,
    line: Vec<u8>,
    /// Of the event that is being read; `None` before its first `data` line.
    data: Option<Vec<u8>>,
    after_carriage_return: bool,
}

impl Events {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                // The second half of an end of line.
                b'\n' if self.after_carriage_return => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
            self.after_carriage_return = byte == b'\r';
        }
    }

    /// Nothing more comes. A provider that forgets the last empty line has still said it all.
    pub(super) fn end(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.dispatch();
    }

    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.dispatch();
        }
        // `data:x`, `data: x` and `data`; other fields, and comments (an empty name), are passed over.
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &[][..]),
        };
        if name != b"data" {
            return;
        }
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }

    fn dispatch(&mut self) {
        self.ready.extend(self.data.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of `text`, given in pieces of `size` bytes.
    fn events(text: &str, size: usize) -> Vec<String> {
        let mut events = Events::default();
        for piece in text.as_bytes().chunks(size) {
            events.push(piece);
        }
        events.end();
        std::iter::from_fn(|| events.next())
            .map(|data| String::from_utf8(data).unwrap())
            .collect()
    }

    #[test]
    fn events_are_the_same_however_the_bytes_come() {
        let cases: [(&str, &[&str]); 11] = [
            ("", &[]),
            (
                "data: {\"a\":1}\n\ndata: [DONE]\n\n",
                &["{\"a\":1}", "[DONE]"],
            ),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
            ("data: a\r\rdata: b\r\r", &["a", "b"]),
            (": keep-alive\n\ndata: a\n\n: more\n", &["a"]),
            ("event: x\nid: 7\nretry: 5\ndata: a\n\n", &["a"]),
            ("data:a\n\ndata:  b\n\n", &["a", " b"]),
            ("data: a\ndata: b\n\n", &["a\nb"]),
            ("data\n\ndata:\n\n", &["", ""]),
            ("data: a\n\n\n\ndata: не целиком", &["a", "не целиком"]),
            ("database: a\n\n", &[]),
        ];
        for (text, expected) in cases {
            for size in 1..=text.len().max(1) {
                assert_eq!(events(text, size), expected, "{text:?} by {size}");
            }
        }
    }
}
