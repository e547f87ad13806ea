//! Keeps the chunks that users record: upload and download, to one's own folder only.
//!
//! Three endpoints, told apart by the route that matched. Whoever asks for another user's chunks gets
//! the same 403 whether or not they exist.

mod download;
mod filename;
mod form;
mod range;
mod upload;
mod v0;

use runtime::{
    AuthError, Bucket, Context, Error, ErrorCode, Method, ObjectName, Request, Response, Result,
};

use filename::Filename;

const UPLOAD: &str = "/api/v1/chunks/upload_chunk/{uid}";
const DOWNLOAD: &str = "/api/v1/chunks/download_chunk/{uid}/{filename}";
const UPLOAD_UNDER_FRESH_NAME: &str = "/api/v1/upload_chunk/{uid}";

pub async fn handle(context: Context, request: Request) -> Result<Response> {
    let route = context.route().unwrap_or_default();
    match (route, request.method()) {
        (UPLOAD, &Method::POST) => upload::named(&context, request).await,
        (UPLOAD_UNDER_FRESH_NAME, &Method::POST) => upload::freshly_named(&context, request).await,
        (DOWNLOAD, &Method::GET | &Method::HEAD) => download::answer(&context, &request).await,
        (UPLOAD | UPLOAD_UNDER_FRESH_NAME, _) => {
            Err(Error::method_not_allowed("POST", "Method Not Allowed"))
        }
        (DOWNLOAD, _) => Err(Error::method_not_allowed("GET, HEAD", "Method Not Allowed")),
        _ => Err(Error::new(ErrorCode::NotFound, "Not Found")),
    }
}

/// The caller's own folder of the bucket: the `{uid}` of the path, once it equals the token's.
struct Folder {
    bucket: Bucket,
    uid: String,
}

impl Folder {
    fn of_caller(context: &Context) -> Result<Self> {
        let caller = context.caller().map_err(|error| {
            let (code, message) = match error {
                AuthError::Missing | AuthError::Malformed => {
                    (ErrorCode::Unauthenticated, "Not authenticated")
                }
                AuthError::Rejected(_) => (ErrorCode::Unauthenticated, "Invalid or expired token."),
                AuthError::KeysUnavailable => {
                    (ErrorCode::Unavailable, "Tokens cannot be checked now.")
                }
            };
            Error::new(code, message).because(error)
        })?;
        let uid = context.parameter("uid")?;
        if uid != caller.uid {
            return Err(Error::new(ErrorCode::PermissionDenied, "Forbidden"));
        }
        Ok(Self {
            bucket: context.bucket("chunks")?,
            uid,
        })
    }

    fn object(&self, filename: &Filename) -> Result<ObjectName> {
        self.bucket
            .object_name(&self.uid, filename.as_ref())
            .map_err(|error| filename::invalid().because(error))
    }
}
