//! Whether the bucket's access rules let the caller do something: the one place where all three
//! interfaces to the bucket ask. How a refusal is worded is theirs.

use runtime::{
    AuthError, Bucket, Context, Error, ErrorCode, ObjectName, Operation, Principal, Result,
};

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// Nobody may do it without a token.
    NotSignedIn,
    /// The request brought a token that proves nothing.
    Token(AuthError),
    Forbidden,
}

/// Somebody, or nobody: what anyone may do needs no token, but a bad one is never passed over.
pub(super) fn caller(context: &Context) -> Result<Option<&Principal>, Denial> {
    match context.caller() {
        Ok(caller) => Ok(Some(caller)),
        Err(AuthError::Missing) => Ok(None),
        Err(error) => Err(Denial::Token(error)),
    }
}

pub(super) fn check(
    context: &Context,
    bucket: &Bucket,
    operation: Operation,
    name: &ObjectName,
) -> Result<(), Denial> {
    let caller = caller(context)?;
    allow(bucket.permits(operation, name, caller), caller)
}

/// Whether the caller may list what starts with `prefix`.
pub(super) fn check_list(context: &Context, bucket: &Bucket, prefix: &str) -> Result<(), Denial> {
    let caller = caller(context)?;
    allow(bucket.permits_list(prefix, caller), caller)
}

fn allow(permitted: bool, caller: Option<&Principal>) -> Result<(), Denial> {
    match (permitted, caller) {
        (true, _) => Ok(()),
        (false, None) => Err(Denial::NotSignedIn),
        (false, Some(_)) => Err(Denial::Forbidden),
    }
}

impl Denial {
    /// `forbidden` is what somebody reads who is known, and may not.
    pub(super) fn worded(self, forbidden: &'static str) -> Error {
        let (code, message) = match self {
            Self::Forbidden => (ErrorCode::PermissionDenied, forbidden),
            Self::NotSignedIn | Self::Token(AuthError::Missing | AuthError::Malformed) => {
                (ErrorCode::Unauthenticated, "Not authenticated")
            }
            Self::Token(AuthError::Rejected(_)) => {
                (ErrorCode::Unauthenticated, "Invalid or expired token.")
            }
            Self::Token(AuthError::Unavailable(_)) => {
                (ErrorCode::Unavailable, "Tokens cannot be checked now.")
            }
        };
        let error = Error::new(code, message);
        match self {
            Self::Token(cause) => error.because(cause),
            Self::NotSignedIn | Self::Forbidden => error,
        }
    }
}
