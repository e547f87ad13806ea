//! A file as a response.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request};

use super::files::Found;
use crate::body::Body;
use crate::error::{Error, Result};
use crate::function::Response;
use crate::representation::Representation;
use crate::storage::ObjectReader;

/// To GET or HEAD.
pub(super) fn file<B>(request: &Request<B>, found: Found) -> Result<Response> {
    let response = described(&found)?;
    representation(found).answer(request, response)
}

/// With no regard to what the client has or asks for.
pub(super) fn whole(method: &Method, found: Found) -> Result<Response> {
    let response = described(&found)?;
    representation(found).whole(method, response)
}

fn representation(found: Found) -> Representation {
    Representation {
        etag: found.etag,
        modified: found.modified,
        reader: ObjectReader::new(found.file, found.size),
    }
}

fn described(found: &Found) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    let media = HeaderValue::from_str(&media_type(&found.name)).map_err(Error::internal)?;
    response.headers_mut().insert(CONTENT_TYPE, media);
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
