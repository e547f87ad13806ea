//! The upload form: multipart/form-data with one part named `file`.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use multer::{Constraints, Field, Multipart, SizeLimit};
use runtime::{Body, Error, ErrorCode, Request, Result, StatusCode, header};
use tokio::sync::mpsc;

use super::filename::Filename;
use super::pieces::piece;

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
            let mut part = parts.next().await?.ok_or_else(file_required)?;
            if part.name() != Some("file") {
                others += 1;
                if others > OTHER_PARTS {
                    return Err(too_many_parts());
                }
                if let Some(name) = part.name().map(str::to_owned) {
                    fields.insert(name, parts.text(&mut part).await?);
                }
                continue;
            }
            parts.allowance = usize::MAX;
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
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.parts.chunk(&mut self.file).await
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
///
/// The parser looks through all that it holds whenever it is asked. So it is asked once for each piece of
/// the body, and not whenever a byte has come.
struct Parts {
    body: Body,
    /// To the parser; `None` at the end of the body.
    pieces: Option<mpsc::UnboundedSender<Bytes>>,
    multipart: Multipart<'static>,
    /// Bytes that may still be read before the next part begins.
    allowance: usize,
}

impl Parts {
    fn new(body: Body, boundary: String) -> Self {
        let (pieces, received) = mpsc::unbounded_channel();
        let received = stream::unfold(received, async |mut received| {
            let piece: Bytes = received.recv().await?;
            Some((Ok::<_, Infallible>(piece), received))
        });
        // The file's own size is the bucket's business.
        let limits = SizeLimit::new()
            .per_field(OTHER_PART as u64)
            .for_field("file", u64::MAX);
        let constraints = Constraints::new().size_limit(limits);
        Self {
            body,
            pieces: Some(pieces),
            multipart: Multipart::with_constraints(received, boundary, constraints),
            allowance: 0,
        }
    }

    /// The next part, past what is left of the one before.
    async fn next(&mut self) -> Result<Option<Field<'static>>> {
        self.allowance = OTHER_PART + PART_HEAD + ONE_READ;
        loop {
            if let Some(next) = self.multipart.next_field().now_or_never() {
                return next.map_err(broken);
            }
            self.read().await?;
        }
    }

    /// The next bytes of a part.
    async fn chunk(&mut self, part: &mut Field<'static>) -> Result<Option<Bytes>> {
        loop {
            if let Some(next) = part.next().now_or_never() {
                return next.transpose().map_err(broken);
            }
            self.read().await?;
        }
    }

    /// All of a short part, as text.
    async fn text(&mut self, part: &mut Field<'static>) -> Result<String> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.chunk(part).await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }

    /// Gives the parser more.
    async fn read(&mut self) -> Result<()> {
        let Some(piece) = piece(&mut self.body).await? else {
            let ended = self.pieces.take();
            return ended.map(drop).ok_or_else(|| broken("it never ends"));
        };
        let allowance = self.allowance.checked_sub(piece.len());
        self.allowance = allowance.ok_or_else(too_many_parts)?;
        if let Some(pieces) = &self.pieces {
            let _ = pieces.send(piece);
        }
        Ok(())
    }
}

fn file_required() -> Error {
    Error::new(ErrorCode::InvalidArgument, "Field required: file")
        .with_status(StatusCode::UNPROCESSABLE_ENTITY)
}

fn too_many_parts() -> Error {
    Error::new(ErrorCode::InvalidArgument, "One file at a time.")
}

fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorCode::InvalidArgument, "The form is broken.").because(cause)
}
