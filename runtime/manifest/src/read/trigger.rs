//! `http = { … }`, `callable = {}`, `storage = { … }` or `event = { … }`: exactly one of them is what causes a function to run.

use std::time::Duration;

use super::functions::RouteEntry;
use super::{Defined, TriggerKind, resolve, unknown_name};
use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::{
    BucketSpec, CallableTrigger, EventTrigger, HttpTrigger, Retry, Route, StorageEvent,
    StorageTrigger, Trigger,
};
use crate::names;
use crate::reader::{Table, Text};
use crate::units;

/// Words that are kept for triggers to come.
pub(super) const PLANNED: [&str; 1] = ["schedule"];

/// What can be written.
const CHOICES: &str = "`http = {}`, `callable = {}`, `storage = { bucket = \"…\", event = \"finalized\" }` or `event = {}`";

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const EVENTS: [(&str, StorageEvent); 3] = [
    ("finalized", StorageEvent::Finalized),
    ("deleted", StorageEvent::Deleted),
    ("metadataUpdated", StorageEvent::MetadataUpdated),
];

const DEFAULT_RETRY: Retry = Retry {
    attempts: 8,
    first_backoff: Duration::from_secs(1),
    last_backoff: Duration::from_secs(10 * 60),
    window: Duration::from_secs(24 * 3600),
};
const MOST_ATTEMPTS: u32 = 100;
const LONGEST_TYPE: usize = 255;
const LONGEST_WINDOW: Duration = Duration::from_secs(7 * 24 * 3600);

/// The one kind that the entry names.
pub(super) fn kind(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<TriggerKind> {
    for planned in PLANNED {
        if let Some(span) = table.key(planned) {
            faults
                .add(
                    Code::TriggerCount,
                    span,
                    format!("the trigger `{planned}` does not exist yet"),
                )
                .help(format!("write {CHOICES}"));
        }
    }
    let mut named: Vec<_> = TriggerKind::ALL
        .into_iter()
        .filter_map(|kind| Some((table.key(kind.key())?, kind)))
        .collect();
    named.sort_by_key(|(span, _)| span.start);
    match named.as_slice() {
        [(_, kind)] => return Some(*kind),
        [(first, first_kind), others @ ..] => {
            for (other, other_kind) in others {
                let message = format!(
                    "{} has two triggers: `{}` in line {} and `{}` in line {}",
                    table.name,
                    first_kind.key(),
                    faults.place(first.start).line,
                    other_kind.key(),
                    faults.place(other.start).line,
                );
                faults
                    .add(Code::TriggerCount, other.clone(), message)
                    .related(first.clone(), "the first one")
                    .help("keep one, and give the other to a function of its own");
            }
        }
        [] if PLANNED.iter().all(|planned| table.key(planned).is_none()) => {
            faults
                .add(
                    Code::TriggerCount,
                    table.span.clone(),
                    format!("{} has no trigger: nothing would ever run it", table.name),
                )
                .help(format!("add {CHOICES}"));
        }
        [] => {}
    }
    None
}

pub(super) fn read_http<'d>(
    table: &Table<'d>,
    faults: &mut Faults<'_>,
) -> (Option<Trigger>, Vec<RouteEntry<'d>>) {
    let Some(http) = table.table("http", faults) else {
        return (None, Vec::new());
    };
    http.check_keys(&["routes", "subpaths"], faults);
    let subpaths = http.boolean("subpaths", faults);
    let routes: Vec<RouteEntry<'d>> = http
        .distinct_texts("routes", faults)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|text| read_route(text, faults))
        .collect();
    let trigger = HttpTrigger {
        routes: routes.iter().map(|entry| entry.route.clone()).collect(),
        subpaths: subpaths.unwrap_or(true),
    };
    (Some(Trigger::Http(trigger)), routes)
}

/// Everything about a callable but its function is the protocol's.
pub(super) fn read_callable(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Trigger> {
    let callable = table.table("callable", faults)?;
    callable.check_keys(&[], faults);
    Some(Trigger::Callable(CallableTrigger {}))
}

pub(super) fn read_event(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Trigger> {
    let retry = read_retry(table, faults);
    let event = table.table("event", faults)?;
    event.check_keys(&["type", "subpaths"], faults);
    let subpaths = event.boolean("subpaths", faults);
    let kind = event.text("type", faults);
    match &kind {
        Some(kind) => check_event_type(kind, faults),
        None if event.value("type").is_none() => refuse_retry_without_type(table, faults),
        None => {}
    }
    Some(Trigger::Event(EventTrigger {
        subpaths: subpaths.unwrap_or(true),
        kind: kind.map(|kind| kind.value.to_owned()),
        retry,
    }))
}

fn check_event_type(kind: &Text<'_>, faults: &mut Faults<'_>) {
    let value = kind.value;
    if !(1..=LONGEST_TYPE).contains(&value.len()) || !value.bytes().all(|b| b.is_ascii_graphic()) {
        faults
            .add(
                Code::Format,
                kind.span.clone(),
                format!("{} is not the type of an event", shown(value)),
            )
            .help(format!(
                "1 to {LONGEST_TYPE} visible ASCII characters, by custom a reversed host first: \
                 \"media.holograms.chat.replied\""
            ));
    } else if value.starts_with("google.") {
        faults
            .add(
                Code::ReservedName,
                kind.span.clone(),
                format!(
                    "{} is reserved: storage and Google make the events whose type starts with `google.`, \
                     and functions do not publish them",
                    shown(value)
                ),
            )
            .help(
                "for the objects of a bucket write `storage = { … }`; for what Google POSTs to the function's \
                 URL leave `type` out",
            );
    }
}

/// Who POSTs an event sends it again; only what functions publish is the router's to repeat.
fn refuse_retry_without_type(table: &Table<'_>, faults: &mut Faults<'_>) {
    if let Some(span) = table.key("retry") {
        faults
            .add(
                Code::KeyOfOtherTrigger,
                span,
                format!(
                    "`retry` is for functions with `storage` or an `event` that has a `type`, and {} has none: \
                     whoever POSTs an event sends it again",
                    table.name
                ),
            )
            .help("remove `retry`, or name the `type` of the events that functions publish");
    }
}

/// `"POST /path"` or `"/path"`.
fn read_route<'d>(text: Text<'d>, faults: &mut Faults<'_>) -> Option<RouteEntry<'d>> {
    let (method, path) = match text.value.split_once(' ') {
        Some((method, path)) => (Some(method), path),
        None => (None, text.value),
    };
    let problem = match method {
        Some(method) if !METHODS.contains(&method) => Some(format!(
            "{} is not a method that can be routed",
            shown(method)
        )),
        _ => path_problem(path),
    };
    if let Some(problem) = problem {
        faults
            .add(Code::Pattern, text.span, format!("{} is not a route: {problem}", shown(text.value)))
            .help(
                "a path, or a method in capitals and a path: \"POST /api/v1/items/{id}\", where `{id}` is one \
                 segment and a last `{*rest}` is all that follow",
            );
        return None;
    }
    names::check_path(path, &text, faults);
    Some(RouteEntry {
        route: Route {
            method: method.map(str::to_owned),
            path: path.to_owned(),
        },
        text,
    })
}

fn path_problem(path: &str) -> Option<String> {
    let problem = plain_path_problem(path).or_else(|| part_of_a_segment(path));
    problem.map(str::to_owned).or_else(|| {
        let error = matchit::Router::new().insert(path, ()).err()?;
        Some(lower_first(&error.to_string()))
    })
}

/// matchit knows `/a{x}` too, but then decides by the order of insertion what is a conflict.
fn part_of_a_segment(path: &str) -> Option<&'static str> {
    let literal = path.replace("{{", "").replace("}}", "");
    let mut segments = literal.split('/');
    segments
        .any(|segment| {
            segment.find('{').is_some_and(|at| at > 0)
                || segment.find('}').is_some_and(|at| at + 1 < segment.len())
        })
        .then_some("a `{…}` is a whole segment")
}

/// What no path of a URL can hold, patterns or not.
fn plain_path_problem(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        Some("the path does not start with `/`")
    } else if path.contains("//") {
        Some("two slashes in a row match nothing")
    } else if path.contains(['?', '#']) {
        Some("the query is no part of the path")
    } else if !path.bytes().all(|b| b.is_ascii_graphic()) {
        Some("spaces and letters beyond ASCII arrive percent-encoded, so write them so")
    } else {
        None
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

pub(super) fn read_storage(
    table: &Table<'_>,
    buckets: &Defined<BucketSpec>,
    faults: &mut Faults<'_>,
) -> Option<Trigger> {
    let retry = read_retry(table, faults);
    let storage = table.table("storage", faults)?;
    storage.check_keys(&["bucket", "event", "prefix"], faults);
    storage.require("bucket", "bucket = \"chunks\"", faults);
    storage.require("event", "event = \"finalized\"", faults);
    let bucket_name = storage.text("bucket", faults);
    let event = storage.text("event", faults);
    let prefix = storage.text("prefix", faults);

    let bucket = bucket_name
        .as_ref()
        .and_then(|name| resolve(name, "bucket", buckets, faults));
    let event = event.and_then(|event| {
        let found = EVENTS.iter().find(|(name, _)| *name == event.value);
        if found.is_none() {
            unknown_name(
                &event,
                "storage event",
                EVENTS.iter().map(|(name, _)| *name),
                faults,
            );
        }
        found.map(|(_, event)| *event)
    });
    if let (Some(bucket), Some(prefix)) = (bucket, &prefix) {
        check_prefix(bucket, prefix, faults);
    }
    Some(Trigger::Storage(StorageTrigger {
        bucket: bucket?.name.clone(),
        event: event?,
        prefix: prefix
            .map(|prefix| prefix.value.to_owned())
            .unwrap_or_default(),
        retry,
    }))
}

/// Every object's name starts with the bucket's prefix, so one of the two must start with the other.
fn check_prefix(bucket: &BucketSpec, prefix: &Text<'_>, faults: &mut Faults<'_>) {
    let names = &bucket.object_name.prefix;
    if !names.starts_with(prefix.value) && !prefix.value.starts_with(names.as_str()) {
        faults
            .add(
                Code::NeverFires,
                prefix.span.clone(),
                format!(
                    "no object of `{}` starts with {}: the function would never run",
                    bucket.name,
                    shown(prefix.value)
                ),
            )
            .help(format!("the names of its objects start with \"{names}\""));
    }
}

fn read_retry(table: &Table<'_>, faults: &mut Faults<'_>) -> Retry {
    let Some(retry) = table.table("retry", faults) else {
        return DEFAULT_RETRY;
    };
    retry.check_keys(&["attempts", "backoff", "window"], faults);
    let attempts = retry.integer("attempts", 1..=MOST_ATTEMPTS, faults);
    let backoff = retry.text("backoff", faults).and_then(|text| {
        let backoff = read_backoff(text.value);
        if backoff.is_none() {
            faults
                .add(
                    Code::UnitOrRange,
                    text.span,
                    "`backoff` is not the first and the last pause between attempts",
                )
                .help(format!(
                    "two durations in ms, s, m or h, the second not below the first and at most {}: \
                     for example `\"1s..10m\"`",
                    units::show_duration(LONGEST_WINDOW)
                ));
        }
        backoff
    });
    let window = retry.duration("window", Duration::from_secs(1)..=LONGEST_WINDOW, faults);
    let (first_backoff, last_backoff) =
        backoff.unwrap_or((DEFAULT_RETRY.first_backoff, DEFAULT_RETRY.last_backoff));
    Retry {
        attempts: attempts.unwrap_or(DEFAULT_RETRY.attempts),
        first_backoff,
        last_backoff,
        window: window.unwrap_or(DEFAULT_RETRY.window),
    }
}

/// `1s..10m`
fn read_backoff(text: &str) -> Option<(Duration, Duration)> {
    let (first, last) = text.split_once("..")?;
    let (first, last) = (units::duration(first)?, units::duration(last)?);
    (!first.is_zero() && first <= last && last <= LONGEST_WINDOW).then_some((first, last))
}
