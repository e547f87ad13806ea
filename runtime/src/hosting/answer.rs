//! A file as a response: all of it, a range, or nothing when the client has it already
//! (RFC 9110, sections 13 and 14).

use std::ops::Range;
use std::time::SystemTime;

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, Method, Request, StatusCode};

use super::files::Found;
use super::range::{Selection, select};
use crate::body::Body;
use crate::error::{Error, Result};
use crate::function::Response;
use crate::storage::ObjectReader;

/// To GET or HEAD.
pub(super) fn file<B>(request: &Request<B>, found: Found) -> Result<Response> {
    let mut validators = HeaderMap::new();
    validators.insert(ETAG, value(&found.etag)?);
    let modified = httpdate::fmt_http_date(found.modified);
    validators.insert(LAST_MODIFIED, value(&modified)?);
    validators.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));

    let headers = request.headers();
    let mut response = if is_unchanged(headers, &found) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let range = match *request.method() {
            Method::GET => requested_range(headers, &found),
            _ => None,
        };
        let size = found.size;
        match select(range, size) {
            Selection::Whole => whole(request.method(), found)?,
            Selection::Part(range) => {
                let shown = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                let mut response = part(request.method(), found, range)?;
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                insert(&mut response, CONTENT_RANGE, &shown)?;
                response
            }
            Selection::Unsatisfiable => {
                let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
                insert(&mut response, CONTENT_RANGE, &format!("bytes */{size}"))?;
                response
            }
        }
    };
    response.headers_mut().extend(validators);
    Ok(response)
}

/// With no regard to what the client has or asks for.
pub(super) fn whole(method: &Method, found: Found) -> Result<Response> {
    let all = 0..found.size;
    part(method, found, all)
}

fn part(method: &Method, found: Found, range: Range<u64>) -> Result<Response> {
    let mut response = empty(StatusCode::OK);
    insert(&mut response, CONTENT_TYPE, &media_type(&found.name))?;
    let length = range.end - range.start;
    insert(&mut response, CONTENT_LENGTH, &length.to_string())?;
    if method != Method::HEAD && length > 0 {
        let reader = ObjectReader::new(found.file, found.size);
        *response.body_mut() = Body::stream(reader.read_range(range));
    }
    Ok(response)
}

/// By the name's ending. Text is UTF-8, as the web has it by now.
fn media_type(name: &str) -> String {
    match mime_guess::from_path(name).first_raw() {
        Some(text) if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        Some(other) => other.to_owned(),
        None => "application/octet-stream".to_owned(),
    }
}

/// `If-None-Match` decides, `If-Modified-Since` only without it.
fn is_unchanged(headers: &HeaderMap, found: &Found) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|tags| tags.to_str().ok())
            .flat_map(|tags| tags.split(','))
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || tag == found.etag);
    }
    text(headers, IF_MODIFIED_SINCE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .is_some_and(|since| seconds(found.modified) <= seconds(since))
}

/// `Range`, unless `If-Range` names another version.
fn requested_range<'h>(headers: &'h HeaderMap, found: &Found) -> Option<&'h str> {
    let range = text(headers, RANGE)?;
    let same = match text(headers, IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with('"') => tag == found.etag,
        Some(date) => httpdate::parse_http_date(date)
            .is_ok_and(|date| seconds(date) == seconds(found.modified)),
    };
    same.then_some(range)
}

/// HTTP's dates have no fractions.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn insert(response: &mut Response, name: HeaderName, text: &str) -> Result<()> {
    response.headers_mut().insert(name, value(text)?);
    Ok(())
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(Error::internal)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
