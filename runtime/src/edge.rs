//! What no function should have to think of: requests that are refused before anything looks at
//! their meaning. Each of them is a way to make two servers disagree about where a request ends or
//! for whom it is.

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, StatusCode, Version};

use crate::connection::Flaw;
use crate::error::{Error, ErrorCode, Result};
use crate::present::{Field, Present};

/// What [`is_known`] lets through.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The host that the request is for.
///
/// # Errors
/// 405 for TRACE, CONNECT and unknown methods; 400 for none or several hosts (RFC 9112 §3.2), for an
/// Upgrade with a body, for a coding that is not chunked, and for a head in which the connection saw a [`Flaw`];
/// 431 for one that is too long.
pub(crate) fn check<B>(request: &Request<B>, present: Present) -> Result<&str> {
    match request.extensions().get() {
        None => {}
        Some(Flaw::Ambiguous) => return Err(bad_request("The request can be read in two ways.")),
        Some(Flaw::TooLong) => {
            return Err(bad_request("The headers are too long.")
                .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
    }
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    if !is_known(method) {
        return Err(Error::method_not_allowed(METHODS, "Method Not Allowed"));
    }
    let is_coded = present.has(Field::TransferEncoding);
    if present.has(Field::Upgrade) {
        let length = headers.get(CONTENT_LENGTH);
        if is_coded || length.is_some_and(|length| length != "0") {
            return Err(bad_request("An Upgrade cannot have a body."));
        }
    }
    // RFC 9112 §6.1: a coding that is not understood leaves the end of the body unknown.
    let is_understood = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let are_understood = || headers.get_all(TRANSFER_ENCODING).iter().all(is_understood);
    if is_coded && !are_understood() {
        return Err(bad_request("The only Transfer-Encoding is chunked."));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().filter(|host| is_host(host)),
        // RFC 9112 §3.2 asks it of HTTP/1.1; probes still speak 1.0.
        (None, _) if request.version() == Version::HTTP_10 => Some(""),
        (None, _) => return Err(bad_request("A request needs a Host.")),
        _ => return Err(bad_request("A request has one Host.")),
    };
    // RFC 9112 §3.2.2: an absolute target overrules the Host header, and is no more believed than that.
    host.filter(|_| uri.host().is_none_or(is_host))
        .map(|host| uri.host().unwrap_or(host))
        .ok_or_else(|| bad_request("The Host is not a name."))
}

fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    )
}

/// A name or an address, perhaps with a port.
pub(crate) fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.bytes().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']' | b'%')
        })
}

fn bad_request(message: &'static str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}
