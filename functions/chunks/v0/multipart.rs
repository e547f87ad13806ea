//! The upload in one request: `multipart/related` of exactly two parts, what is said of the object as
//! JSON and then its bytes.
//!
//! The SDKs write no line break after the last boundary, and a boundary is a number that nobody compared
//! with the bytes. So the end is what closes the body, not the first thing that looks like it: as many
//! bytes as the closing boundary has are held back until the body ends. Only a whole boundary line in the
//! midst of the bytes means a third part, and refuses the upload.

use bytes::{Bytes, BytesMut};
use runtime::{Body, Error, ErrorCode, Result};

use super::super::pieces::piece;
use super::boundary::boundary;

/// Bytes up to the first one of the object: two small heads, and the JSON.
const LONGEST_HEAD: usize = 32 << 10;

/// What precedes the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) json: Bytes,
    /// Of the second part.
    pub(super) content_type: Option<String>,
}

/// The bytes of the second part, as they arrive.
pub(super) struct Multipart {
    body: Body,
    /// `\r\n--` and the boundary.
    delimiter: Vec<u8>,
    /// Arrived and not handed out yet.
    held: BytesMut,
    ended: bool,
}

impl Multipart {
    /// Reads up to the first byte of the object.
    ///
    /// # Errors
    /// 400 for another content type than `multipart/related` with a boundary, and for fewer than two
    /// parts.
    pub(super) async fn open(content_type: &str, body: Body) -> Result<(Head, Self)> {
        let boundary = boundary(content_type).ok_or_else(|| {
            let message = format!("Bad content type. {content_type}");
            Error::new(ErrorCode::InvalidArgument, message)
        })?;
        let mut multipart = Self {
            body,
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            // RFC 2046 §5.1.1: the line break before a boundary belongs to it, also at the start.
            held: BytesMut::from(b"\r\n".as_slice()),
            ended: false,
        };
        loop {
            let head = read_head(&multipart.held, &multipart.delimiter)?;
            let length = match &head {
                Some((_, length)) => *length,
                None => multipart.held.len(),
            };
            if length > LONGEST_HEAD {
                let message = "The metadata of the upload is too long.";
                return Err(Error::new(ErrorCode::InvalidArgument, message));
            }
            if let Some((head, length)) = head {
                let _ = multipart.held.split_to(length);
                return Ok((head, multipart));
            }
            if !multipart.read().await? {
                return Err(unexpected_parts());
            }
        }
    }

    /// The next bytes of the object; `None` at its end, which only a closed body has.
    ///
    /// # Errors
    /// 400 for a third part and for a body that ends without its boundary.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.ended {
                let rest = self.held.split().freeze();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            if let Some(bytes) = self.take_certain()? {
                return Ok(Some(bytes));
            }
            if !self.read().await? {
                self.drop_closing()?;
                self.ended = true;
            }
        }
    }

    /// What cannot be a part of the closing boundary any more, however the body goes on.
    fn take_certain(&mut self) -> Result<Option<Bytes>> {
        let line = [self.delimiter.as_slice(), b"\r\n"].concat();
        if find(&self.held, &line).is_some() {
            return Err(unexpected_parts());
        }
        // The closing boundary: two hyphens and a line break more than a delimiter.
        let certain = self.held.len().saturating_sub(self.delimiter.len() + 4);
        Ok((certain > 0).then(|| self.held.split_to(certain).freeze()))
    }

    fn drop_closing(&mut self) -> Result<()> {
        let closed = self.held.strip_suffix(b"\r\n").unwrap_or(&self.held);
        let length = closed
            .strip_suffix(b"--")
            .and_then(|closed| closed.strip_suffix(self.delimiter.as_slice()))
            .ok_or_else(unexpected_parts)?
            .len();
        self.held.truncate(length);
        Ok(())
    }

    async fn read(&mut self) -> Result<bool> {
        let Some(piece) = piece(&mut self.body).await? else {
            return Ok(false);
        };
        self.held.extend_from_slice(&piece);
        Ok(true)
    }
}

fn unexpected_parts() -> Error {
    let message = "Unexpected number of parts in request body";
    Error::new(ErrorCode::InvalidArgument, message)
}

/// The head and how many bytes it is long; `None`: not all of it is there yet.
fn read_head(bytes: &[u8], delimiter: &[u8]) -> Result<Option<(Head, usize)>> {
    let Some(first) = next_part(bytes, delimiter, 0)? else {
        return Ok(None);
    };
    let Some((_, json)) = part_head(bytes, first) else {
        return Ok(None);
    };
    // An empty part has its delimiter where its content would be: the blank line ends in one.
    let Some(second) = next_part(bytes, delimiter, json - 2)? else {
        return Ok(None);
    };
    let Some((content_type, data)) = part_head(bytes, second) else {
        return Ok(None);
    };
    let end = json - 2 + find(&bytes[json - 2..], delimiter).unwrap_or_default();
    let head = Head {
        json: Bytes::copy_from_slice(bytes.get(json..end).unwrap_or_default()),
        content_type,
    };
    Ok(Some((head, data)))
}

/// Where the part behind the next delimiter from `from` on begins.
fn next_part(bytes: &[u8], delimiter: &[u8], from: usize) -> Result<Option<usize>> {
    let Some(at) = find(&bytes[from..], delimiter) else {
        return Ok(None);
    };
    let behind = from + at + delimiter.len();
    let padding = bytes[behind..]
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    match &bytes[behind + padding..] {
        [b'\r', b'\n', ..] => Ok(Some(behind + padding + 2)),
        [] | [b'\r'] | [b'-'] => Ok(None),
        // The closing boundary, or another one that starts like this one.
        _ => Err(unexpected_parts()),
    }
}

/// The Content-Type in the head that starts at `from`, and where the content begins.
fn part_head(bytes: &[u8], from: usize) -> Option<(Option<String>, usize)> {
    // A part without a head has the blank line at once.
    let end = match bytes[from..].starts_with(b"\r\n") {
        true => from,
        false => from + find(&bytes[from..], b"\r\n\r\n")? + 2,
    };
    let content_type = bytes[from..end]
        .split(|byte| *byte == b'\n')
        .filter_map(|line| str::from_utf8(line).ok()?.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-type"))
        .map(|(_, value)| value.trim().to_owned())
        .filter(|value| !value.is_empty());
    Some((content_type, end + 2))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;
    use tokio::runtime::Builder;

    use super::*;

    const TYPE: &str = "multipart/related; boundary=B";
    const JSON: &str =
        "--B\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{\"name\":\"ü\"}";
    const PART: &str = "\r\n--B\r\nContent-Type: video/webm\r\n\r\n";

    /// A body that arrives in pieces that end at `cuts`.
    fn body(bytes: &[u8], cuts: &[usize]) -> Body {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<Result<Bytes, Error>> = cuts
            .windows(2)
            .map(|ends| Ok(Bytes::copy_from_slice(&bytes[ends[0]..ends[1]])))
            .collect();
        Body::stream(stream::iter(pieces))
    }

    fn parsed(content_type: &str, bytes: &[u8], cuts: &[usize]) -> Result<(Head, Vec<u8>), String> {
        let reading = async {
            let (head, mut multipart) = Multipart::open(content_type, body(bytes, cuts)).await?;
            let mut content = Vec::new();
            while let Some(piece) = multipart.chunk().await? {
                content.extend_from_slice(&piece);
            }
            Ok((head, content))
        };
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(reading).map_err(|error: Error| {
            assert_eq!(error.status().as_u16(), 400, "{error:?}");
            error.message().to_owned()
        })
    }

    fn content(bytes: &[u8]) -> Result<Vec<u8>, String> {
        parsed(TYPE, bytes, &[]).map(|(_, content)| content)
    }

    fn upload(data: &[u8], end: &str) -> Vec<u8> {
        [JSON.as_bytes(), PART.as_bytes(), data, end.as_bytes()].concat()
    }

    #[test]
    fn what_the_sdk_sends_is_read() {
        let expected = Head {
            json: "{\"name\":\"ü\"}".into(),
            content_type: Some("video/webm".to_owned()),
        };
        let body = upload(b"0123", "\r\n--B--");
        assert_eq!(parsed(TYPE, &body, &[]), Ok((expected, b"0123".to_vec())));
    }

    #[test]
    fn data_may_hold_anything_but_a_line_that_is_the_boundary() {
        for data in [
            "",
            "B",
            "--B",
            "--B--",
            "--B\r\n",
            "\r\n",
            "\r\n--B-",
            "\r\n--B--",
            "\r\n--B--\r\nmore",
            "\r\n--Bx\r\n",
            "a\r\n--",
        ] {
            for end in ["\r\n--B--", "\r\n--B--\r\n"] {
                let body = upload(data.as_bytes(), end);
                assert_eq!(content(&body), Ok(data.into()), "{data:?} {end:?}");
            }
        }
    }

    #[test]
    fn other_than_two_parts_are_refused() {
        let expected = "Unexpected number of parts in request body".to_owned();
        let third = format!("x{PART}y");
        for body in [
            Vec::new(),
            b"--B--".to_vec(),
            b"no boundary at all".to_vec(),
            [JSON.as_bytes(), b"\r\n--B--"].concat(),
            JSON.into(),
            upload(b"cut off", ""),
            upload(b"cut off", "\r\n--B"),
            upload(third.as_bytes(), "\r\n--B--"),
        ] {
            let text = String::from_utf8_lossy(&body).into_owned();
            assert_eq!(content(&body), Err(expected.clone()), "{text:?}");
        }
    }

    #[test]
    fn a_long_head_is_refused_with_and_without_its_end() {
        let head = [b"--B\r\n\r\n".as_slice(), &[b'x'; LONGEST_HEAD]].concat();
        let whole = [&head, PART.as_bytes(), b"data\r\n--B--"].concat();
        for body in [head, whole] {
            assert_eq!(
                content(&body),
                Err("The metadata of the upload is too long.".to_owned())
            );
        }
    }

    #[test]
    fn a_part_needs_no_head_of_its_own() {
        let body = b"--B\r\n\r\n{}\r\n--B\r\n\r\ndata\r\n--B--";
        let expected = Head {
            json: "{}".into(),
            content_type: None,
        };
        assert_eq!(parsed(TYPE, body, &[]), Ok((expected, b"data".to_vec())));
        let empty = b"--B\r\nA: b\r\n\r\n\r\n--B \r\nA: b\r\n\r\ndata\r\n--B--";
        let (head, content) = parsed(TYPE, empty, &[]).unwrap();
        assert_eq!(
            (head.json.as_ref(), content.as_slice()),
            (b"".as_slice(), b"data".as_slice())
        );
    }

    #[test]
    fn a_body_that_comes_byte_by_byte_is_looked_at_as_seldom_as_any_other() {
        let bytes = upload(&[b'x'; 5000], "\r\n--B--");
        let body = body(&bytes, &(0..bytes.len()).collect::<Vec<_>>());
        let runtime = Builder::new_current_thread().build().unwrap();
        let (_, multipart) = runtime.block_on(Multipart::open(TYPE, body)).unwrap();
        assert!(multipart.held.len() > 5000);
    }

    #[test]
    fn another_content_type_is_refused() {
        assert_eq!(
            parsed("text/plain", b"", &[]),
            Err("Bad content type. text/plain".to_owned())
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Pieces of fewer bytes than lie between the two places would be put together again.
        #[test]
        fn where_the_body_is_cut_changes_nothing(
            data in "[B\r\n-]{0,40}",
            end in prop_oneof![Just(""), Just("\r\n--B--"), Just("\r\n--B--\r\n"), Just("\r\n--B")],
            in_the_head in 0..80_usize,
            in_the_data in 0..60_usize,
        ) {
            let long = "x".repeat(20_000);
            let start = format!("--B\r\nA: b\r\n\r\n{long}");
            let head = format!("{start}{PART}{data}{long}");
            let body = format!("{head}{data}{end}").into_bytes();
            let cuts = [start.len() + in_the_head, head.len() + in_the_data];
            prop_assert_eq!(parsed(TYPE, &body, &cuts), parsed(TYPE, &body, &[]));
        }
    }
}
