//! An open object as the answer to a GET or HEAD: all of it, a range, or nothing when the client has it
//! already (RFC 9110 §13 and §14).

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::{
    Body, Error, HeaderMap, HeaderName, HeaderValue, Method, Object, ObjectReader, Request,
    Response, Result, StatusCode, header,
};

use super::range::{Selection, select};

/// What `encodeURIComponent` and Python's `quote` both leave as it is, less the slash.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

/// Percent-encoded, so that it stands for itself in one segment of a path, in a query, and in an
/// extended parameter of a header (RFC 8187).
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// Fills in `response`, which has the headers that describe the object but for those of its version.
pub(super) fn answer(
    request: &Request,
    object: &Object,
    reader: &ObjectReader,
    mut response: Response,
) -> Result<Response> {
    let modified = httpdate::fmt_http_date(SystemTime::from(object.updated));
    insert(&mut response, header::ETAG, &etag(object))?;
    insert(&mut response, header::LAST_MODIFIED, &modified)?;
    insert(&mut response, header::ACCEPT_RANGES, "bytes")?;
    if is_unchanged(request.headers(), object) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    // RFC 9110 §14.2: a range is a matter of GET alone.
    let range = match *request.method() {
        Method::GET => requested_range(request.headers(), object),
        _ => None,
    };
    let (status, part) = match select(range, object.size) {
        Selection::Whole => (StatusCode::OK, 0..object.size),
        Selection::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Selection::Unsatisfiable => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let range = format!("bytes */{}", object.size);
            insert(&mut response, header::CONTENT_RANGE, &range)?;
            return Ok(response);
        }
    };
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", part.start, part.end - 1, object.size);
        insert(&mut response, header::CONTENT_RANGE, &range)?;
    }
    let length = part.end - part.start;
    insert(&mut response, header::CONTENT_LENGTH, &length.to_string())?;
    if request.method() != Method::HEAD && length > 0 {
        *response.body_mut() = Body::stream(reader.read_range(part));
    }
    Ok(response)
}

/// # Errors
/// Internal, for a value that is none of a header: it must not come from a user.
pub(super) fn insert(response: &mut Response, name: HeaderName, value: &str) -> Result<()> {
    let value = HeaderValue::from_str(value).map_err(Error::internal)?;
    response.headers_mut().insert(name, value);
    Ok(())
}

/// What an uploader said, unless it is no value of a header: then `default` stands for it.
pub(super) fn insert_said(
    response: &mut Response,
    name: HeaderName,
    said: Option<&str>,
    default: &'static str,
) {
    let said = said.and_then(|said| HeaderValue::from_bytes(said.as_bytes()).ok());
    let value = said.unwrap_or(HeaderValue::from_static(default));
    response.headers_mut().insert(name, value);
}

/// RFC 9110 §13.2.2: `If-None-Match` decides, `If-Modified-Since` only without it.
pub(super) fn is_unchanged(headers: &HeaderMap, object: &Object) -> bool {
    if let Some(tags) = text(headers, header::IF_NONE_MATCH) {
        let etag = etag(object);
        return tags
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == etag);
    }
    text(headers, header::IF_MODIFIED_SINCE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .is_some_and(|since| !is_newer(object, since))
}

/// The `Range` header, unless `If-Range` names another version (RFC 9110 §13.1.5).
fn requested_range<'h>(headers: &'h HeaderMap, object: &Object) -> Option<&'h str> {
    let range = text(headers, header::RANGE)?;
    let same = match text(headers, header::IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with('"') => tag == etag(object),
        Some(date) => httpdate::parse_http_date(date).is_ok_and(|date| {
            httpdate::fmt_http_date(SystemTime::from(object.updated))
                == httpdate::fmt_http_date(date)
        }),
    };
    same.then_some(range)
}

/// HTTP's form, in quotes: one for each generation of the object, and each change of its metadata.
pub(super) fn etag(object: &Object) -> String {
    format!("\"{}\"", object.etag())
}

/// HTTP's dates have no fractions of a second.
fn is_newer(object: &Object, since: SystemTime) -> bool {
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    };
    seconds(SystemTime::from(object.updated)) > seconds(since)
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
