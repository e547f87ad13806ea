//! Spares a provider that fails, and its callers the wait: pure, with the time given, so that every
//! case can stand in a table.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many calls are looked back upon.
const WINDOW: usize = 20;
/// So many failures among as many calls open the breaker; of fewer calls nothing is said.
const FAILURES: usize = WINDOW / 2;
/// How long nobody calls, before one call tries again.
const REST: Duration = Duration::from_secs(10);

/// How a call ended, as far as the provider is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Served,
    Failed,
    /// Given up by whoever asked, which says nothing.
    Abandoned,
}

/// Closed, then open once half of the last [`WINDOW`] calls have failed, then half open for one call at a time.
#[derive(Debug)]
struct Breaker {
    state: State,
    /// Grows with every change of the state: what a call from before it says is not heard.
    generation: u64,
}

#[derive(Debug)]
enum State {
    /// Whether each of the last calls failed, the oldest first.
    Closed(VecDeque<bool>),
    Open {
        until: Instant,
    },
    /// One call is under way.
    HalfOpen,
}

impl Breaker {
    const fn new() -> Self {
        Self {
            state: State::Closed(VecDeque::new()),
            generation: 0,
        }
    }

    /// The generation that the call belongs to; `None` when nobody may call now.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        match self.state {
            State::Closed(_) => {}
            State::Open { until } if until <= now => self.enter(State::HalfOpen),
            State::Open { .. } | State::HalfOpen => return None,
        }
        Some(self.generation)
    }

    fn settle(&mut self, generation: u64, outcome: Outcome, now: Instant) {
        if generation != self.generation {
            return;
        }
        let rested = State::Open { until: now + REST };
        match (&mut self.state, outcome) {
            (State::Closed(calls), Outcome::Served | Outcome::Failed) => {
                if calls.len() == WINDOW {
                    calls.pop_front();
                }
                calls.push_back(outcome == Outcome::Failed);
                let failures = calls.iter().filter(|failed| **failed).count();
                if calls.len() == WINDOW && failures >= FAILURES {
                    self.enter(rested);
                }
            }
            (State::HalfOpen, Outcome::Served) => self.enter(State::Closed(VecDeque::new())),
            (State::HalfOpen, Outcome::Failed) => self.enter(rested),
            (State::HalfOpen, Outcome::Abandoned) => self.enter(State::Open { until: now }),
            (State::Closed(_), Outcome::Abandoned) | (State::Open { .. }, _) => {}
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

/// One breaker for everybody who calls the same provider.
#[derive(Debug)]
pub(crate) struct SharedBreaker(Mutex<Breaker>);

impl SharedBreaker {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Breaker::new()))
    }

    /// Leave to call the provider; `None` while it is spared.
    pub(crate) fn admit(&self) -> Option<Call<'_>> {
        let generation = self.lock().admit(Instant::now())?;
        Some(Call {
            breaker: self,
            generation,
            outcome: Outcome::Abandoned,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call under way. Dropped before it was settled, it was abandoned.
#[derive(Debug)]
pub(crate) struct Call<'b> {
    breaker: &'b SharedBreaker,
    generation: u64,
    outcome: Outcome,
}

impl Call<'_> {
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut breaker = self.breaker.lock();
        breaker.settle(self.generation, self.outcome, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn call(breaker: &mut Breaker, outcome: Outcome, now: Instant) {
        let generation = breaker.admit(now).expect("leave to call");
        breaker.settle(generation, outcome, now);
    }

    /// A breaker after as many calls as the text has letters: `s`erved, `f`ailed, `a`bandoned.
    fn after(calls: &str, now: Instant) -> Breaker {
        let mut breaker = Breaker::new();
        for letter in calls.chars() {
            let outcome = match letter {
                's' => Outcome::Served,
                'f' => Outcome::Failed,
                _ => Outcome::Abandoned,
            };
            call(&mut breaker, outcome, now);
        }
        breaker
    }

    #[test]
    fn half_of_the_last_twenty_calls_open_it() {
        let now = Instant::now();
        for (calls, admits) in [
            ("", true),
            ("fffffffffffffffffff", true),
            ("ffffffffffffffffffff", false),
            ("sfsfsfsfsfsfsfsfsfs", true),
            ("sfsfsfsfsfsfsfsfsfsf", false),
            ("fsfsfsfsfsfsfsfsfsfs", false),
            // The first failures are forgotten by the time the last one comes.
            ("fffffffffsssssssssssf", true),
            ("fffffffffssssssssssf", false),
            ("ssssssssssssssssssssfffffffff", true),
            ("ssssssssssssssssssssffffffffff", false),
            ("fffffffffffffffffffaaaaaaaaaaaaaaaa", true),
        ] {
            let admitted = after(calls, now).admit(now);
            assert_eq!(admitted.is_some(), admits, "{calls}");
        }
    }

    #[test]
    fn one_call_at_a_time_tries_again_after_the_rest() {
        let start = Instant::now();
        let mut breaker = after(&"f".repeat(WINDOW), start);
        assert_eq!(breaker.admit(start + 9 * SECOND), None);
        let rested = start + 10 * SECOND;
        let probe = breaker.admit(rested).expect("a probe");
        assert_eq!(breaker.admit(rested), None, "a second probe");

        breaker.settle(probe, Outcome::Failed, rested);
        assert_eq!(breaker.admit(rested + 9 * SECOND), None);
        let probe = breaker.admit(rested + 10 * SECOND).expect("a probe");
        breaker.settle(probe, Outcome::Served, rested + 10 * SECOND);
        let closed = rested + 10 * SECOND;
        for _ in 1..WINDOW {
            call(&mut breaker, Outcome::Failed, closed);
        }
        assert!(
            breaker.admit(closed).is_some(),
            "old failures are forgotten"
        );
    }

    #[test]
    fn a_probe_that_is_abandoned_makes_room_for_the_next() {
        let start = Instant::now();
        let mut breaker = after(&"f".repeat(WINDOW), start);
        let rested = start + 10 * SECOND;
        call(&mut breaker, Outcome::Abandoned, rested);
        assert!(breaker.admit(rested).is_some());
    }

    #[test]
    fn a_call_from_before_it_opened_changes_nothing() {
        let start = Instant::now();
        let mut breaker = Breaker::new();
        let calls: Vec<_> = (0..WINDOW + 2)
            .map(|_| breaker.admit(start).unwrap())
            .collect();
        for call in &calls[..WINDOW] {
            breaker.settle(*call, Outcome::Failed, start);
        }
        breaker.settle(calls[WINDOW], Outcome::Served, start);
        assert_eq!(breaker.admit(start), None, "a late success");
        let rested = start + 10 * SECOND;
        let probe = breaker.admit(rested).unwrap();
        breaker.settle(calls[WINDOW + 1], Outcome::Failed, rested);
        breaker.settle(probe, Outcome::Served, rested);
        assert!(breaker.admit(rested).is_some(), "a late failure");
    }

    #[test]
    fn a_call_that_is_dropped_was_abandoned() {
        let shared = SharedBreaker::new();
        for _ in 0..WINDOW {
            shared.admit().unwrap().settle(Outcome::Failed);
        }
        assert!(shared.admit().is_none());
        shared.lock().state = State::Open {
            until: Instant::now(),
        };
        let probe = shared.admit().expect("a probe");
        assert!(shared.admit().is_none());
        drop(probe);
        assert!(shared.admit().is_some());
    }
}
