//! The bytes of one head, looked at line by line before they are parsed. Pure.

/// Bytes of a head, its empty line included.
const LONGEST: usize = 32 << 10;
/// As much of a line as tells which field it is.
const NAME: usize = 24;

/// What a parser would accept, or repair, and no request of ours may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// More than 32 KiB.
    TooLong,
    /// Both a Content-Length and a Transfer-Encoding (RFC 9112 §6.3), or a line that does not end in
    /// CRLF (§2.2): two servers could read two requests in it.
    Ambiguous,
}

impl Flaw {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::TooLong => 1,
            Self::Ambiguous => 2,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::TooLong),
            2 => Some(Self::Ambiguous),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Head {
    length: usize,
    /// The first line has ended.
    begun: bool,
    complete: bool,
    has_length: bool,
    has_coding: bool,
    has_bare_line_feed: bool,
    /// The beginning of the line that has not ended yet, its true length, and its last byte.
    name: [u8; NAME],
    line: usize,
    last: u8,
}

impl Head {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes so far.
    #[cfg(feature = "testing")]
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Whether its empty line has come: what follows is a body.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(crate) fn flaw(&self) -> Option<Flaw> {
        if self.length > LONGEST {
            Some(Flaw::TooLong)
        } else if self.has_bare_line_feed || (self.has_length && self.has_coding) {
            Some(Flaw::Ambiguous)
        } else {
            None
        }
    }

    /// The next bytes of the connection; those after the head's end are not looked at.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !self.complete && !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
            bytes = rest;
            self.length += part.len();
            match end {
                None => self.keep(part),
                Some(_) => self.end_line(&part[..part.len() - 1]),
            }
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if let Some(free) = self.name.get_mut(self.line..) {
            let kept = free.len().min(part.len());
            free[..kept].copy_from_slice(&part[..kept]);
        }
        self.line += part.len();
        self.last = part.last().copied().unwrap_or(self.last);
    }

    fn end_line(&mut self, part: &[u8]) {
        let whole = self.line == 0;
        if !whole {
            self.keep(part);
        }
        let (last, length, name) = match whole {
            true => (part.last().copied(), part.len(), part),
            false => (
                Some(self.last),
                self.line,
                &self.name[..self.line.min(NAME)],
            ),
        };
        let ends_well = last == Some(b'\r');
        self.has_bare_line_feed |= !ends_well;
        let is_field = |field: &[u8]| {
            name.len() > field.len()
                && name[..field.len()].eq_ignore_ascii_case(field)
                && name[field.len()] == b':'
        };
        self.has_length |= is_field(b"content-length");
        self.has_coding |= is_field(b"transfer-encoding");
        // Empty lines before the first one are passed over, by parsers too.
        let is_empty = length == usize::from(ends_well);
        self.complete = is_empty && self.begun;
        self.begun |= !is_empty;
        (self.line, self.last) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(bytes: &[u8]) -> Head {
        let mut head = Head::default();
        head.read(bytes);
        head
    }

    #[test]
    fn what_two_servers_could_read_differently_is_a_flaw() {
        let ambiguous = Some(Flaw::Ambiguous);
        for (fields, flaw) in [
            ("Host: a\r\n", None),
            ("Content-Length: 1\r\n", None),
            ("Transfer-Encoding: chunked\r\n", None),
            (
                "X-Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                None,
            ),
            (
                "content-length:1\r\nTRANSFER-ENCODING:chunked\r\n",
                ambiguous,
            ),
            (
                "Transfer-Encoding: chunked\r\nHost: a\r\nContent-Length: 1\r\n",
                ambiguous,
            ),
            ("Host: a\nX: y\r\n", ambiguous),
        ] {
            let text = format!("POST / HTTP/1.1\r\n{fields}\r\nTransfer-Encoding: x\n\n");
            let head = head(text.as_bytes());
            assert!(head.is_complete(), "{fields:?}");
            assert_eq!(head.flaw(), flaw, "{fields:?}");
        }
    }

    #[test]
    fn a_head_ends_where_a_lenient_parser_would_end_it() {
        for (text, complete) in [
            ("GET / HTTP/1.1\r\n", false),
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("GET / HTTP/1.1\n\n", true),
            ("GET / HTTP/1.1\r\nA: b\r\n\n", true),
            ("\r\nGET / HTTP/1.1\r\n", false),
            ("\r\n\r\n\n\r\n", false),
            ("\r\nGET / HTTP/1.1\r\n\r\n", true),
        ] {
            assert_eq!(head(text.as_bytes()).is_complete(), complete, "{text:?}");
        }
    }

    #[test]
    fn a_head_has_a_greatest_length() {
        let field = |length: usize| {
            let frame = "GET / HTTP/1.1\r\nA: \r\n\r\n".len();
            format!(
                "GET / HTTP/1.1\r\nA: {}\r\n\r\n",
                "x".repeat(length - frame)
            )
        };
        assert_eq!(head(field(LONGEST).as_bytes()).flaw(), None);
        assert_eq!(
            head(field(LONGEST + 1).as_bytes()).flaw(),
            Some(Flaw::TooLong)
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            text in "(GET / HTTP/1.1\r?\n)?((Content-Length|transfer-encoding|A{1,30}): [a-z]{0,30}\r?\n){0,4}\r?\n?[a-z\r\n]{0,20}",
            cuts in proptest::collection::vec(1_usize..20, 0..40),
        ) {
            let mut pieces = Head::default();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.read(piece);
                rest = after;
            }
            pieces.read(rest);
            let whole = head(text.as_bytes());
            prop_assert_eq!(pieces.is_complete(), whole.is_complete());
            prop_assert_eq!(pieces.flaw(), whole.flaw());
            prop_assert_eq!(pieces.length, whole.length);
        }
    }
}
