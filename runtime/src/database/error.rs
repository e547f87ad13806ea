//! Why a database call failed, without anything an operator would have to keep secret.

use crate::error::{Error, ErrorCode};

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong between a function and its database.
///
/// Neither `Display` nor `Debug` ever shows the database URL or a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The database cannot be reached, is shutting down, or did not answer in time. Trying again
    /// later may work. Whether a write that ended like this took effect is unknown.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),

    /// A unique or foreign key constraint refused the write. The name is the engine's own.
    #[error("the constraint {constraint} refused the write")]
    Conflict { constraint: String },

    /// The database holds tables this program must not touch, or the statement is one that no
    /// function may run. The text says what was found and what to do.
    #[error("{0}")]
    Refused(String),

    /// The settings cannot lead to a database: a malformed URL, an unreadable file.
    #[error("{0}")]
    Settings(String),

    /// A row does not have the shape it is read into.
    #[error("a row cannot be read: {0}")]
    Decode(String),

    /// The statement itself is at fault.
    #[error("the statement failed")]
    Query(#[source] Cause),
}

impl DatabaseError {
    pub(crate) fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    pub(crate) fn query(cause: impl Into<Cause>) -> Self {
        Self::Query(cause.into())
    }
}

impl From<DatabaseError> for Error {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Unavailable(_) => Self::new(ErrorCode::Unavailable, "UNAVAILABLE"),
            DatabaseError::Conflict { .. } => Self::new(ErrorCode::AlreadyExists, "ALREADY_EXISTS"),
            _ => Self::new(ErrorCode::Internal, "INTERNAL"),
        }
        .because(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_caller_reads_a_code_and_the_log_reads_the_cause() {
        let cases = [
            (
                DatabaseError::unavailable("10.0.0.7 is down"),
                ErrorCode::Unavailable,
            ),
            (
                DatabaseError::Conflict {
                    constraint: "users_email_key".into(),
                },
                ErrorCode::AlreadyExists,
            ),
            (
                DatabaseError::Refused("other tables".into()),
                ErrorCode::Internal,
            ),
            (DatabaseError::query("syntax error"), ErrorCode::Internal),
        ];
        for (error, code) in cases {
            let cause = error.to_string();
            let public = Error::from(error);
            assert_eq!(public.code(), code);
            assert_eq!(public.message(), code.as_str());
            assert_eq!(public.source().unwrap().to_string(), cause);
        }
    }
}
