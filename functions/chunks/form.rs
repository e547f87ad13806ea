//! The upload form: multipart/form-data with one part named `file`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::StreamExt as _;
use multer::{Constraints, Field, Multipart, SizeLimit};
use runtime::{Body, Error, ErrorCode, Request, Result, StatusCode, header};

use super::filename::Filename;

/// Parts before and after the file.
const OTHER_PARTS: usize = 15;
const OTHER_PART: usize = 64 << 10;
/// The head of a part, and what one read brings beyond it. The parser itself would keep a head that
/// never ends.
const PART_HEAD: usize = 8 << 10;
const ONE_READ: usize = 512 << 10;

/// The form, read up to the beginning of its file.
pub(super) struct Form {
    parts: Parts,
    file: Field<'static>,
    pub(super) filename: Filename,
    pub(super) content_type: Option<String>,
    /// The parts before the file, by their names.
    pub(super) fields: BTreeMap<String, String>,
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
        let mut parts = Parts::new(request.into_body(), boundary);
        let (mut fields, mut others) = (BTreeMap::new(), 0);
        loop {
            let part = parts.next().await?.ok_or_else(file_required)?;
            if part.name() != Some("file") {
                others += 1;
                if others > OTHER_PARTS {
                    return Err(too_many_parts());
                }
                if let Some(name) = part.name().map(str::to_owned) {
                    fields.insert(name, part.text().await.map_err(broken)?);
                }
                continue;
            }
            parts.allow_all();
            let name = part.file_name().ok_or_else(file_required)?;
            return Ok(Self {
                filename: Filename::new(name.to_owned())?,
                content_type: part.content_type().map(ToString::to_string),
                file: part,
                parts,
                fields,
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
            ..
        } = self;
        drop(file);
        while let Some(part) = parts.next().await? {
            others += 1;
            if others > OTHER_PARTS || part.name() == Some("file") {
                return Err(too_many_parts());
            }
        }
        Ok((filename, content_type))
    }
}

/// The parts of a form, each reached within a number of bytes.
struct Parts {
    multipart: Multipart<'static>,
    /// Bytes that may still be read before the next part begins.
    allowance: Arc<AtomicUsize>,
}

impl Parts {
    fn new(body: Body, boundary: String) -> Self {
        let allowance = Arc::new(AtomicUsize::new(0));
        let left = allowance.clone();
        let pieces = body.into_stream().map(move |piece| {
            let piece = piece?;
            left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(piece.len()))
                .map_err(|_| too_many_parts())?;
            Ok::<_, Error>(piece)
        });
        // The file's own size is the bucket's business.
        let limits = SizeLimit::new()
            .per_field(OTHER_PART as u64)
            .for_field("file", u64::MAX);
        let constraints = Constraints::new().size_limit(limits);
        Self {
            multipart: Multipart::with_constraints(pieces, boundary, constraints),
            allowance,
        }
    }

    /// The next part, past what is left of the one before.
    async fn next(&mut self) -> Result<Option<Field<'static>>> {
        self.allowance
            .store(OTHER_PART + PART_HEAD + ONE_READ, Relaxed);
        self.multipart.next_field().await.map_err(broken)
    }

    fn allow_all(&self) {
        self.allowance.store(usize::MAX, Relaxed);
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
