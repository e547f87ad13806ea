//! Uploads to a URL that was handed out before: whoever is signed in gets one, and whoever has it may
//! upload one file of the promised type within the hour, without a token.
//!
//! The shape is that of S3's POST with a policy, because the clients of this endpoint were written for
//! it: a form with all the fields first and the file last.

use std::time::Duration;

use runtime::{
    Body, Context, Error, ErrorCode, HeaderValue, Operation, PutOptions, Request, Response, Result,
    SessionState, StatusCode, UploadSession, json,
};
use serde::Deserialize;
use serde_json::json;

use super::filename::Filename;
use super::form::Form;
use super::{DIRECT_UPLOAD, permission};

/// From when a URL is handed out until it is of no use.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Bytes of the JSON that asks for a URL.
const LONGEST_WISH: usize = 16 << 10;

#[derive(Deserialize)]
struct Wish {
    filename: String,
    content_type: String,
}

/// Answers with the URL, the fields of the form, and the name that the object will have.
pub(super) async fn hand_out(context: &Context, request: Request) -> Result<Response> {
    let uid = permission::caller(context)
        .and_then(|caller| caller.ok_or(permission::Denial::NotSignedIn))
        .map_err(|denial| denial.worded("Forbidden"))?
        .uid
        .clone();
    let wish = wish(request.into_body()).await?;
    let filename = Filename::new(wish.filename)?;
    let bucket = context.bucket("chunks")?;
    let name = bucket.object_name(
        &uid,
        &format!("{}{}", uuid::Uuid::new_v4(), filename.extension()),
    )?;
    permission::check(context, &bucket, Operation::Write, &name)
        .map_err(|denial| denial.worded("Forbidden"))?;
    let options = PutOptions {
        content_type: Some(wish.content_type.clone()),
        metadata: [("originalFilename".to_owned(), filename.to_string())].into(),
        ..PutOptions::default()
    };
    let session = bucket
        .start_session_for(LIFETIME, name.clone(), options)
        .await?;
    let no_origin = || Error::new(ErrorCode::InvalidArgument, "A request needs a Host.");
    json(
        StatusCode::OK,
        &json!({
            "url": format!("{}{DIRECT_UPLOAD}", context.origin().ok_or_else(no_origin)?),
            "fields": {
                "key": name.as_str(),
                "Content-Type": wish.content_type,
                "upload_id": session.id(),
            },
            "object_key": name.as_str(),
        }),
    )
}

/// Takes the form. The session is the permission alone: the bytes go the way of every other upload, so
/// that a form that broke off can be sent again.
pub(super) async fn receive(context: &Context, request: Request) -> Result<Response> {
    let mut form = Form::open(request).await?;
    let bucket = context.bucket("chunks")?;
    let id = form.fields.get("upload_id").map_or("", String::as_str);
    let session = bucket.session(id).await?;
    let session = session
        .filter(|session| *session.state() == SessionState::Active)
        .ok_or_else(spent)?;
    check_promise(&form, &session)?;
    let options = session.options().clone();
    let mut upload = bucket.put(session.name().clone(), options).await?;
    while let Some(piece) = form.chunk().await? {
        upload.write(piece).await?;
    }
    form.finish().await?;
    // Before there is an object: of several forms at once, one ends the session.
    if !session.cancel().await? {
        return Err(spent());
    }
    upload.finish().await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

async fn wish(mut body: Body) -> Result<Wish> {
    let unprocessable = || {
        let message = "Field required: filename and content_type, as JSON";
        Error::new(ErrorCode::InvalidArgument, message)
            .with_status(StatusCode::UNPROCESSABLE_ENTITY)
    };
    let mut json = Vec::new();
    while let Some(piece) = body.chunk().await.transpose()? {
        json.extend_from_slice(&piece);
        if json.len() > LONGEST_WISH {
            return Err(unprocessable());
        }
    }
    let wish: Wish = serde_json::from_slice(&json).map_err(|e| unprocessable().because(e))?;
    match wish.content_type.parse::<HeaderValue>() {
        Ok(media) if !media.is_empty() => Ok(wish),
        _ => Err(unprocessable()),
    }
}

/// The form must be for the object that was promised, and of its type: as its field says, or where there
/// is none, as its file does.
fn check_promise(form: &Form, session: &UploadSession) -> Result<()> {
    let key = form.fields.get("key").map(String::as_str);
    if key != Some(session.name().as_str()) {
        return Err(forbidden("The key is not the one of the upload URL."));
    }
    let field = form.fields.get("Content-Type").map(String::as_str);
    if field.or(form.content_type.as_deref()) != session.options().content_type.as_deref() {
        return Err(forbidden(
            "The content type is not the one of the upload URL.",
        ));
    }
    Ok(())
}

fn spent() -> Error {
    forbidden("The upload URL is unknown, used or expired.")
}

fn forbidden(message: &'static str) -> Error {
    Error::new(ErrorCode::PermissionDenied, message)
}
