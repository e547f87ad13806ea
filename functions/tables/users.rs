//! The people who signed in, by their Firebase uid.

use runtime::{Database, DatabaseError, Statement};

/// Makes the user exist; `true` when this call created them.
///
/// A user who exists is left as they are. An e-mail address identifies nobody: when another user has
/// it already, this one is kept without.
pub(crate) async fn synchronise(
    database: &Database,
    uid: &str,
    email: Option<&str>,
) -> Result<bool, DatabaseError> {
    let inserted: Option<String> = database
        .query_optional(
            "INSERT INTO users (user_id, email) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING user_id",
            &[&uid, &email],
        )
        .await?;
    if inserted.is_some() {
        return Ok(true);
    }
    // Either the uid or the e-mail was taken; only the uid matters.
    let without_email: Option<String> = database
        .query_optional(
            "INSERT INTO users (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING RETURNING user_id",
            &[&uid],
        )
        .await?;
    Ok(without_email.is_some())
}

/// The statements that make the user exist, to stand before a row that refers to them in the same
/// [`Database::atomically`].
pub(crate) fn ensure(uid: &str, email: Option<&str>) -> [Statement; 2] {
    [
        Statement::new(
            "INSERT INTO users (user_id, email) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&uid, &email],
        ),
        Statement::new(
            "INSERT INTO users (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING",
            &[&uid],
        ),
    ]
}
