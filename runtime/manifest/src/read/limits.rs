//! `[defaults]`, and the limits of one function: its own, else those, else the ones here.

use std::ops::Range;
use std::time::Duration;

use toml::de::DeValue;

use super::rate::RateChoice;
use super::{Defined, Entry, TriggerKind, rate, resolve};
use crate::fault::{Code, Faults};
use crate::model::{Cors, DRAIN, Limits};
use crate::reader::{Table, Text, duration};
use crate::units::show_duration;

const LEAST_TIMEOUT: Duration = Duration::from_millis(100);
const LONGEST_HTTP: Duration = Duration::from_secs(60 * 60);
/// Cloud Functions' limit for events.
const LONGEST_EVENT: Duration = Duration::from_secs(540);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_IDLE: Duration = Duration::from_secs(30);

const LARGEST_BODY: u64 = 5 << 30;
const DEFAULT_BODY: u64 = 10 << 20;
/// Cloud Run's limit.
const MOST_CONCURRENT: u32 = 1000;
const DEFAULT_CONCURRENCY: u32 = 80;

#[derive(Default)]
pub(super) struct Defaults {
    timeout: Option<Timeout>,
    max_body: Option<u64>,
    concurrency: Option<u32>,
    pub(super) cors: Option<CorsChoice>,
    pub(super) rate_limit: Option<RateChoice>,
}

#[derive(Clone)]
struct Timeout {
    total: Duration,
    idle: Option<Duration>,
    span: Range<usize>,
}

/// `cors = "NAME"` or `cors = "none"`.
#[derive(Clone)]
pub(super) enum CorsChoice {
    None,
    Policy(Cors),
}

impl CorsChoice {
    pub(super) fn policy(&self) -> Option<Cors> {
        match self {
            Self::None => None,
            Self::Policy(cors) => Some(cors.clone()),
        }
    }
}

pub(super) fn read_defaults(
    document: &Table<'_>,
    cors: &Defined<Cors>,
    faults: &mut Faults<'_>,
) -> Defaults {
    let Some(table) = document.table("defaults", faults) else {
        return Defaults::default();
    };
    let keys = ["timeout", "max_body", "concurrency", "cors", "rate_limit"];
    table.check_keys(&keys, faults);
    Defaults {
        timeout: read_timeout(&table, TriggerKind::Http, faults),
        max_body: read_max_body(&table, faults),
        concurrency: read_concurrency(&table, faults),
        cors: read_cors(&table, cors, faults),
        rate_limit: rate::read_choice(&table, faults),
    }
}

pub(super) fn read_cors(
    table: &Table<'_>,
    defined: &Defined<Cors>,
    faults: &mut Faults<'_>,
) -> Option<CorsChoice> {
    let name = table.text("cors", faults)?;
    if name.value == "none" {
        return Some(CorsChoice::None);
    }
    resolve(&name, "CORS policy", defined, faults).map(|cors| CorsChoice::Policy(cors.clone()))
}

/// The limits of the function `name`.
pub(super) fn read(
    name: &Text<'_>,
    table: &Table<'_>,
    trigger: TriggerKind,
    defaults: &Defaults,
    faults: &mut Faults<'_>,
) -> Limits {
    let own = read_timeout(table, trigger, faults);
    match (&own, &defaults.timeout) {
        (Some(own), _) => warn_above_drain(own, trigger, faults),
        (None, Some(inherited)) if inherited.total > longest(trigger) => {
            faults
                .add(
                    Code::UnitOrRange,
                    name.span.clone(),
                    format!(
                        "`{}` inherits a timeout of {}: an event may take {} at most",
                        name.value,
                        show_duration(inherited.total),
                        show_duration(longest(trigger)),
                    ),
                )
                .related(inherited.span.clone(), "inherited from here")
                .help("give it one of its own, for example `timeout = \"540s\"`");
        }
        _ => {}
    }
    let timeout = own.as_ref().or(defaults.timeout.as_ref());
    let max_body = match trigger {
        TriggerKind::Http | TriggerKind::Callable | TriggerKind::Event => {
            read_max_body(table, faults).or(defaults.max_body)
        }
        // It bounds an event that is POSTed to the URL; how large an object may be, the bucket says.
        TriggerKind::Storage => None,
    };
    Limits {
        timeout: timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.total),
        idle_timeout: timeout
            .and_then(|timeout| timeout.idle)
            .unwrap_or(DEFAULT_IDLE),
        max_body: max_body.unwrap_or(DEFAULT_BODY),
        concurrency: read_concurrency(table, faults)
            .or(defaults.concurrency)
            .unwrap_or(DEFAULT_CONCURRENCY),
    }
}

const fn longest(trigger: TriggerKind) -> Duration {
    match trigger {
        TriggerKind::Http | TriggerKind::Callable => LONGEST_HTTP,
        TriggerKind::Storage | TriggerKind::Event => LONGEST_EVENT,
    }
}

fn read_max_body(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<u64> {
    table.bytes("max_body", 1..=LARGEST_BODY, faults)
}

fn read_concurrency(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<u32> {
    table.integer("concurrency", 1..=MOST_CONCURRENT, faults)
}

/// `"60s"` or `{ total = "1h", idle = "30s" }`.
fn read_timeout(
    table: &Table<'_>,
    trigger: TriggerKind,
    faults: &mut Faults<'_>,
) -> Option<Timeout> {
    let value = table.value("timeout")?;
    let allowed = LEAST_TIMEOUT..=longest(trigger);
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let text = table.text("timeout", faults)?;
        let total = duration(&text, "timeout", &allowed, faults)?;
        return Some(Timeout {
            total,
            idle: None,
            span: text.span,
        });
    }
    let parts = table.table("timeout", faults)?;
    parts.check_keys(&["total", "idle"], faults);
    parts.require(
        "total",
        "timeout = { total = \"1h\", idle = \"30s\" }",
        faults,
    );
    if trigger == TriggerKind::Storage
        && let Some(span) = parts.key("idle")
    {
        faults
            .add(
                Code::KeyOfOtherTrigger,
                span,
                "`idle` is for functions with `http`, `callable` or `event`: the router delivers the events of `storage`",
            )
            .help("write `timeout = \"540s\"`");
    }
    let total = parts.duration("total", allowed, faults);
    let longest_idle = total.unwrap_or(longest(trigger));
    Some(Timeout {
        idle: parts.duration("idle", LEAST_TIMEOUT..=longest_idle, faults),
        total: total?,
        span: parts.value("total")?.span(),
    })
}

/// Whether somebody waits for what the function returns. Events are delivered again.
const fn is_answered(trigger: TriggerKind) -> bool {
    matches!(trigger, TriggerKind::Http | TriggerKind::Callable)
}

fn warn_above_drain(timeout: &Timeout, trigger: TriggerKind, faults: &mut Faults<'_>) {
    if is_answered(trigger) && timeout.total > DRAIN {
        let message = format!(
            "a timeout of {} is above the drain time: calls in flight are cut at {} on deploy",
            show_duration(timeout.total),
            show_duration(DRAIN),
        );
        faults
            .add(Code::AboveDrain, timeout.span.clone(), message)
            .help("fine when clients repeat a call that was cut off; an event is delivered again");
    }
}

/// Once, at the place where it is written.
pub(super) fn warn_of_default_timeout(
    entries: &[Entry<'_>],
    defaults: &Defaults,
    faults: &mut Faults<'_>,
) {
    let inherited = entries
        .iter()
        .any(|entry| entry.trigger.is_some_and(is_answered) && entry.inherits_timeout);
    if let Some(timeout) = defaults.timeout.as_ref().filter(|_| inherited) {
        warn_above_drain(timeout, TriggerKind::Http, faults);
    }
}
