//! Downloads from one's own folder, always as an attachment.

use runtime::{
    Body, Context, Error, ErrorCode, Object, Operation, Request, Response, Result, header, set,
};

use super::content::{encoded, insert, insert_said, representation};
use super::filename::Filename;
use super::{ANY, Folder};

pub(super) async fn answer(context: &Context, request: &Request) -> Result<Response> {
    let filename = Filename::new(context.parameter("filename")?);
    let named = filename.as_ref().map_or(ANY, Filename::as_ref);
    let folder = Folder::of_caller(context, Operation::Read, named)?;
    let filename = filename?;
    let found = folder.bucket.open(&folder.object(&filename)?).await?;
    let (object, reader) =
        found.ok_or_else(|| Error::new(ErrorCode::NotFound, "Chunk not found"))?;
    representation(&object, reader).answer(request, described(&object, &filename)?)
}

/// The headers that do not depend on the request. `attachment` always: what a user uploaded never
/// runs as a page of this origin.
fn described(object: &Object, filename: &Filename) -> Result<Response> {
    let quoted = encoded(filename.as_ref());
    let disposition = match quoted == filename.as_ref() {
        true => format!("attachment; filename=\"{filename}\""),
        false => format!("attachment; filename*=utf-8''{quoted}"),
    };
    let guessed = mime_guess::from_path(filename.as_ref()).first_raw();
    let media = guessed.or(object.content_type.as_deref());

    let mut response = Response::new(Body::empty());
    insert(&mut response, header::CONTENT_DISPOSITION, &disposition)?;
    insert_said(
        &mut response,
        header::CONTENT_TYPE,
        media,
        "application/octet-stream",
    );
    set(&mut response, header::CACHE_CONTROL, "private");
    Ok(response)
}
