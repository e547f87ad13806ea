//! Uploads that take several requests: a start, then commands to the URL that it answers with.
//!
//! Whoever has the URL may go on with the upload, as the SDKs of iOS send no token with a chunk: the
//! start is where a caller is refused. A sender that lost an answer sends the same bytes again, or asks
//! how many there are; a chunk that is not the last is a multiple of the granularity, so that what is
//! there always ends where some sender's chunk began.

use std::error::Error as _;

use runtime::{
    Body, Error, HeaderMap, HeaderName, HeaderValue, Object, Request, Response, Result,
    SessionState, StatusCode, StorageError, UploadSession, json, set,
};
use serde_json::json;

use super::super::content::{encoded, insert};
use super::metadata::{Said, resource};
use super::upload::{name_in_json, name_in_url, options};
use super::{Call, bad_request, not_found, short, text};

/// Bytes; what Cloud Storage says.
const GRANULARITY: &str = "262144";

const URL: HeaderName = HeaderName::from_static("x-goog-upload-url");
const CONTROL_URL: HeaderName = HeaderName::from_static("x-goog-upload-control-url");
const UPLOAD_ID: HeaderName = HeaderName::from_static("x-guploader-uploadid");
const STATUS: HeaderName = HeaderName::from_static("x-goog-upload-status");
const RECEIVED: HeaderName = HeaderName::from_static("x-goog-upload-size-received");
const CHUNK_GRANULARITY: HeaderName = HeaderName::from_static("x-goog-upload-chunk-granularity");

pub(super) async fn start(call: &Call<'_>, request: Request) -> Result<Response> {
    let command = text(request.headers(), "x-goog-upload-command").unwrap_or("start");
    if !command.trim().eq_ignore_ascii_case("start") {
        return Err(bad_request("The command is one to the URL of an upload."));
    }
    let name = name_in_url(call)?;
    let length = total_length(request.headers())?;
    let content_type = content_type(request.headers());
    let said = Said::read(&short(request.into_body()).await?)?;
    let name = name.map_or_else(|| name_in_json(call, &said), Ok)?;
    let options = options(said, &name, content_type, length)?;
    let session = call.bucket.start_session(name, options).await?;

    let url = url(call, &session)?;
    let mut response = standing(&session, Response::new(Body::empty()))?;
    insert(&mut response, URL, &url)?;
    insert(&mut response, CONTROL_URL, &url)?;
    insert(&mut response, UPLOAD_ID, session.id())?;
    Ok(response)
}

/// iOS leaves `Header-` out.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    ["header-content-type", "content-type"]
        .iter()
        .find_map(|name| text(headers, &format!("x-goog-upload-{name}")))
        .map(str::to_owned)
}

/// iOS leaves `Header-` out, and Android does not know the length of a stream.
pub(super) fn total_length(headers: &HeaderMap) -> Result<Option<u64>> {
    let said = text(headers, "x-goog-upload-header-content-length")
        .or_else(|| text(headers, "x-goog-upload-content-length"));
    said.map(number).transpose()
}

/// Digits only: Rust parses `+1`, which is no number in HTTP.
fn number(text: &str) -> Result<u64> {
    let digits = text.trim();
    let is_one = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_one.then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| bad_request("An offset or a length is not a number."))
}

/// Ends in a parameter that means nothing: there are clients that look for `upload_id=…&`.
fn url(call: &Call<'_>, session: &UploadSession) -> Result<String> {
    let no_origin = || bad_request("A request needs a Host.");
    Ok(format!(
        "{}/v0/b/{}/o?name={}&upload_id={}&upload_protocol=resumable",
        call.context.origin().ok_or_else(no_origin)?,
        encoded(call.bucket.public_name()),
        encoded(session.name().as_str()),
        encoded(session.id()),
    ))
}

/// What a request to the URL of an upload wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Query,
    Cancel,
    Upload,
    UploadAndFinalize,
    Finalize,
}

impl Command {
    /// # Errors
    /// 400 for none, and for what cannot be done together.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self> {
        let text = text(headers, "x-goog-upload-command").unwrap_or_default();
        let mut words: Vec<String> = text
            .split(',')
            .map(|word| word.trim().to_ascii_lowercase())
            .collect();
        words.sort_unstable();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["query"] => Ok(Self::Query),
            ["cancel"] => Ok(Self::Cancel),
            ["upload"] => Ok(Self::Upload),
            ["finalize"] => Ok(Self::Finalize),
            ["finalize", "upload"] => Ok(Self::UploadAndFinalize),
            _ => Err(bad_request("The command is none of an upload.")),
        }
    }
}

pub(super) async fn go_on(call: &Call<'_>, id: &str, request: Request) -> Result<Response> {
    let session = call.bucket.session(id).await?.ok_or_else(not_found)?;
    match (Command::of(request.headers())?, session.state()) {
        (Command::Query, _) => standing(&session, Response::new(Body::empty())),
        (Command::Cancel, SessionState::Final(_)) => refused(&session, "The upload is finished."),
        (Command::Cancel, _) => cancel(call, &session).await,
        (Command::Upload, SessionState::Active) => receive(call, &session, request, false).await,
        (Command::UploadAndFinalize | Command::Finalize, SessionState::Active) => {
            receive(call, &session, request, true).await
        }
        // The answer was lost, and the sender says it again.
        (Command::UploadAndFinalize | Command::Finalize, SessionState::Final(object)) => {
            drain(request.into_body()).await;
            finished(call, &session, object)
        }
        (Command::Upload, SessionState::Final(_)) => refused(&session, "The upload is finished."),
        (_, SessionState::Cancelled) => refused(&session, "The upload was cancelled."),
    }
}

async fn cancel(call: &Call<'_>, session: &UploadSession) -> Result<Response> {
    let cancelled = session.cancel().await;
    let now = call
        .bucket
        .session(session.id())
        .await?
        .ok_or_else(not_found)?;
    match cancelled {
        Ok(_) => standing(&now, Response::new(Body::empty())),
        // It was finished since it was looked at.
        Err(StorageError::SessionFinished) => refused(&now, "The upload is finished."),
        Err(error) => Err(error.into()),
    }
}

/// Takes the bytes of one request, and with the last one makes the object. The answer is how the upload
/// stands then: a last request that comes again while the first one is at work finds it finished.
async fn receive(
    call: &Call<'_>,
    session: &UploadSession,
    request: Request,
    is_last: bool,
) -> Result<Response> {
    let offset = offset(request.headers())?.unwrap_or_else(|| session.received());
    let mut body = request.into_body();
    let taken = take(session, offset, &mut body, is_last).await;
    let session = call.bucket.session(session.id()).await?;
    let session = session.ok_or_else(not_found)?;
    match (taken, session.state()) {
        (_, SessionState::Final(object)) if is_last => {
            drain(body).await;
            finished(call, &session, object)
        }
        (Ok(end), _) if session.received() < end => refused(
            &session,
            "A chunk that is not the last has a multiple of 262144 bytes.",
        ),
        (Ok(_), _) => standing(&session, Response::new(Body::empty())),
        (Err(error), _) if may_go_on(&error) => told(&session, &error),
        (Err(error), _) => Err(error),
    }
}

/// Returns where the bytes of the request end.
async fn take(session: &UploadSession, offset: u64, body: &mut Body, is_last: bool) -> Result<u64> {
    let (mut writer, mut end) = (session.append(offset).await?, offset);
    // A connection that breaks drops the writer, which keeps the whole blocks that came.
    while let Some(piece) = body.chunk().await.transpose()? {
        end += piece.len() as u64;
        writer.write(piece).await?;
    }
    match is_last {
        true => drop(writer.finish().await?),
        false => drop(writer.close().await?),
    }
    Ok(end)
}

/// Whether a sender can make something of how the upload stands.
fn may_go_on(error: &Error) -> bool {
    matches!(
        error.source().and_then(|cause| cause.downcast_ref()),
        Some(
            StorageError::OffsetMismatch { .. }
                | StorageError::LengthMismatch { .. }
                | StorageError::ChecksumMismatch
                | StorageError::Superseded
                | StorageError::SessionCancelled
                | StorageError::SessionFinished
        )
    )
}

fn finished(call: &Call<'_>, session: &UploadSession, object: &Object) -> Result<Response> {
    let object = resource(call.bucket.public_name(), object);
    standing(session, json(StatusCode::OK, &object)?)
}

/// Where the sender takes its bytes to go; without one, they go behind those that are there.
pub(super) fn offset(headers: &HeaderMap) -> Result<Option<u64>> {
    text(headers, "x-goog-upload-offset")
        .map(number)
        .transpose()
}

/// An answer to who will not read it before its request is sent.
async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.chunk().await {}
}

/// Says how far the upload is, which is how a sender knows where to go on.
fn standing(session: &UploadSession, mut response: Response) -> Result<Response> {
    let status = match session.state() {
        SessionState::Active => "active",
        SessionState::Final(_) => "final",
        SessionState::Cancelled => "cancelled",
    };
    set(&mut response, STATUS, status);
    set(&mut response, CHUNK_GRANULARITY, GRANULARITY);
    response
        .headers_mut()
        .insert(RECEIVED, HeaderValue::from(session.received()));
    Ok(response)
}

/// A refusal that the sender can make something of: it carries the standing too.
fn refused(session: &UploadSession, message: &'static str) -> Result<Response> {
    told(session, &bad_request(message))
}

fn told(session: &UploadSession, error: &Error) -> Result<Response> {
    let status = error.status();
    let body = json!({"error": {"code": status.as_u16(), "message": error.message()}});
    standing(session, json(status, &body)?)
}
