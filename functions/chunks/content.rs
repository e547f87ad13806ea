//! What the downloads of both interfaces share, and how texts of users get into headers.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::{
    Error, HeaderName, HeaderValue, Object, ObjectReader, Representation, Response, Result,
};

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

/// The version that an object is. Its tag is one for each generation, and each change of its metadata.
pub(super) fn representation(object: &Object, reader: ObjectReader) -> Representation {
    Representation {
        etag: format!("\"{}\"", object.etag()),
        modified: SystemTime::from(object.updated),
        reader,
    }
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
