//! The bytes of an object: for who may read it, and for who has one of its download tokens.

use runtime::{
    Body, HeaderName, HeaderValue, Method, Object, ObjectName, ObjectReader, Operation, Request,
    Response, Result, header, set,
};

use super::super::content::{encoded, insert, insert_said, representation};
use super::{Call, gzip, not_found, text, tokens};

/// Cloud Storage serves from a domain of its own, where what a user uploaded can do no harm. Here it
/// comes from the origin of the application: a page or an SVG that is opened by its URL would run in
/// the application's name. In a sandbox it is shown and runs nothing, as nobody; images, sounds and
/// films, which the browser wraps in a page of its own making, still show.
const SANDBOX: &str = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; \
                       style-src 'unsafe-inline'";

pub(super) async fn answer(
    call: &Call<'_>,
    name: &ObjectName,
    request: &Request,
) -> Result<Response> {
    let token = call.query.get("token").unwrap_or_default();
    let found = match token {
        "" => {
            call.check(Operation::Read, name)?;
            call.bucket.open(name).await?
        }
        token => {
            let found = call.bucket.open(name).await?;
            let opens = found
                .as_ref()
                .is_some_and(|(it, _)| tokens::opens(token, it));
            if !opens {
                call.check_in_spite_of_token(name)?;
            }
            found
        }
    };
    let (object, reader) = found.ok_or_else(not_found)?;
    let with_token = tokens::ensure(call, object.clone()).await?;
    // One that was overwritten meanwhile is described as the bytes are that will be sent.
    let object = match with_token.generation == object.generation {
        true => with_token,
        false => object,
    };
    send(request, &object, reader).await
}

async fn send(request: &Request, object: &Object, reader: ObjectReader) -> Result<Response> {
    let mut response = described(object)?;
    let stored = representation(object, reader);
    let coding = object.content_encoding.as_deref().unwrap_or("identity");
    if coding.eq_ignore_ascii_case("gzip") {
        set(&mut response, header::VARY, "Accept-Encoding");
        let accepted = text(request.headers(), "accept-encoding");
        if !gzip::is_accepted(accepted)
            && !stored.is_unchanged(request.headers())
            && let Some(plain) = gzip::decompressed(&stored.reader).await?
        {
            // Other bytes under the same name: not those of the strong tag (RFC 9110 §8.8.1).
            let tag = format!("W/{}", stored.etag);
            insert(&mut response, header::ETAG, &tag)?;
            if request.method() != Method::HEAD {
                *response.body_mut() = Body::stream(plain);
            }
            return Ok(response);
        }
    }
    if !coding.eq_ignore_ascii_case("identity") {
        insert_said(
            &mut response,
            header::CONTENT_ENCODING,
            Some(coding),
            "identity",
        );
    }
    stored.answer(request, response)
}

/// The headers that do not depend on the request.
fn described(object: &Object) -> Result<Response> {
    let mut response = Response::new(Body::empty());
    let name = object.name.as_str();
    let file = name.rsplit('/').next().unwrap_or(name);
    let said = object
        .content_disposition
        .as_deref()
        .unwrap_or("attachment");
    let disposition = match said.to_ascii_lowercase().contains("filename") {
        true => said.to_owned(),
        false => format!("{said}; filename*=utf-8''{}", encoded(file)),
    };
    for (name, said, default) in [
        (
            header::CONTENT_TYPE,
            object.content_type.as_deref(),
            "application/octet-stream",
        ),
        (
            header::CONTENT_DISPOSITION,
            Some(disposition.as_str()),
            "attachment",
        ),
        (
            header::CACHE_CONTROL,
            object.cache_control.as_deref(),
            "private, max-age=0",
        ),
    ] {
        insert_said(&mut response, name, said, default);
    }
    if let Some(language) = &object.content_language
        && let Ok(language) = HeaderValue::from_bytes(language.as_bytes())
    {
        response
            .headers_mut()
            .insert(header::CONTENT_LANGUAGE, language);
    }
    let hash = format!(
        "crc32c={},md5={}",
        object.crc32c_base64(),
        object.md5_base64()
    );
    for (name, value) in [
        ("x-goog-generation", object.generation.to_string().as_str()),
        ("x-goog-metageneration", &object.metageneration.to_string()),
        ("x-goog-storage-class", "STANDARD"),
        ("x-goog-hash", &hash),
    ] {
        insert(&mut response, HeaderName::from_static(name), value)?;
    }
    set(&mut response, header::CONTENT_SECURITY_POLICY, SANDBOX);
    Ok(response)
}
