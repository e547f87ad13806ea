//! Cloud Storage for Firebase, as its SDKs speak it: `/v0/b/{bucket}/o`.
//!
//! The name of an object is one segment of the path, percent-encoded, and is decoded once. The SDKs go
//! by the status of an answer and never read the text of a refusal; a 5xx, 408 or 429 they repeat for
//! minutes, so nothing that stays as it is may be answered with one.

mod boundary;
mod download;
mod gzip;
mod list;
mod metadata;
mod multipart;
mod object;
mod query;
mod resumable;
mod tokens;
mod upload;

#[cfg(feature = "testing")]
pub(super) mod testing;

use std::error::Error as _;

use bytes::Bytes;
use runtime::{
    Body, Bucket, Context, Error, ErrorCode, ErrorFormat, HeaderMap, Method, ObjectName, Operation,
    Request, Response, Result, StatusCode, StorageError,
};

use super::permission::{self, Denial};
use query::Query;

pub(super) const OBJECTS: &str = "/v0/b/{bucket}/o";
pub(super) const OBJECT: &str = "/v0/b/{bucket}/o/{*object}";

/// Bytes of JSON that one request may bring.
const LONGEST_JSON: usize = 32 << 10;

/// What somebody reads who is known, and may not.
const DENIED: &str = "Permission denied.";

/// What every operation looks at.
struct Call<'c> {
    context: &'c Context,
    bucket: Bucket,
    query: Query,
    /// The name in the path.
    name: Option<String>,
}

/// # Errors
/// In the shape of Google's JSON APIs.
pub(super) async fn answer(context: &Context, request: Request) -> Result<Response> {
    let answered = async { Call::of(context, &request)?.answer(request).await };
    answered.await.map_err(worded)
}

fn worded(error: Error) -> Error {
    let cause = error.source().and_then(|it| it.downcast_ref());
    let error = match cause {
        // What the SDKs call `storage/quota-exceeded`.
        Some(StorageError::QuotaExceeded) => error.with_status(StatusCode::PAYMENT_REQUIRED),
        _ => error,
    };
    error.in_format(ErrorFormat::Google)
}

impl<'c> Call<'c> {
    fn of(context: &'c Context, request: &Request) -> Result<Self> {
        let bucket = context.bucket("chunks")?;
        let named = context.parameter("bucket")?;
        if named != bucket.public_name() && named != bucket.name() {
            return Err(not_found());
        }
        let is_object = context.route() == Some(OBJECT);
        Ok(Self {
            context,
            bucket,
            query: Query::of(request.uri())?,
            name: is_object.then(|| context.parameter("object")).transpose()?,
        })
    }

    async fn answer(&self, request: Request) -> Result<Response> {
        let method = meant_method(&request)?;
        let sends = method == Method::POST || method == Method::PUT;
        if sends && let Some(id) = self.query.get("upload_id") {
            return resumable::go_on(self, id, request).await;
        }
        match (&self.name, method) {
            (None, Method::GET | Method::HEAD) => list::answer(self).await,
            (Some(name), Method::GET | Method::HEAD) => {
                let name = object_name(name)?;
                match self.query.get("alt") {
                    Some("media") => download::answer(self, &name, &request).await,
                    _ => object::describe(self, &name).await,
                }
            }
            (Some(name), Method::PATCH) => object::change(self, &object_name(name)?, request).await,
            (Some(name), Method::DELETE) => object::delete(self, &object_name(name)?).await,
            (Some(name), Method::POST | Method::PUT) if tokens::is_meant(&self.query) => {
                tokens::answer(self, &object_name(name)?).await
            }
            (_, Method::POST | Method::PUT) => upload::answer(self, request).await,
            (None, _) => Err(not_allowed("GET, HEAD, POST")),
            (Some(_), _) => Err(not_allowed("GET, HEAD, POST, PUT, PATCH, DELETE")),
        }
    }

    /// Refuses unless the caller may do that with the object, whether or not it exists.
    fn check(&self, operation: Operation, name: &ObjectName) -> Result<()> {
        permission::check(self.context, &self.bucket, operation, name)
            .map_err(|denial| denial.worded(DENIED))
    }

    /// The same for a read with a download token that opens nothing: whoever shows one is not asked to
    /// sign in, but told that it is wrong.
    fn check_in_spite_of_token(&self, name: &ObjectName) -> Result<()> {
        let denied = permission::check(self.context, &self.bucket, Operation::Read, name);
        denied.map_err(|denial| match denial {
            Denial::NotSignedIn => Denial::Forbidden.worded(DENIED),
            denial => denial.worded(DENIED),
        })
    }
}

/// Android cannot send PATCH, and says so in a header of a PUT.
///
/// # Errors
/// 400 for a method that nobody needs to disguise: taken for what it seems, it would be an upload.
fn meant_method(request: &Request) -> Result<Method> {
    let carries = matches!(*request.method(), Method::POST | Method::PUT);
    match text(request.headers(), "x-http-method-override") {
        Some(meant) if carries => [Method::PATCH, Method::DELETE, Method::POST, Method::PUT]
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(meant.trim()))
            .ok_or_else(|| bad_request("The method in the header is none to be sent so.")),
        _ => Ok(request.method().clone()),
    }
}

fn object_name(name: &str) -> Result<ObjectName> {
    Ok(ObjectName::new(name)?)
}

fn not_found() -> Error {
    Error::new(ErrorCode::NotFound, "Not Found.")
}

fn not_allowed(allow: &'static str) -> Error {
    Error::method_not_allowed(allow, "Method Not Allowed")
}

fn bad_request(message: &'static str) -> Error {
    Error::new(ErrorCode::InvalidArgument, message)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A body that is JSON, or nothing.
async fn short(mut body: Body) -> Result<Bytes> {
    let mut whole = Vec::new();
    while let Some(piece) = body.chunk().await.transpose()? {
        if whole.len() + piece.len() > LONGEST_JSON {
            return Err(bad_request("The metadata is too long."));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}
