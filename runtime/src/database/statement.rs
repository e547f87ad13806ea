//! One SQL text with its parameters.

use std::borrow::Cow;

use super::error::DatabaseError;
use super::value::{Parameters, Value};

/// One SQL statement and the values of its `$n` placeholders.
///
/// ```
/// # use runtime::Statement;
/// # let (uid, email) = ("u1", None::<&str>);
/// Statement::new("INSERT INTO users (user_id, email) VALUES ($1, $2)", &[&uid, &email]);
/// ```
#[derive(Debug, Clone)]
pub struct Statement {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) parameters: Vec<Value>,
}

impl Statement {
    pub fn new(sql: impl Into<Cow<'static, str>>, parameters: Parameters<'_>) -> Self {
        Self {
            sql: sql.into(),
            parameters: parameters.iter().map(|value| value.to_value()).collect(),
        }
    }

    /// Whether it only reads. A statement that may write, or hides what it does behind `WITH`, does
    /// not count.
    pub(crate) fn only_reads(&self) -> bool {
        ["SELECT", "VALUES"]
            .iter()
            .any(|word| self.first_word().eq_ignore_ascii_case(word))
    }

    /// Refuses what would leave a transaction open on a connection that others use next.
    pub(crate) fn check(&self) -> Result<(), DatabaseError> {
        const CONTROL: [&str; 8] = [
            "BEGIN",
            "START",
            "COMMIT",
            "END",
            "ROLLBACK",
            "ABORT",
            "SAVEPOINT",
            "RELEASE",
        ];
        let word = self.first_word();
        if CONTROL.iter().any(|each| word.eq_ignore_ascii_case(each)) {
            return Err(DatabaseError::Refused(format!(
                "{} is not for functions: give the statements of one transaction to atomically()",
                word.to_ascii_uppercase()
            )));
        }
        Ok(())
    }

    fn first_word(&self) -> &str {
        let mut rest = self.sql.trim_start();
        loop {
            rest = if let Some(comment) = rest.strip_prefix("--") {
                comment.split_once('\n').map_or("", |(_, after)| after)
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.split_once("*/").map_or("", |(_, after)| after)
            } else {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphabetic())
                    .unwrap_or(rest.len());
                return &rest[..end];
            }
            .trim_start();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_read_goes_to_the_readers() {
        for (sql, reads) in [
            ("SELECT 1", true),
            ("\n  select * FROM users", true),
            ("-- why\nSELECT 1", true),
            ("/* why */ values (1)", true),
            ("SELECTED", false),
            ("INSERT INTO t VALUES (1) RETURNING id", false),
            (
                "WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone",
                false,
            ),
            ("-- SELECT", false),
            ("/* SELECT", false),
            ("", false),
        ] {
            assert_eq!(Statement::new(sql, &[]).only_reads(), reads, "{sql}");
        }
    }

    #[test]
    fn a_transaction_cannot_be_opened_or_ended_by_hand() {
        for sql in [
            "BEGIN",
            "begin immediate",
            "COMMIT;",
            " -- now\nROLLBACK",
            "savepoint a",
            "END",
        ] {
            let refused = Statement::new(sql, &[]).check();
            assert!(matches!(refused, Err(DatabaseError::Refused(_))), "{sql}");
        }
        assert!(
            Statement::new("UPDATE beginnings SET ended = $1", &[&true])
                .check()
                .is_ok()
        );
    }
}
