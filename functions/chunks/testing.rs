//! What reads an upload, one call each.

use std::collections::BTreeMap;

use runtime::{Request, Result};

use super::form;

pub use super::v0::testing::{Parts, parts, query, upload};

/// A form, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    pub filename: String,
    pub content_type: Option<String>,
    pub fields: BTreeMap<String, String>,
    pub content: Vec<u8>,
}

/// # Errors
/// 400 or 422.
pub async fn form(request: Request) -> Result<Form> {
    let mut form = form::Form::open(request).await?;
    let mut content = Vec::new();
    while let Some(piece) = form.chunk().await? {
        content.extend_from_slice(&piece);
    }
    let fields = std::mem::take(&mut form.fields);
    let (filename, content_type) = form.finish().await?;
    Ok(Form {
        filename: filename.to_string(),
        content_type,
        fields,
        content,
    })
}

/// As a text of a user stands in a URL.
pub fn encoded(text: &str) -> String {
    super::content::encoded(text)
}
