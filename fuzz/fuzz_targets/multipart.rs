//! Uploads of several parts: where the packets end changes nothing.
#![no_main]

use functions::testing::{form, parts};
use futures_util::{FutureExt as _, stream};
use libfuzzer_sys::fuzz_target;
use runtime::header::CONTENT_TYPE;
use runtime::{Body, Error, HeaderValue, Request, Result};

/// Bytes of a packet that is not put together with the next one.
const PACKET: usize = 16 << 10;

fuzz_target!(|data: &[u8]| {
    // Where the body is cut, the content type on a line, the body.
    let Some(([high, low], rest)) = data.split_first_chunk() else {
        return;
    };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let cut = usize::from(u16::from_be_bytes([*high, *low])) % (rest.len() - end);
    if let Ok(content_type) = str::from_utf8(&rest[..end]) {
        check_parts(content_type, &rest[end + 1..], cut);
        check_form(content_type, &rest[end + 1..], cut);
    }
});

/// The bytes, after as many of a preamble as a packet has, in two packets if there is a cut.
fn body(bytes: &[u8], cut: Option<usize>) -> Body {
    let (first, second) = bytes.split_at(cut.unwrap_or(bytes.len()));
    let preamble = [&[b'x'; PACKET], b"\r\n".as_slice()].concat();
    let packets = [[&preamble, first].concat(), second.to_vec()];
    let packets = packets.map(|packet| Ok::<_, Error>(packet.into()));
    Body::stream(stream::iter(packets))
}

/// What was read, or the refusal: all pieces are there.
fn now<T>(reading: impl Future<Output = Result<T>>) -> Result<T, (u16, String)> {
    let read = reading.now_or_never().expect("nothing to wait for");
    read.map_err(|error| {
        let status = error.status().as_u16();
        assert!((400..500).contains(&status), "{error:?}");
        (status, error.message().to_owned())
    })
}

fn check_parts(content_type: &str, bytes: &[u8], cut: usize) {
    let read = |cut| now(parts(content_type, body(bytes, cut)));
    let whole = read(None);
    assert_eq!(read(Some(cut)), whole, "cut at {cut}");
    let Ok(whole) = whole else {
        return;
    };
    // The content is followed by a boundary, the last one by two hyphens.
    let closed = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
    assert!(closed.ends_with(b"--"));
    let followed = [&whole.content, b"\r\n--".as_slice()].concat();
    let mut windows = bytes.windows(followed.len());
    assert!(windows.any(|window| window == followed), "{whole:?}");
}

fn check_form(content_type: &str, bytes: &[u8], cut: usize) {
    let Ok(content_type) = HeaderValue::from_str(content_type) else {
        return;
    };
    let read = |cut| {
        let mut request = Request::new(body(bytes, cut));
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, content_type.clone());
        now(form(request))
    };
    let whole = read(None);
    assert_eq!(read(Some(cut)), whole, "cut at {cut}");
    if let Ok(whole) = whole {
        let name = &whole.filename;
        assert!((1..=255).contains(&name.len()) && !name.starts_with('.'));
        assert!(!name.contains(|c: char| c == '/' || c == '\\' || c.is_control()));
    }
}
