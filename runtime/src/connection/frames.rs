//! Where the frames of HTTP/2 begin and end, and with them the heads of its requests. Pure.

/// With what a client begins (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Of what precedes each payload (§4.1): three bytes of its length, its kind, its flags, its stream.
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes still to come of the preface or of a payload.
    rest: usize,
    header: [u8; HEADER],
    /// Those of `header` that have come.
    known: usize,
    is_data: bool,
    /// What has come asks for more: a head for its end, the preface for the settings.
    asks_for_more: bool,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            rest: PREFACE.len(),
            header: [0; HEADER],
            known: 0,
            is_data: false,
            asks_for_more: true,
        }
    }

    /// Whether something was begun that must be ended before anything else. Bodies have limits of their
    /// own.
    pub(super) fn is_amid(&self) -> bool {
        self.asks_for_more || self.known > 0 || (self.rest > 0 && !self.is_data)
    }

    /// The next bytes of the connection. Returns whether they begin what [`Self::is_amid`] speaks of, and
    /// do not end it.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> bool {
        let mut was_amid = self.is_amid();
        while !bytes.is_empty() {
            let wanted = match self.rest {
                0 => HEADER - self.known,
                rest => rest,
            };
            let (part, after) = bytes.split_at(wanted.min(bytes.len()));
            bytes = after;
            if self.rest > 0 {
                self.rest -= part.len();
            } else {
                self.header[self.known..][..part.len()].copy_from_slice(part);
                self.known += part.len();
                if self.known == HEADER {
                    self.begin();
                }
            }
            was_amid &= self.is_amid();
        }
        !was_amid && self.is_amid()
    }

    /// A payload follows.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        self.known = 0;
        self.rest = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.is_data = kind == DATA;
        self.asks_for_more = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS == 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// After the preface and settings of nothing.
    fn begun() -> Frames {
        let mut frames = Frames::new();
        frames.read(PREFACE);
        frames.read(&frame(4, 0, b""));
        frames
    }

    #[test]
    fn what_is_begun_is_to_be_ended() {
        let head = frame(HEADERS, 0, b"head");
        let more = frame(CONTINUATION, 0, b"more");
        let last = frame(CONTINUATION, END_HEADERS, b"last");
        let whole = frame(HEADERS, END_HEADERS, b"whole");
        let data = frame(DATA, 0, b"data");
        let ping = frame(6, 0, b"question");
        for (bytes, amid) in [
            (vec![], false),
            (head[..1].to_vec(), true),
            (head.clone(), true),
            ([&*head, &more].concat(), true),
            ([&*head, &more, &last].concat(), false),
            (whole.clone(), false),
            (whole[..12].to_vec(), true),
            ([&*whole, &data[..8]].concat(), true),
            ([&*whole, &data[..12]].concat(), false),
            ([&*data, &ping].concat(), false),
            (ping[..10].to_vec(), true),
        ] {
            let mut frames = begun();
            assert_eq!(frames.read(&bytes), amid, "{bytes:?}");
            assert_eq!(frames.is_amid(), amid, "{bytes:?}");
        }
    }

    #[test]
    fn the_preface_asks_for_settings() {
        let mut frames = Frames::new();
        assert!(frames.is_amid());
        // Nothing new.
        assert!(!frames.read(PREFACE));
        assert!(frames.is_amid());
        assert!(!begun().is_amid());
    }

    #[test]
    fn only_what_is_new_begins() {
        let ping = frame(6, 0, b"question");
        let mut frames = begun();
        assert!(frames.read(&ping[..5]));
        assert!(!frames.read(&ping[5..10]));
        // The end of one, and the beginning of another.
        assert!(frames.read(&[&ping[10..], &ping[..5]].concat()));
        assert!(!frames.read(&ping[5..]));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            kinds in proptest::collection::vec((0_u8..10, 0_u8..8, 0_usize..40), 0..6),
            end in 0_usize..30,
            cuts in proptest::collection::vec(1_usize..20, 0..40),
        ) {
            let mut bytes: Vec<u8> = kinds
                .iter()
                .flat_map(|(kind, flags, length)| frame(*kind, *flags, &vec![7; *length]))
                .collect();
            bytes.truncate(bytes.len().saturating_sub(end));
            let mut whole = begun();
            whole.read(&bytes);
            let mut pieces = begun();
            let mut rest = &*bytes;
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.read(piece);
                rest = after;
            }
            pieces.read(rest);
            prop_assert_eq!(pieces.is_amid(), whole.is_amid());
            prop_assert_eq!(pieces.rest, whole.rest);
        }
    }
}
