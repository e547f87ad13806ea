//! What the process counts, in the text format of Prometheus (version 0.0.4).
//!
//! What every request touches is an atomic of its function; names that functions make up are behind a
//! lock, since they are for what rarely happens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use manifest::Trigger;

use crate::app::App;
use crate::ledger::Outcome;

pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it was, for another one to go on with.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Responses by the class of their status.
#[derive(Default)]
pub(crate) struct Responses([Counter; 5]);

impl Responses {
    const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

    pub(crate) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.0[class].increment();
    }
}

/// Attempts at events by what became of them.
#[derive(Default)]
pub(crate) struct Deliveries([Counter; 3]);

impl Deliveries {
    const OUTCOMES: [&str; 3] = ["done", "retried", "given_up"];

    pub(crate) fn count(&self, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Ack => 0,
            Outcome::Retry { .. } => 1,
            Outcome::DeadLetter { .. } => 2,
        };
        self.0[outcome].increment();
    }
}

/// What functions count by names of their own.
#[derive(Default)]
pub(crate) struct Causes(Mutex<BTreeMap<&'static str, ByFunction>>);

type ByFunction = BTreeMap<(String, &'static str), u64>;

impl Causes {
    /// One more of `{metric}_total{function,cause}`. `metric` consists of `a` to `z` and `_`.
    pub(crate) fn count(&self, metric: &'static str, function: &str, cause: &'static str) {
        debug_assert!(is_name(metric), "{metric:?} is no name of a metric");
        let mut metrics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let causes = metrics.entry(metric).or_default();
        *causes.entry((function.to_owned(), cause)).or_default() += 1;
    }
}

/// The router's own begin with `router_`.
fn is_name(metric: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    !metric.is_empty() && metric.bytes().all(letters) && !metric.starts_with("router_")
}

/// All of it.
pub(crate) fn exposition(app: &App) -> String {
    let mut page = Page::default();
    page.begin(
        "router_requests_total",
        "counter",
        "Responses by function and class of status.",
    );
    let deployment = app.deployment();
    let functions = deployment
        .entries
        .iter()
        .map(|entry| (&*entry.spec.name, entry));
    let routed = functions
        .clone()
        .map(|(name, entry)| (name, &entry.counts.responses));
    // A URL that no function has.
    for (function, responses) in routed.chain([("", &app.responses)]) {
        for (class, counter) in Responses::CLASSES.iter().zip(&responses.0) {
            page.sample(
                &[("function", function), ("status", class)],
                counter.value(),
            );
        }
    }
    page.begin("router_in_flight", "gauge", "Invocations that run now.");
    for (function, entry) in functions.clone() {
        page.sample(&[("function", function)], entry.slots.taken().into());
    }
    page.begin("router_panics_total", "counter", "Panics of functions.");
    for (function, entry) in functions.clone() {
        page.sample(&[("function", function)], entry.counts.panics.value());
    }
    page.begin(
        "router_rate_limited_total",
        "counter",
        "Requests beyond their caller's rate_limit.",
    );
    for (function, entry) in functions.clone() {
        if let Some(limiter) = &entry.rate_limiter {
            page.sample(&[("function", function)], limiter.refused().value());
        }
    }
    page.begin(
        "router_deliveries_total",
        "counter",
        "Attempts at recorded events by what became of them.",
    );
    for (function, entry) in functions {
        if matches!(entry.spec.trigger, Trigger::Http(_) | Trigger::Callable(_)) {
            continue;
        }
        for (outcome, counter) in Deliveries::OUTCOMES.iter().zip(&entry.counts.deliveries.0) {
            let labels = [("function", function), ("outcome", outcome)];
            page.sample(&labels, counter.value());
        }
    }
    page.causes(&app.backends.causes);
    page.text
}

/// The text, metric by metric.
#[derive(Default)]
struct Page {
    text: String,
    metric: String,
}

impl Page {
    fn begin(&mut self, metric: &str, kind: &str, help: &str) {
        metric.clone_into(&mut self.metric);
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {metric} {help}\n# TYPE {metric} {kind}");
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: u64) {
        self.text.push_str(&self.metric);
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"");
            escape(value, &mut self.text);
            self.text.push('"');
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    fn causes(&mut self, causes: &Causes) {
        let metrics = causes.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (metric, causes) in &*metrics {
            let help = "Counted by functions, by cause.";
            self.begin(&format!("{metric}_total"), "counter", help);
            for ((function, cause), count) in causes {
                self.sample(&[("function", function), ("cause", cause)], *count);
            }
        }
    }
}

/// As the format wants it inside quotes.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_functions_count_is_one_metric_each_with_a_sample_for_each_function_and_cause() {
        let causes = Causes::default();
        causes.count("llm_failures", "chat", "timeout");
        causes.count("llm_failures", "chat", "timeout");
        causes.count("llm_failures", "chat", "a \"quoted\\\" word\n");
        causes.count("llm_failures", "answer", "timeout");
        causes.count("cache_misses", "chat", "cold");
        let mut page = Page::default();
        page.causes(&causes);
        let expected = r#"# HELP cache_misses_total Counted by functions, by cause.
# TYPE cache_misses_total counter
cache_misses_total{function="chat",cause="cold"} 1
# HELP llm_failures_total Counted by functions, by cause.
# TYPE llm_failures_total counter
llm_failures_total{function="answer",cause="timeout"} 1
llm_failures_total{function="chat",cause="a \"quoted\\\" word\n"} 1
llm_failures_total{function="chat",cause="timeout"} 2
"#;
        assert_eq!(page.text, expected);
    }

    #[test]
    fn a_metric_of_a_function_has_a_name_that_prometheus_takes_and_the_router_does_not_use() {
        for (name, good) in [
            ("llm_failures", true),
            ("", false),
            ("llmFailures", false),
            ("llm-failures", false),
            ("llm failures", false),
            ("router_requests", false),
        ] {
            assert_eq!(is_name(name), good, "{name:?}");
        }
    }

    #[test]
    fn every_status_has_a_class() {
        let responses = Responses::default();
        for status in [100, 200, 204, 304, 404, 429, 499, 500, 599, 700] {
            responses.count(StatusCode::from_u16(status).unwrap());
        }
        assert_eq!(responses.0.each_ref().map(Counter::value), [1, 2, 1, 3, 3]);
    }
}
