//! What came of every request, what the processes took of the machine, and what that is worth.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::{Failure, Outcome};
use crate::faults::Fault;
use crate::mix::Kind;

/// One request, from the moment it was due.
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) due: Instant,
    pub(crate) end: Instant,
    pub(crate) outcome: Outcome,
}

/// From the injection to the recovery and a margin.
pub(crate) struct Window {
    pub(crate) fault: Fault,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    fn meets(&self, asked: &Asked) -> bool {
        asked.due <= self.to && self.from <= asked.end
    }

    /// What is wrong is never excused, and what is broken off by restarts alone.
    fn excuses(&self, asked: &Asked, failure: &Failure) -> bool {
        let may = match failure {
            Failure::Refused(_) => self.fault.may_disturb(asked.kind),
            Failure::Broken(_) => matches!(self.fault, Fault::Terminate | Fault::Kill),
            Failure::Wrong(_) => false,
        };
        may && self.meets(asked)
    }
}

#[derive(Default)]
struct Row {
    well: [usize; 2],
    failed: [usize; 2],
    unexcused: usize,
    took: Vec<Duration>,
}

/// A table by kind, and the failures that nothing excuses; see [`Window::excuses`].
pub(crate) fn judge(all: &[Asked], windows: &[Window], begun: Instant) -> (String, Vec<String>) {
    let mut rows = BTreeMap::<Kind, Row>::new();
    // How often each came, and in which seconds.
    let mut unexcused = BTreeMap::<String, Vec<u64>>::new();
    for asked in all {
        let row = rows.entry(asked.kind).or_default();
        let inside = windows.iter().any(|window| window.meets(asked));
        match &asked.outcome {
            Ok(()) => row.well[usize::from(inside)] += 1,
            Err(failure) => {
                row.failed[usize::from(inside)] += 1;
                if !windows.iter().any(|window| window.excuses(asked, failure)) {
                    row.unexcused += 1;
                    let place = if inside { "inside" } else { "outside" };
                    let line = format!("{:?} {place} a window: {failure:?}", asked.kind);
                    let due = asked.due.duration_since(begun).as_secs();
                    unexcused.entry(line).or_default().push(due);
                }
            }
        }
        if !inside && asked.outcome.is_ok() {
            row.took.push(asked.end - asked.due);
        }
    }
    let unexcused = unexcused.into_iter().map(|(line, mut due)| {
        due.sort_unstable();
        let (first, last) = (due[0], due[due.len() - 1]);
        format!("{} x {line}, due between {first} s and {last} s", due.len())
    });
    (table(rows), unexcused.collect())
}

fn table(rows: BTreeMap<Kind, Row>) -> String {
    let mut text = format!(
        "{:<10} {:>8} {:>6} {:>8} {:>6} {:>9} {:>8} {:>8} {:>8}\n",
        "", "outside", "failed", "inside", "failed", "unexcused", "p50 ms", "p99 ms", "max ms"
    );
    let mut total = Row::default();
    for (kind, mut row) in rows {
        line(&mut text, &format!("{kind:?}"), &mut row);
        for side in 0..2 {
            total.well[side] += row.well[side];
            total.failed[side] += row.failed[side];
        }
        total.unexcused += row.unexcused;
        total.took.append(&mut row.took);
    }
    line(&mut text, "all", &mut total);
    text
}

fn line(text: &mut String, name: &str, row: &mut Row) {
    row.took.sort();
    let at = |share: f64| {
        let last = row.took.len().saturating_sub(1);
        let took = row.took.get((last as f64 * share).round() as usize);
        took.map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
    };
    let [outside, inside] = [0, 1].map(|side| row.well[side] + row.failed[side]);
    let _ = writeln!(
        text,
        "{name:<10} {outside:>8} {:>6} {inside:>8} {:>6} {:>9} {:>8.1} {:>8.1} {:>8.1}",
        row.failed[0],
        row.failed[1],
        row.unexcused,
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// What a process took at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) process: u32,
    pub(crate) at: Instant,
    /// KiB
    pub(crate) resident: u64,
    pub(crate) open: usize,
}

/// So long a process has to live to be judged.
const LONG_LIFE: Duration = Duration::from_secs(40 * 60);
/// Twice every fault that is no restart: what they make it allocate once it has allocated then.
const WARM: Duration = Duration::from_secs(12 * 60);
const MOST_GROWTH: f64 = 1.0;
const MOST_DESCRIPTORS: usize = 10;

/// A line for each process and, of the last one, each minute; and what is too much.
pub(crate) fn growth(samples: &[Sample], begun: Instant) -> (String, Vec<String>) {
    let (mut text, mut faults) = (String::new(), Vec::new());
    for life in samples.chunk_by(|one, other| one.process == other.process) {
        let (first, last) = (life[0], life[life.len() - 1]);
        let lived = last.at - first.at;
        let _ = writeln!(
            text,
            "process {} lived {} min: {:.1} to {:.1} MiB, {} to {} descriptors",
            first.process,
            lived.as_secs() / 60,
            mebibytes(first.resident),
            mebibytes(last.resident),
            first.open,
            last.open
        );
        if lived < LONG_LIFE {
            continue;
        }
        for minute in life.chunk_by(|one, other| minute(one, begun) == minute(other, begun)) {
            let _ = writeln!(
                text,
                "  minute {:>3}: {:>6.1} MiB, {:>4} descriptors",
                minute[0].at.duration_since(begun).as_secs() / 60,
                mebibytes(median(minute, |sample| sample.resident)),
                median(minute, |sample| sample.open as u64)
            );
        }
        let warm: Vec<_> = life
            .iter()
            .filter(|sample| sample.at - first.at > WARM)
            .collect();
        let slope = slope(&warm);
        let quarter = warm.len() / 4;
        let open = |part: &[&Sample]| {
            let part: Vec<_> = part.iter().map(|sample| **sample).collect();
            median(&part, |sample| sample.open as u64)
        };
        let [early, late] = [&warm[..quarter], &warm[warm.len() - quarter..]].map(open);
        let _ = writeln!(
            text,
            "  after {} min: {slope:+.2} MiB/h; descriptors {early} in the first quarter, {late} in the last",
            WARM.as_secs() / 60
        );
        if slope >= MOST_GROWTH {
            faults.push(format!("memory grows by {slope:.2} MiB/h"));
        }
        if late > early + MOST_DESCRIPTORS as u64 {
            faults.push(format!("descriptors grow from {early} to {late}"));
        }
    }
    (text, faults)
}

fn minute(sample: &Sample, begun: Instant) -> u64 {
    sample.at.duration_since(begun).as_secs() / 60
}

fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut all: Vec<_> = samples.iter().map(of).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// Of the line through all samples with the least squares, in MiB/h.
fn slope(samples: &[&Sample]) -> f64 {
    let hours = |sample: &Sample| (sample.at - samples[0].at).as_secs_f64() / 3600.0;
    let points: Vec<_> = samples
        .iter()
        .map(|sample| (hours(sample), mebibytes(sample.resident)))
        .collect();
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| {
        (sum.0 + point.0 / count, sum.1 + point.1 / count)
    });
    let (product, square) = points.iter().fold((0.0, 0.0), |sum, point| {
        let from = point.0 - x;
        (sum.0 + from * (point.1 - y), sum.1 + from * from)
    });
    product / square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_grows_is_noticed_and_one_that_swings_is_not() {
        let begun = Instant::now();
        let life = |resident: fn(u64) -> u64| -> Vec<Sample> {
            (0..600)
                .map(|at| Sample {
                    process: 1,
                    at: begun + Duration::from_secs(at * 5),
                    resident: resident(at),
                    open: 30 + (at % 7) as usize,
                })
                .collect()
        };
        let (text, faults) = growth(&life(|at| 50_000 + at % 100 * 20), begun);
        assert!(faults.is_empty(), "{faults:?}: {text}");
        // 2 KiB in 5 s are 1.4 MiB in an hour.
        let (_, faults) = growth(&life(|at| 50_000 + at * 2), begun);
        assert_eq!(faults, ["memory grows by 1.41 MiB/h"]);
    }

    #[test]
    fn a_failure_is_excused_by_a_fault_that_may_cause_it_and_only_while_that_lasts() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let windows = [
            Window {
                fault: Fault::Kill,
                from: at(10),
                to: at(20),
            },
            Window {
                fault: Fault::PostgresStops,
                from: at(30),
                to: at(40),
            },
        ];
        let refused = || Err(Failure::Refused("503".to_owned()));
        let broken = || Err(Failure::Broken("reset".to_owned()));
        let wrong = || Err(Failure::Wrong("500".to_owned()));
        for (kind, due, end, outcome, excused) in [
            (Kind::Hello, 9, 10, broken(), true),
            (Kind::Hello, 21, 22, broken(), false),
            (Kind::Sync, 31, 32, refused(), true),
            (Kind::Hello, 31, 32, refused(), false),
            (Kind::Sync, 31, 32, broken(), false),
            (Kind::Sync, 31, 32, wrong(), false),
            (Kind::Sync, 41, 42, refused(), false),
        ] {
            let asked = Asked {
                kind,
                due: at(due),
                end: at(end),
                outcome,
            };
            let (table, unexcused) = judge(&[asked], &windows, begun);
            assert_eq!(unexcused.is_empty(), excused, "{kind:?} at {due}: {table}");
        }
    }
}
