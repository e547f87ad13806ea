//! Keeps the chunks that users record: upload and download, to one's own folder only.
//!
//! Three interfaces to one bucket, told apart by the route that matched: the endpoints that former
//! servers had, uploads to a URL that was handed out before, and Cloud Storage for Firebase. What a
//! caller may do, the bucket's access rules say. Whoever asks for another user's chunks gets the same
//! 403 whether or not they exist.

mod content;
mod download;
mod filename;
mod form;
mod permission;
mod pieces;
mod upload;
mod upload_url;
mod v0;

#[cfg(feature = "testing")]
pub(crate) mod testing;

use runtime::{
    Bucket, Context, Error, ErrorCode, Method, ObjectName, Operation, Request, Response, Result,
};

use filename::Filename;

const UPLOAD: &str = "/api/v1/chunks/upload_chunk/{uid}";
const DOWNLOAD: &str = "/api/v1/chunks/download_chunk/{uid}/{filename}";
const UPLOAD_UNDER_FRESH_NAME: &str = "/api/v1/upload_chunk/{uid}";
const UPLOAD_URL: &str = "/api/v1/generate-upload-url";
const DIRECT_UPLOAD: &str = "/api/v1/direct_upload";

pub async fn handle(context: Context, request: Request) -> Result<Response> {
    let route = context.route().unwrap_or_default();
    match (route, request.method()) {
        (UPLOAD, &Method::POST) => upload::named(&context, request).await,
        (UPLOAD_UNDER_FRESH_NAME, &Method::POST) => upload::freshly_named(&context, request).await,
        (DOWNLOAD, &Method::GET | &Method::HEAD) => download::answer(&context, &request).await,
        (UPLOAD_URL, &Method::POST) => upload_url::hand_out(&context, request).await,
        (DIRECT_UPLOAD, &Method::POST) => upload_url::receive(&context, request).await,
        (UPLOAD | UPLOAD_UNDER_FRESH_NAME | UPLOAD_URL | DIRECT_UPLOAD, _) => {
            Err(Error::method_not_allowed("POST", "Method Not Allowed"))
        }
        (DOWNLOAD, _) => Err(Error::method_not_allowed("GET, HEAD", "Method Not Allowed")),
        (v0::OBJECTS | v0::OBJECT, _) => v0::answer(&context, request).await,
        _ => Err(Error::new(ErrorCode::NotFound, "Not Found")),
    }
}

/// Stands for a file whose name is not known yet, or is none.
const ANY: &str = "file";

/// The folder of the `{uid}` in the path, once the caller may do something in it.
struct Folder<'c> {
    context: &'c Context,
    operation: Operation,
    bucket: Bucket,
    uid: String,
}

impl<'c> Folder<'c> {
    /// `filename`: the one that the request is about.
    fn of_caller(context: &'c Context, operation: Operation, filename: &str) -> Result<Self> {
        let folder = Self {
            context,
            operation,
            bucket: context.bucket("chunks")?,
            uid: context.parameter("uid")?,
        };
        match folder.bucket.object_name(&folder.uid, filename) {
            Ok(name) => folder.check(&name)?,
            // A uid that no token has.
            Err(_) => return Err(permission::Denial::Forbidden.worded("Forbidden")),
        }
        Ok(folder)
    }

    fn object(&self, filename: &Filename) -> Result<ObjectName> {
        let name = self.bucket.object_name(&self.uid, filename.as_ref());
        let name = name.map_err(|error| filename::invalid().because(error))?;
        self.check(&name)?;
        Ok(name)
    }

    fn check(&self, name: &ObjectName) -> Result<()> {
        permission::check(self.context, &self.bucket, self.operation, name)
            .map_err(|denial| denial.worded("Forbidden"))
    }
}
