//! What reads an upload of this protocol, one call each.

use bytes::Bytes;
use runtime::{Body, HeaderMap, PutOptions, Result, Uri};

use super::metadata::Said;
use super::multipart::Multipart;
use super::query::Query;
use super::{gzip, resumable, text, upload};

/// An upload of two parts, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    pub json: Bytes,
    pub content_type: Option<String>,
    pub content: Vec<u8>,
}

/// # Errors
/// 400.
pub async fn parts(content_type: &str, body: Body) -> Result<Parts> {
    let (head, mut parts) = Multipart::open(content_type, body).await?;
    let mut content = Vec::new();
    while let Some(piece) = parts.chunk().await? {
        content.extend_from_slice(&piece);
    }
    Ok(Parts {
        json: head.json,
        content_type: head.content_type,
        content,
    })
}

/// The value of that name in the query.
///
/// # Errors
/// 400.
pub fn query(uri: &Uri, name: &str) -> Result<Option<String>> {
    Ok(Query::of(uri)?.get(name).map(str::to_owned))
}

/// What the start of an upload asks for, after everything else that headers of this protocol say.
///
/// # Errors
/// 400.
pub fn upload(name: &str, headers: &HeaderMap, json: &[u8]) -> Result<PutOptions> {
    let _ = resumable::Command::of(headers);
    let _ = resumable::offset(headers);
    let _ = gzip::is_accepted(text(headers, "accept-encoding"));
    let content_type = resumable::content_type(headers);
    let length = resumable::total_length(headers)?;
    upload::options(
        Said::read(json)?,
        &super::object_name(name)?,
        content_type,
        length,
    )
}
