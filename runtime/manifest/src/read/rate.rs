//! `rate_limit`: how often each caller may call.

use std::time::Duration;

use super::TriggerKind;
use super::limits::Defaults;
use crate::fault::{Code, Faults};
use crate::model::{RateKey, RateLimit};
use crate::reader::Table;
use crate::spelling::enumerate;

const MOST_REQUESTS: u32 = 1_000_000;

const PERIODS: [(&str, Duration); 3] = [
    ("s", Duration::from_secs(1)),
    ("min", Duration::from_secs(60)),
    ("h", Duration::from_secs(60 * 60)),
];

const KEYS: [(&str, RateKey); 2] = [("caller", RateKey::Caller), ("address", RateKey::Address)];

/// `rate_limit = "30/min per caller"` or `rate_limit = "none"`.
#[derive(Clone, Copy)]
pub(super) enum RateChoice {
    None,
    Limit(RateLimit),
}

impl RateChoice {
    fn limit(self) -> Option<RateLimit> {
        match self {
            Self::None => None,
            Self::Limit(limit) => Some(limit),
        }
    }
}

/// The function's own, else the one of `[defaults]`. The events of a storage function are the router's
/// and those of senders: nobody's to spend.
pub(super) fn read(
    table: &Table<'_>,
    trigger: TriggerKind,
    defaults: &Defaults,
    faults: &mut Faults<'_>,
) -> Option<RateLimit> {
    match trigger {
        TriggerKind::Storage => None,
        TriggerKind::Http | TriggerKind::Callable | TriggerKind::Event => {
            read_choice(table, faults)
                .or(defaults.rate_limit)
                .and_then(RateChoice::limit)
        }
    }
}

pub(super) fn read_choice(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<RateChoice> {
    let text = table.text("rate_limit", faults)?;
    if text.value == "none" {
        return Some(RateChoice::None);
    }
    match parse(text.value) {
        Ok(limit) => Some(RateChoice::Limit(limit)),
        Err(problem) => {
            faults
                .add(
                    Code::UnitOrRange,
                    text.span,
                    format!("`rate_limit` {problem}"),
                )
                .help(format!(
                    "1 to {MOST_REQUESTS} requests, a period of {}, and whose they are, {}: \
                     `\"30/min per caller\"`; or `\"none\"`",
                    enumerate(PERIODS.map(|(name, _)| name)),
                    enumerate(KEYS.map(|(name, _)| name)),
                ));
            None
        }
    }
}

/// `30/min per caller`
fn parse(text: &str) -> Result<RateLimit, &'static str> {
    let (rate, key) = text
        .split_once(" per ")
        .ok_or("does not say whose requests are counted together")?;
    let (_, per) = KEYS
        .into_iter()
        .find(|(name, _)| *name == key)
        .ok_or("counts neither per `caller` nor per `address`")?;
    let (requests, period) = rate.split_once('/').ok_or("has no period")?;
    let (_, period) = PERIODS
        .into_iter()
        .find(|(name, _)| *name == period)
        .ok_or("has a period that is not known")?;
    if requests.is_empty() || !requests.bytes().all(|b| b.is_ascii_digit()) {
        return Err("does not begin with a number of requests");
    }
    let requests = requests.parse().ok();
    let requests = requests.filter(|requests| (1..=MOST_REQUESTS).contains(requests));
    Ok(RateLimit {
        requests: requests.ok_or("is out of range")?,
        period,
        per,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_number_a_period_and_a_key() {
        let limit = |requests, seconds, per| {
            Ok(RateLimit {
                requests,
                period: Duration::from_secs(seconds),
                per,
            })
        };
        for (text, expected) in [
            ("30/min per caller", limit(30, 60, RateKey::Caller)),
            ("10/s per address", limit(10, 1, RateKey::Address)),
            (
                "1000000/h per caller",
                limit(1_000_000, 3600, RateKey::Caller),
            ),
            ("1/s per caller", limit(1, 1, RateKey::Caller)),
            (
                "30/min",
                Err("does not say whose requests are counted together"),
            ),
            (
                "30/min per user",
                Err("counts neither per `caller` nor per `address`"),
            ),
            (
                "30/min per  caller",
                Err("counts neither per `caller` nor per `address`"),
            ),
            ("30 per caller", Err("has no period")),
            ("30/m per caller", Err("has a period that is not known")),
            ("30/ min per caller", Err("has a period that is not known")),
            (
                "/min per caller",
                Err("does not begin with a number of requests"),
            ),
            (
                "+3/min per caller",
                Err("does not begin with a number of requests"),
            ),
            (
                "3.5/min per caller",
                Err("does not begin with a number of requests"),
            ),
            ("0/min per caller", Err("is out of range")),
            ("1000001/min per caller", Err("is out of range")),
            (
                "99999999999999999999/min per caller",
                Err("is out of range"),
            ),
        ] {
            assert_eq!(parse(text), expected, "{text}");
            if let Ok(limit) = expected {
                assert_eq!(limit.to_string(), text);
            }
        }
    }
}
