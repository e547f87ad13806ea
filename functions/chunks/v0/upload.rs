//! Uploads in one request: of two parts, or of the bytes alone. And which of the three kinds a request
//! begins.

use runtime::{
    Body, Object, ObjectName, Operation, PutOptions, Request, Response, Result, StatusCode, json,
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
    let name = authorized_name(call, None)?;
    let options = options(Said::default(), &name, content_type, length);
    let mut upload = call.bucket.put(name, options).await?;
    let mut body = request.into_body();
    while let Some(piece) = body.chunk().await.transpose()? {
        upload.write(piece).await?;
    }
    done(call, &upload.finish().await?)
}

async fn of_two_parts(call: &Call<'_>, content_type: &str, body: Body) -> Result<Response> {
    // Before the body is read, when the URL names the object; the SDKs' always do.
    if given_name(call).is_some() {
        authorized_name(call, None)?;
    }
    let (head, mut parts) = Multipart::open(content_type, body).await?;
    let said = Said::read(&head.json)?;
    let name = authorized_name(call, said.name.as_deref())?;
    let options = options(said, &name, head.content_type, None);
    let mut upload = call.bucket.put(name, options).await?;
    while let Some(piece) = parts.chunk().await? {
        upload.write(piece).await?;
    }
    done(call, &upload.finish().await?)
}

/// The name in the query, else in the path, else in the JSON, once the caller may write it.
pub(super) fn authorized_name(call: &Call<'_>, said: Option<&str>) -> Result<ObjectName> {
    let name = given_name(call).or(said);
    let name = object_name(name.ok_or_else(|| bad_request("The object has no name."))?)?;
    call.check(Operation::Write, &name)?;
    Ok(name)
}

pub(super) fn given_name<'c>(call: &'c Call<'_>) -> Option<&'c str> {
    call.query.get("name").or(call.name.as_deref())
}

/// What becomes of what was said: every object that a client uploads here can be shared by its token.
pub(super) fn options(
    said: Said,
    name: &ObjectName,
    content_type: Option<String>,
    content_length: Option<u64>,
) -> PutOptions {
    let content_type = content_type.filter(|media| !media.is_empty());
    let mut options = said.options(name.as_str(), content_type, content_length);
    options.metadata.insert(TOKENS.to_owned(), tokens::fresh());
    options
}

fn done(call: &Call<'_>, object: &Object) -> Result<Response> {
    json(StatusCode::OK, &resource(call.bucket.public_name(), object))
}

fn content_length(request: &Request) -> Option<u64> {
    text(request.headers(), "content-length")?.parse().ok()
}
