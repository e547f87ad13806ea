//! Downloads: an object as an HTTP response, whole or a range, or nothing when the client has it.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::{
    Body, Context, Error, ErrorCode, HeaderMap, HeaderName, HeaderValue, Method, Object, Request,
    Response, Result, StatusCode, header,
};

use super::Folder;
use super::filename::Filename;
use super::range::{Selection, select};

/// What Python's `quote` leaves as it is, less the slash, which no filename holds.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

pub(super) async fn answer(context: &Context, request: &Request) -> Result<Response> {
    let folder = Folder::of_caller(context)?;
    let filename = Filename::new(context.parameter("filename")?)?;
    let found = folder.bucket.open(&folder.object(&filename)?).await?;
    let (object, reader) =
        found.ok_or_else(|| Error::new(ErrorCode::NotFound, "Chunk not found"))?;

    let mut response = Response::new(Body::empty());
    describe(&mut response, &object, &filename)?;
    if is_unchanged(request.headers(), &object) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    // RFC 9110 §14.2: a range is a matter of GET alone.
    let range = match *request.method() {
        Method::GET => requested_range(request.headers(), &object),
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

/// The headers that do not depend on the request. `attachment` always: what a user uploaded never
/// runs as a page of this origin.
fn describe(response: &mut Response, object: &Object, filename: &Filename) -> Result<()> {
    let quoted = utf8_percent_encode(filename.as_ref(), PLAIN).to_string();
    let disposition = match quoted == filename.as_ref() {
        true => format!("attachment; filename=\"{filename}\""),
        false => format!("attachment; filename*=utf-8''{quoted}"),
    };
    let guessed = mime_guess::from_path(filename.as_ref()).first_raw();
    let media = guessed.or(object.content_type.as_deref());
    let modified = httpdate::fmt_http_date(SystemTime::from(object.updated));
    for (name, value) in [
        (
            header::CONTENT_TYPE,
            media.unwrap_or("application/octet-stream"),
        ),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::ETAG, &etag(object)),
        (header::LAST_MODIFIED, &modified),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "private"),
    ] {
        insert(response, name, value)?;
    }
    Ok(())
}

fn insert(response: &mut Response, name: HeaderName, value: &str) -> Result<()> {
    let value = HeaderValue::from_str(value).map_err(Error::internal)?;
    response.headers_mut().insert(name, value);
    Ok(())
}

/// RFC 9110 §13.2.2: `If-None-Match` decides, `If-Modified-Since` only without it.
fn is_unchanged(headers: &HeaderMap, object: &Object) -> bool {
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
fn etag(object: &Object) -> String {
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

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
