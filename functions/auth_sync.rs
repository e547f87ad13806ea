//! Makes the signed-in user exist. Its clients call it at every page load, so it changes nothing
//! about a user who is there already.

use runtime::{
    AuthError, Context, Error, ErrorCode, Method, Principal, Request, Response, Result, StatusCode,
    json,
};
use serde_json::json;

use crate::tables::users;

pub async fn handle(context: Context, request: Request) -> Result<Response> {
    if request.method() != Method::POST {
        return Err(Error::method_not_allowed(
            "POST",
            "Method Not Allowed. Please use POST.",
        ));
    }
    let caller = caller(&context)?;
    let created = users::synchronise(context.database(), &caller.uid, caller.email.as_deref())
        .await
        .map_err(|error| {
            Error::new(ErrorCode::Internal, "A database error occurred.").because(error)
        })?;
    let (status, message) = match created {
        true => (StatusCode::CREATED, "User created"),
        false => (StatusCode::OK, "User already exists and is synced"),
    };
    json(
        status,
        &json!({"status": "success", "message": message, "user_id": caller.uid}),
    )
}

fn caller(context: &Context) -> Result<&Principal> {
    context.caller().map_err(|error| {
        let (code, message) = match error {
            AuthError::Missing | AuthError::Malformed => (
                ErrorCode::Unauthenticated,
                "Authorization header missing or malformed. Expected 'Bearer <token>'.",
            ),
            AuthError::Rejected(_) => (ErrorCode::Unauthenticated, "Invalid or expired token."),
            AuthError::Unavailable(_) => (
                ErrorCode::Internal,
                "An internal server error occurred during token verification.",
            ),
        };
        Error::new(code, message).because(error)
    })
}

#[cfg(test)]
mod tests {
    use runtime::Body;

    use super::*;

    #[tokio::test]
    async fn whoever_is_signed_in_exists_afterwards_and_nobody_else_does() {
        let registry = crate::registry();
        for (uid, expected) in [
            (Some("U1"), Ok(StatusCode::CREATED)),
            (None, Err(ErrorCode::Unauthenticated)),
        ] {
            let context = Context::test(&registry, "auth_sync", uid).await.unwrap();
            let mut request = Request::new(Body::empty());
            *request.method_mut() = Method::POST;
            let answer = handle((*context).clone(), request).await;
            let answer = answer.map(|response| response.status());
            assert_eq!(answer.map_err(|error| error.code()), expected);
            let users = context
                .database()
                .query::<String>("SELECT user_id FROM users", &[]);
            let users = users.await.unwrap();
            assert_eq!(users, uid.into_iter().collect::<Vec<_>>());
        }
    }
}
