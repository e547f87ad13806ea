//! Uploads in one request: of two parts, or of the bytes alone. And which of the three kinds a request
//! begins.

use runtime::{
    Body, Error, Object, ObjectName, Operation, PutOptions, Request, Response, Result, StatusCode,
    json,
};

use super::metadata::{Said, TOKENS, resource};
use super::multipart::Multipart;
use super::{Call, bad_request, object_name, resumable, text, tokens};

pub(super) async fn answer(call: &Call<'_>, request: Request) -> Result<Response> {
    let protocol = text(request.headers(), "x-goog-upload-protocol").unwrap_or_default();
    let resumable = protocol.eq_ignore_ascii_case("resumable")
        || request.headers().contains_key("x-goog-upload-command");
    if resumable {
        return resumable::start(call, request).await;
    }
    let length = content_length(&request);
    let content_type = text(request.headers(), "content-type").map(str::to_owned);
    if protocol.eq_ignore_ascii_case("multipart") {
        let content_type = content_type.unwrap_or_default();
        return of_two_parts(call, &content_type, request.into_body()).await;
    }
    let name = name_in_url(call)?.ok_or_else(nameless)?;
    let options = options(Said::default(), &name, content_type, length)?;
    let mut upload = call.bucket.put(name, options).await?;
    let mut body = request.into_body();
    while let Some(piece) = body.chunk().await.transpose()? {
        upload.write(piece).await?;
    }
    done(call, &upload.finish().await?)
}

async fn of_two_parts(call: &Call<'_>, content_type: &str, body: Body) -> Result<Response> {
    let name = name_in_url(call)?;
    let (head, mut parts) = Multipart::open(content_type, body).await?;
    let said = Said::read(&head.json)?;
    let name = name.map_or_else(|| name_in_json(call, &said), Ok)?;
    let options = options(said, &name, head.content_type, None)?;
    let mut upload = call.bucket.put(name, options).await?;
    while let Some(piece) = parts.chunk().await? {
        upload.write(piece).await?;
    }
    done(call, &upload.finish().await?)
}

/// The name in the query, else in the path, once the caller may write it: the SDKs always give it, and
/// are refused before anything reads the body.
pub(super) fn name_in_url(call: &Call<'_>) -> Result<Option<ObjectName>> {
    let name = call.query.get("name").or(call.name.as_deref());
    name.map(|name| writable(call, name)).transpose()
}

/// For a URL without a name.
pub(super) fn name_in_json(call: &Call<'_>, said: &Said) -> Result<ObjectName> {
    writable(call, said.name.as_deref().ok_or_else(nameless)?)
}

fn writable(call: &Call<'_>, name: &str) -> Result<ObjectName> {
    let name = object_name(name)?;
    call.check(Operation::Write, &name)?;
    Ok(name)
}

fn nameless() -> Error {
    bad_request("The object has no name.")
}

/// What becomes of what was said: every object that a client uploads here can be shared by its token.
pub(super) fn options(
    said: Said,
    name: &ObjectName,
    content_type: Option<String>,
    content_length: Option<u64>,
) -> Result<PutOptions> {
    let content_type = content_type.filter(|media| !media.is_empty());
    let mut options = said.options(name.as_str(), content_type, content_length)?;
    options.metadata.insert(TOKENS.to_owned(), tokens::fresh());
    Ok(options)
}

fn done(call: &Call<'_>, object: &Object) -> Result<Response> {
    json(StatusCode::OK, &resource(call.bucket.public_name(), object))
}

fn content_length(request: &Request) -> Option<u64> {
    text(request.headers(), "content-length")?.parse().ok()
}
