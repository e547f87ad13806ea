//! Uploads: a form's file into the caller's folder.

use std::collections::BTreeMap;

use runtime::{
    Context, Object, Operation, PutOptions, Request, Response, Result, StatusCode, json,
};
use serde_json::json;

use super::filename::Filename;
use super::form::Form;
use super::{ANY, Folder};

/// Under the file's own name; what had that name before is replaced.
pub(super) async fn named(context: &Context, request: Request) -> Result<Response> {
    let folder = Folder::of_caller(context, Operation::Write, ANY)?;
    let form = Form::open(request).await?;
    let object = folder.object(&form.filename)?;
    let (filename, _) = store(&folder, object, form).await?;
    let message = format!(
        "Chunk '{filename}' uploaded successfully for user '{}'.",
        folder.uid
    );
    json(StatusCode::OK, &json!({"message": message}))
}

/// Under a name of its own, so that nothing is ever replaced.
pub(super) async fn freshly_named(context: &Context, request: Request) -> Result<Response> {
    let folder = Folder::of_caller(context, Operation::Write, ANY)?;
    let form = Form::open(request).await?;
    let stored = format!("{}{}", uuid::Uuid::new_v4(), form.filename.extension());
    let object = folder.object(&Filename::new(stored.clone())?)?;
    let (filename, stored_object) = store(&folder, object, form).await?;
    json(
        StatusCode::OK,
        &json!({
            "message": "Chunk uploaded successfully. Metadata processing initiated.",
            "user_id": folder.uid,
            "original_filename": filename.as_ref(),
            "stored_filename": stored,
            "storage_key": folder.bucket.key(&folder.uid, &stored),
            "content_type": stored_object.content_type,
            "size": stored_object.size,
        }),
    )
}

async fn store(
    folder: &Folder<'_>,
    name: runtime::ObjectName,
    mut form: Form,
) -> Result<(Filename, Object)> {
    let metadata = [("originalFilename", form.filename.as_ref())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = PutOptions {
        content_type: form.content_type.clone(),
        metadata: BTreeMap::from(metadata),
        ..PutOptions::default()
    };
    let mut upload = folder.bucket.put(name, options).await?;
    while let Some(piece) = form.chunk().await? {
        upload.write(piece).await?;
    }
    let (filename, _) = form.finish().await?;
    Ok((filename, upload.finish().await?))
}
