//! One object's metadata: read, changed, and the object deleted.

use runtime::{Body, ObjectName, Operation, Request, Response, Result, StatusCode, json};

use super::metadata::{Said, resource};
use super::{Call, not_found, short, tokens};

pub(super) async fn describe(call: &Call<'_>, name: &ObjectName) -> Result<Response> {
    call.check(Operation::Read, name)?;
    let object = call.bucket.head(name).await?.ok_or_else(not_found)?;
    let object = tokens::ensure(call, object).await?;
    json(
        StatusCode::OK,
        &resource(call.bucket.public_name(), &object),
    )
}

pub(super) async fn change(
    call: &Call<'_>,
    name: &ObjectName,
    request: Request,
) -> Result<Response> {
    call.check(Operation::Write, name)?;
    let said = Said::read(&short(request.into_body()).await?)?;
    // A file that is older than the ledger becomes an object by being asked for.
    call.bucket.head(name).await?.ok_or_else(not_found)?;
    let revised = call.bucket.revise(name, |object| Some(said.change(object)));
    let object = revised.await?.ok_or_else(not_found)?;
    json(
        StatusCode::OK,
        &resource(call.bucket.public_name(), &object),
    )
}

pub(super) async fn delete(call: &Call<'_>, name: &ObjectName) -> Result<Response> {
    call.check(Operation::Write, name)?;
    call.bucket.delete(name).await?.ok_or_else(not_found)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
