//! What becomes of a delivery after an attempt: pure, so that every case can stand in a table.

use std::time::Duration;

use manifest::Retry;

use crate::error::{Error, Result};
use crate::ledger::Outcome;

/// `age` is how long the event has waited, `random` a number in 0..1 that spreads the retries of
/// events that failed together.
pub(crate) fn outcome(
    result: &Result<()>,
    attempt: u32,
    age: Duration,
    retry: &Retry,
    random: f64,
) -> Outcome {
    let Err(error) = result else {
        return Outcome::Ack;
    };
    let after = backoff(attempt, retry, random);
    let worth_it =
        error.code().is_retryable() && attempt < retry.attempts && age + after <= retry.window;
    let error = told(error);
    match worth_it {
        true => Outcome::Retry { after, error },
        false => Outcome::DeadLetter { error },
    }
}

/// Doubles from the first to the last, then takes between half and all of it.
fn backoff(attempt: u32, retry: &Retry, random: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let full = retry
        .first_backoff
        .saturating_mul(1 << doublings)
        .min(retry.last_backoff);
    full.mul_f64(0.5 + random / 2.0)
}

/// For the operator: the code, the text and the causes. Bounded, because a cause can quote a body.
fn told(error: &Error) -> String {
    const LONGEST: usize = 1000;
    let text = format!("{}", crate::error::Chain(error));
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    const RETRY: Retry = Retry {
        attempts: 5,
        first_backoff: Duration::from_secs(2),
        last_backoff: Duration::from_secs(10),
        window: Duration::from_secs(100),
    };

    fn after(code: ErrorCode, attempt: u32, age: u64, random: f64) -> Option<Duration> {
        let failed = Err(Error::new(code, "no"));
        match outcome(&failed, attempt, Duration::from_secs(age), &RETRY, random) {
            Outcome::Retry { after, error } => {
                assert!(error.starts_with(code.as_str()), "{error}");
                Some(after)
            }
            Outcome::DeadLetter { .. } => None,
            Outcome::Ack => panic!("acknowledged a failure"),
        }
    }

    #[test]
    fn success_is_acknowledged() {
        let outcome = outcome(&Ok(()), 3, Duration::from_secs(999), &RETRY, 0.5);
        assert_eq!(outcome, Outcome::Ack);
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_is_spread_over_half_of_it() {
        let secs = Duration::from_secs_f64;
        for (attempt, random, wait) in [
            (1, 0.0, 1.0),
            (1, 1.0, 2.0),
            (2, 1.0, 4.0),
            (3, 0.5, 6.0),
            (4, 1.0, 10.0),
            (4, 0.0, 5.0),
        ] {
            let found = after(ErrorCode::Unavailable, attempt, 0, random);
            assert_eq!(found, Some(secs(wait)), "attempt {attempt}, {random}");
        }
    }

    #[test]
    fn it_ends_with_the_attempts_the_window_or_an_error_that_stays() {
        for (code, attempt, age, retried) in [
            (ErrorCode::Internal, 4, 0, true),
            (ErrorCode::Internal, 5, 0, false),
            (ErrorCode::Internal, 1, 98, true),
            (ErrorCode::Internal, 1, 99, false),
            (ErrorCode::DeadlineExceeded, 1, 0, true),
            (ErrorCode::ResourceExhausted, 1, 0, true),
            (ErrorCode::InvalidArgument, 1, 0, false),
            (ErrorCode::PermissionDenied, 1, 0, false),
            (ErrorCode::NotFound, 1, 0, false),
            (ErrorCode::DataLoss, 1, 0, false),
        ] {
            let found = after(code, attempt, age, 1.0).is_some();
            assert_eq!(found, retried, "{code:?}, attempt {attempt}, {age} s");
        }
    }

    #[test]
    fn no_attempt_number_overflows_the_wait() {
        let patient = Retry {
            attempts: u32::MAX,
            window: Duration::MAX,
            ..RETRY
        };
        let failed = Err(Error::new(ErrorCode::Internal, "no"));
        let outcome = outcome(&failed, u32::MAX - 1, Duration::ZERO, &patient, 1.0);
        assert!(matches!(outcome, Outcome::Retry { after, .. } if after == RETRY.last_backoff));
    }
}
