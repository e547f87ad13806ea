//! How often one caller may call one function: the generic cell rate algorithm, which lets as many
//! requests as the limit says come at once and then lets them through at its pace.
//!
//! A caller is a keyed hash and one number, so a table has a size that no flood changes. Verified callers
//! and addresses have tables of their own: addresses are cheap to come by, and running through them shall
//! not touch anybody who signed in.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use manifest::{RateKey, RateLimit};

use crate::telemetry::metrics::Counter;

const SHARDS: usize = 64;
/// With all shards some 100 000 callers that have called lately; 3 MB.
const CALLERS_PER_SHARD: usize = 1_600;
/// What is not worth a sweep.
const FEW: usize = 64;

/// The limit of one function.
pub(crate) struct RateLimiter {
    pace: Pace,
    per: RateKey,
    /// Seeded, so that nobody can look for two callers that count as one.
    hasher: RandomState,
    started: Instant,
    callers: Table,
    addresses: Table,
    refused: Counter,
}

impl RateLimiter {
    pub(crate) fn new(limit: &RateLimit) -> Self {
        Self {
            pace: Pace::new(limit),
            per: limit.per,
            hasher: RandomState::new(),
            started: Instant::now(),
            callers: Table::new(),
            addresses: Table::new(),
            refused: Counter::default(),
        }
    }

    /// Counts one request; `uid` is the verified caller's.
    ///
    /// # Errors
    /// One too many, which does not count: how long until the next is let through.
    pub(crate) fn count(&self, uid: Option<&str>, address: IpAddr) -> Result<(), Duration> {
        self.count_at(self.started.elapsed(), uid, address)
            .inspect_err(|_| self.refused.increment())
    }

    /// Requests that were too many.
    pub(crate) fn refused(&self) -> &Counter {
        &self.refused
    }

    fn count_at(&self, now: Duration, uid: Option<&str>, address: IpAddr) -> Result<(), Duration> {
        let now = nanoseconds(now);
        match (self.per, uid) {
            (RateKey::Caller, Some(uid)) => {
                let key = self.hasher.hash_one(uid);
                self.callers.count(self.pace, key, now)
            }
            (RateKey::Caller, None) | (RateKey::Address, _) => {
                let key = self.hasher.hash_one(subscriber(address));
                self.addresses.count(self.pace, key, now)
            }
        }
    }
}

/// An IPv4 address, or the first 64 bits of an IPv6 one: no smaller network is handed out (RFC 6177), and
/// whoever has one may use every address in it.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// How far apart requests come when they come evenly, and how much earlier one may be. In nanoseconds,
/// as all times here, from the start of the limiter.
#[derive(Clone, Copy)]
struct Pace {
    interval: u64,
    tolerance: u64,
}

impl Pace {
    fn new(limit: &RateLimit) -> Self {
        let requests = u64::from(limit.requests.max(1));
        let interval = nanoseconds(limit.period).div_ceil(requests).max(1);
        Self {
            interval,
            tolerance: interval.saturating_mul(requests - 1),
        }
    }

    /// When the request after this one is due. `due` says it of this one, and is past for a caller that
    /// has nothing outstanding.
    ///
    /// # Errors
    /// How much too early it is.
    fn next(self, due: u64, now: u64) -> Result<u64, Duration> {
        let due = due.max(now);
        match (due - now).checked_sub(self.tolerance) {
            None | Some(0) => Ok(due.saturating_add(self.interval)),
            Some(early) => Err(Duration::from_nanos(early)),
        }
    }
}

/// Callers by hash.
struct Table(Vec<Mutex<Shard>>);

struct Shard {
    /// When the next request of each caller is due; one that is past says nothing and is swept.
    due: HashMap<u64, u64>,
    /// Before then, a sweep finds nothing.
    earliest: u64,
    /// The number of callers at which a sweep is worth its time.
    sweep_at: usize,
    /// All those who come when the shard is full are counted as one. Nobody's count is forgotten for
    /// theirs, and the limit holds for them in sum.
    crowd: u64,
}

impl Table {
    fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::new(Shard::new())).collect())
    }

    fn count(&self, pace: Pace, key: u64, now: u64) -> Result<(), Duration> {
        let shard = &self.0[key as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.count(pace, key, now)
    }
}

impl Shard {
    fn new() -> Self {
        Self {
            due: HashMap::new(),
            earliest: u64::MAX,
            sweep_at: FEW,
            crowd: 0,
        }
    }

    fn count(&mut self, pace: Pace, key: u64, now: u64) -> Result<(), Duration> {
        if let Some(due) = self.due.get_mut(&key) {
            *due = pace.next(*due, now)?;
        } else if self.has_room(now) {
            let due = pace.next(now, now)?;
            self.earliest = self.earliest.min(due);
            self.due.insert(key, due);
        } else {
            self.crowd = pace.next(self.crowd, now)?;
        }
        Ok(())
    }

    /// Sweeps when there are twice as many callers as the last sweep left, and always when full.
    fn has_room(&mut self, now: u64) -> bool {
        if self.due.len() >= self.sweep_at && self.earliest <= now {
            self.due.retain(|_, due| *due > now);
            self.earliest = self.due.values().copied().min().unwrap_or(u64::MAX);
            self.sweep_at = (2 * self.due.len()).clamp(FEW, CALLERS_PER_SHARD);
        }
        self.due.len() < CALLERS_PER_SHARD
    }
}

/// 584 years of them fit.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);
    const SOMEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

    fn limiter(requests: u32, period: Duration, per: RateKey) -> RateLimiter {
        RateLimiter::new(&RateLimit {
            requests,
            period,
            per,
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_request_per_share_of_the_period() {
        let limiter = limiter(3, HOUR, RateKey::Caller);
        let ask = |minutes: u32| limiter.count_at(minutes * MINUTE, Some("ann"), SOMEWHERE);
        let answers = [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(20 * MINUTE)),
            (5, Err(15 * MINUTE)),
            (20, Ok(())),
            (20, Err(20 * MINUTE)),
            (60, Ok(())),
            (60, Ok(())),
            (60, Err(20 * MINUTE)),
            (600, Ok(())),
            (600, Ok(())),
            (600, Ok(())),
            (600, Err(20 * MINUTE)),
        ];
        for (step, (minutes, answer)) in answers.into_iter().enumerate() {
            assert_eq!(ask(minutes), answer, "step {step}, minute {minutes}");
        }
    }

    #[test]
    fn every_caller_has_a_count_of_their_own_and_the_rest_count_by_address() {
        let limiter = limiter(1, HOUR, RateKey::Caller);
        let ask = |uid, from| limiter.count_at(Duration::ZERO, uid, address(from)).is_ok();
        assert!(ask(Some("ann"), "203.0.113.7"));
        assert!(!ask(Some("ann"), "203.0.113.8"), "ann moved");
        assert!(ask(Some("bob"), "203.0.113.7"));
        assert!(ask(None, "203.0.113.7"));
        assert!(!ask(None, "203.0.113.7"));
        assert!(ask(None, "203.0.113.8"));
        assert!(
            ask(Some("203.0.113.7"), "203.0.113.9"),
            "a uid like an address"
        );
    }

    #[test]
    fn a_limit_per_address_does_not_look_at_the_caller() {
        let limiter = limiter(1, HOUR, RateKey::Address);
        let ask = |uid, from| limiter.count_at(Duration::ZERO, uid, address(from)).is_ok();
        assert!(ask(Some("ann"), "203.0.113.7"));
        assert!(!ask(Some("bob"), "203.0.113.7"));
        assert!(ask(Some("ann"), "203.0.113.8"));
    }

    #[test]
    fn an_ipv6_subscriber_is_a_network_of_64_bits_and_a_mapped_address_is_its_ipv4_one() {
        for (one, other, same) in [
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("::ffff:203.0.113.7", "203.0.113.7", true),
            ("::ffff:203.0.113.7", "::ffff:203.0.113.8", false),
            ("203.0.113.7", "203.0.113.8", false),
        ] {
            let found = subscriber(address(one)) == subscriber(address(other));
            assert_eq!(found, same, "{one} {other}");
        }
    }

    /// 100 times as many keys as fit, all within one interval.
    fn flooded(pace: Pace, first: u64) -> Shard {
        let mut shard = Shard::new();
        shard.count(pace, first, 0).unwrap();
        for stranger in 1..=100 * CALLERS_PER_SHARD as u64 {
            let _ = shard.count(pace, first + stranger, stranger);
        }
        shard
    }

    #[test]
    fn a_flood_of_callers_neither_grows_a_shard_nor_frees_anybody_from_their_limit() {
        let pace = limiter(1, HOUR, RateKey::Address).pace;
        let now = 100 * CALLERS_PER_SHARD as u64;
        let mut shard = flooded(pace, 7);
        assert_eq!(shard.due.len(), CALLERS_PER_SHARD);
        let wait = shard.count(pace, 7, now).unwrap_err();
        assert_eq!(wait, HOUR - Duration::from_nanos(now));
        assert!(
            shard.count(pace, 0, now).is_err(),
            "newcomers share a count"
        );
    }

    #[test]
    fn after_a_flood_newcomers_are_counted_by_themselves_again() {
        let pace = limiter(1, HOUR, RateKey::Address).pace;
        let mut shard = flooded(pace, 7);
        let later = 2 * nanoseconds(HOUR);
        for newcomer in 0..3 {
            assert_eq!(shard.count(pace, newcomer, later), Ok(()));
            assert!(shard.count(pace, newcomer, later).is_err());
        }
        assert_eq!(shard.due.len(), 3, "the flood was swept");
    }

    #[test]
    fn a_shard_holds_no_more_than_twice_the_callers_that_have_something_outstanding() {
        let pace = limiter(1, Duration::from_nanos(100), RateKey::Address).pace;
        let mut shard = Shard::new();
        for now in 0..50_000 {
            shard.count(pace, now, now).unwrap();
            assert!(
                shard.due.len() <= 2 * 100 + 1,
                "{} at {now}",
                shard.due.len()
            );
        }
    }

    /// What the limit means, from all requests so far: of those since any earlier one there may be as many
    /// as the burst, and one for each interval that has passed.
    fn fits(accepted: &[u64], now: u64, requests: u64, interval: u64) -> bool {
        accepted.iter().enumerate().all(|(index, &since)| {
            let with_this_one = (accepted.len() - index + 1) as u64;
            with_this_one <= requests + (now - since) / interval
        })
    }

    proptest! {
        #[test]
        fn it_decides_as_a_record_of_all_requests_would_and_names_the_first_moment_that_fits(
            requests in 1..6u32,
            interval in 1..50u64,
            pauses in proptest::collection::vec(0..120u64, 1..80),
        ) {
            let period = Duration::from_nanos(interval * u64::from(requests));
            let limiter = limiter(requests, period, RateKey::Caller);
            let requests = u64::from(requests);
            let (mut now, mut accepted) = (0, Vec::new());
            for pause in pauses {
                now += pause;
                let answer = limiter.count_at(Duration::from_nanos(now), Some("ann"), SOMEWHERE);
                prop_assert_eq!(answer.is_ok(), fits(&accepted, now, requests, interval));
                match answer {
                    Ok(()) => accepted.push(now),
                    Err(wait) => {
                        let then = now + nanoseconds(wait);
                        prop_assert!(fits(&accepted, then, requests, interval));
                        prop_assert!(!fits(&accepted, then - 1, requests, interval));
                    }
                }
            }
        }
    }
}
