//! Download tokens: whoever has one of an object's reads that object without signing in.

use runtime::{
    MetadataChange, Object, ObjectName, Operation, Response, Result, StatusCode, StorageError, json,
};

use super::metadata::{TOKENS, resource};
use super::query::Query;
use super::{Call, bad_request, not_found};

const CREATE: &str = "create_token";
const DELETE: &str = "delete_token";

pub(super) fn is_meant(query: &Query) -> bool {
    query.get(CREATE).or(query.get(DELETE)).is_some()
}

pub(super) fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(super) fn opens(token: &str, object: &Object) -> bool {
    !token.is_empty() && tokens(object).any(|known| known == token)
}

/// Makes one more, or takes one away. An object without any gets a fresh one.
pub(super) async fn answer(call: &Call<'_>, name: &ObjectName) -> Result<Response> {
    let removed = match (call.query.get(CREATE), call.query.get(DELETE)) {
        (Some("true"), None) => None,
        (None, Some(token)) => Some(token),
        _ => return Err(bad_request("Bad Request")),
    };
    call.check(Operation::Write, name)?;
    // A file that is older than the ledger becomes an object by being asked for.
    call.bucket.head(name).await?.ok_or_else(not_found)?;
    let revised = call.bucket.revise(name, |object| {
        let kept = tokens(object).filter(|token| Some(*token) != removed);
        let made = removed.is_none().then(fresh);
        Some(set(kept.map(str::to_owned).chain(made).collect()))
    });
    let object = revised.await?.ok_or_else(not_found)?;
    json(
        StatusCode::OK,
        &resource(call.bucket.public_name(), &object),
    )
}

/// The object with a token, made now if there was none: two who ask at once get the same. Custom metadata that
/// leaves no room for one is no reason to withhold the object.
pub(super) async fn ensure(call: &Call<'_>, object: Object) -> Result<Object> {
    if tokens(&object).next().is_some() {
        return Ok(object);
    }
    let revised = call.bucket.revise(&object.name, |now| {
        tokens(now).next().is_none().then(|| set(Vec::new()))
    });
    match revised.await {
        Err(StorageError::MetadataTooLong) => Ok(object),
        revised => revised?.ok_or_else(not_found),
    }
}

fn tokens(object: &Object) -> impl Iterator<Item = &str> {
    let listed = object.metadata.get(TOKENS).map_or("", String::as_str);
    listed.split(',').filter(|token| !token.is_empty())
}

fn set(tokens: Vec<String>) -> MetadataChange {
    let tokens = if tokens.is_empty() {
        vec![fresh()]
    } else {
        tokens
    };
    MetadataChange {
        metadata: [(TOKENS.to_owned(), Some(tokens.join(",")))].into(),
        ..MetadataChange::default()
    }
}
