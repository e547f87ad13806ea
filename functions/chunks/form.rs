//! The upload form: multipart/form-data with one part named `file`.

use futures_util::StreamExt as _;
use multer::{Constraints, Field, Multipart, SizeLimit};
use runtime::{Error, ErrorCode, Request, Result, StatusCode, header};

use super::filename::Filename;

/// Parts before and after the file, which nobody reads.
const OTHER_PARTS: usize = 15;
const OTHER_PART: u64 = 64 << 10;

/// The form, read up to the beginning of its file.
pub(super) struct Form {
    parts: Multipart<'static>,
    file: Field<'static>,
    pub(super) filename: Filename,
    pub(super) content_type: Option<String>,
    others: usize,
}

impl Form {
    /// # Errors
    /// 422 when there is no file in the request, 400 when its name is unusable or the form broken.
    pub(super) async fn open(request: Request) -> Result<Self> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let boundary = content_type
            .and_then(|value| value.to_str().ok())
            .and_then(|value| multer::parse_boundary(value).ok())
            .ok_or_else(file_required)?;
        // The file's own size is the bucket's business.
        let limits = SizeLimit::new()
            .per_field(OTHER_PART)
            .for_field("file", u64::MAX);
        let mut parts = Multipart::with_constraints(
            request.into_body().into_stream(),
            boundary,
            Constraints::new().size_limit(limits),
        );
        let mut others = 0;
        loop {
            let part = parts.next_field().await.map_err(broken)?;
            let part = part.ok_or_else(file_required)?;
            if part.name() != Some("file") {
                others += 1;
                if others > OTHER_PARTS {
                    return Err(too_many_parts());
                }
                continue;
            }
            let name = part.file_name().ok_or_else(file_required)?;
            return Ok(Self {
                filename: Filename::new(name.to_owned())?,
                content_type: part.content_type().map(ToString::to_string),
                file: part,
                parts,
                others,
            });
        }
    }

    /// The next piece of the file.
    pub(super) async fn chunk(&mut self) -> Result<Option<bytes::Bytes>> {
        self.file.next().await.transpose().map_err(broken)
    }

    /// Reads what follows the file: only a form with its end is whole.
    pub(super) async fn finish(self) -> Result<(Filename, Option<String>)> {
        let Self {
            mut parts,
            file,
            filename,
            content_type,
            mut others,
        } = self;
        drop(file);
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            others += 1;
            if others > OTHER_PARTS || part.name() == Some("file") {
                return Err(too_many_parts());
            }
        }
        Ok((filename, content_type))
    }
}

fn file_required() -> Error {
    Error::new(ErrorCode::InvalidArgument, "Field required: file")
        .with_status(StatusCode::UNPROCESSABLE_ENTITY)
}

fn too_many_parts() -> Error {
    Error::new(ErrorCode::InvalidArgument, "One file at a time.")
}

/// What went wrong below the form keeps its own status: a body over its limit, a client that left.
fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => {
                Error::new(ErrorCode::Cancelled, "The upload ended early.").because(source)
            }
        },
        error => Error::new(ErrorCode::InvalidArgument, "The form is broken.").because(error),
    }
}
