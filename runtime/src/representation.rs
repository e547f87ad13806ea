//! Bytes as the answer to a GET or HEAD: all of them, a range, or none when the client has them already or
//! wants those of another version (RFC 9110 §13 and §14).
//!
//! Knows neither where they lie nor what they are: whoever answers says that beforehand.

use std::ops::Range;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, Method, Request, StatusCode};

use crate::body::Body;
use crate::error::{Error, Result};
use crate::function::Response;
use crate::storage::ObjectReader;

/// One version of what a URL shows.
#[derive(Debug)]
pub struct Representation {
    /// With its quotes; other bytes have another.
    pub etag: String,
    pub modified: SystemTime,
    pub reader: ObjectReader,
}

/// Which bytes a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Selection {
    /// No range, several, or one that is not understood: a server may ignore them.
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

impl Representation {
    /// Fills in `response`, which has the headers that say what the bytes are.
    ///
    /// # Errors
    /// Internal, for an `etag` that is no value of a header.
    pub fn answer<B>(&self, request: &Request<B>, mut response: Response) -> Result<Response> {
        insert(&mut response, ETAG, &self.etag)?;
        let modified = httpdate::fmt_http_date(self.modified);
        insert(&mut response, LAST_MODIFIED, &modified)?;
        insert(&mut response, ACCEPT_RANGES, "bytes")?;
        if self.is_another(request.headers()) {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return Ok(response);
        }
        if self.is_unchanged(request.headers()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        // A range is a matter of GET alone.
        let range = match *request.method() {
            Method::GET => self.requested_range(request.headers()),
            _ => None,
        };
        let size = self.reader.size();
        match select(range, size) {
            Selection::Whole => self.whole(request.method(), response),
            Selection::Part(part) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let shown = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                insert(&mut response, CONTENT_RANGE, &shown)?;
                self.send(part, request.method(), response)
            }
            Selection::Unsatisfiable => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                insert(&mut response, CONTENT_RANGE, &format!("bytes */{size}"))?;
                Ok(response)
            }
        }
    }

    /// The same with no regard to what the client has or asks for.
    pub(crate) fn whole(&self, method: &Method, response: Response) -> Result<Response> {
        self.send(0..self.reader.size(), method, response)
    }

    fn send(&self, part: Range<u64>, method: &Method, mut response: Response) -> Result<Response> {
        let length = part.end - part.start;
        insert(&mut response, CONTENT_LENGTH, &length.to_string())?;
        if method != Method::HEAD && length > 0 {
            *response.body_mut() = Body::stream(self.reader.read_range(part));
        }
        Ok(response)
    }

    /// Whether the client has it: `If-None-Match` decides, `If-Modified-Since` only without it.
    pub fn is_unchanged(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(IF_NONE_MATCH) {
            return tags(headers, IF_NONE_MATCH)
                .map(|tag| tag.trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag == self.etag);
        }
        date(headers, IF_MODIFIED_SINCE).is_some_and(|since| seconds(self.modified) <= since)
    }

    /// Whether the client wants a version that this is not: `If-Match` decides, `If-Unmodified-Since` only
    /// without it.
    fn is_another(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(IF_MATCH) {
            return !tags(headers, IF_MATCH).any(|tag| tag == "*" || tag == self.etag);
        }
        date(headers, IF_UNMODIFIED_SINCE).is_some_and(|since| seconds(self.modified) > since)
    }

    /// `Range`, unless `If-Range` names another version.
    fn requested_range<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let range = text(headers, RANGE)?;
        let same = match text(headers, IF_RANGE) {
            None => true,
            Some(tag) if tag.starts_with('"') => tag == self.etag,
            Some(_) => date(headers, IF_RANGE) == Some(seconds(self.modified)),
        };
        same.then_some(range)
    }
}

/// `header`: the value of `Range`.
fn select(header: Option<&str>, size: u64) -> Selection {
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

/// Digits only: Rust parses `+1`, which is no number in HTTP. What is too large for the type is beyond the
/// end of any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// HTTP's dates have no fractions.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .map(str::trim)
}

/// Seconds since 1970.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let date = httpdate::parse_http_date(text(headers, name)?).ok()?;
    Some(seconds(date))
}

fn insert(response: &mut Response, name: HeaderName, text: &str) -> Result<()> {
    let value = HeaderValue::from_str(text).map_err(Error::internal)?;
    response.headers_mut().insert(name, value);
    Ok(())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
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
            ("bytes=0-18446744073709551615", 10, Selection::Part(0..10)),
            ("bytes=0-18446744073709551616", 10, Selection::Part(0..10)),
            ("bytes=-18446744073709551616", 10, Selection::Part(0..10)),
            ("bytes=18446744073709551616-", 10, Selection::Unsatisfiable),
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
