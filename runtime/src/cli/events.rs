//! `router events`: what happened and who was told, as tables for people and JSON for programs; and
//! deliveries once more. Works beside a running server, whose ledger it reads and whose bell it rings.

use std::io;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{ArgGroup, Args, Subcommand};
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::{align, print, say};
use crate::config::{self, Mode};
use crate::ledger::{
    self, Access, DeliveryStanding, Filter, History, Record, Replayed, STATES, Selection,
};
use crate::process;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events and how far they have come with each function, the latest first
    Ls(Listing),
    /// List the deliveries that were given up, with their last errors
    Dead {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the whole of an event, and its deliveries
    Show {
        /// The event's id, or the beginning of it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Deliver events again, under the same ids, as if they had never been tried
    Replay(Replay),
}

#[derive(Args)]
pub(super) struct Listing {
    /// Only deliveries in this state
    #[arg(long, value_parser = PossibleValuesParser::new(STATES))]
    state: Option<String>,
    /// Only deliveries to this function
    #[arg(long)]
    function: Option<String>,
    /// Only events since then: a duration such as 2h, or a time such as 2026-11-23T06:00:00Z
    #[arg(long, value_parser = since)]
    since: Option<Timestamp>,
    /// At most so many lines
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["id", "since", "dead"]))]
pub(super) struct Replay {
    /// The event's id, or the beginning of it
    #[arg(value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["since", "dead"])]
    id: Option<String>,
    /// Every event since then: a duration such as 2h, or a time such as 2026-11-23T06:00:00Z
    #[arg(long, value_parser = since)]
    since: Option<Timestamp>,
    /// Only deliveries that were given up
    #[arg(long)]
    dead: bool,
    /// Only deliveries to this function
    #[arg(long)]
    function: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let folder = ledger_folder()?;
    let access = match command {
        Command::Replay(_) => Access::Replay,
        _ => Access::Read,
    };
    let history = History::open(&folder, access)
        .with_context(|| format!("cannot open the ledger in {}", folder.display()))?;
    match command {
        Command::Ls(listing) => list(&history, listing),
        Command::Dead { json } => dead(&history, *json),
        Command::Show { id, json } => show(&history.find(id)?, *json),
        Command::Replay(options) => {
            let done = replay(history, options)?;
            let server = ledger::ring(&folder);
            report(done, &server, options.json)
        }
    }
}

/// The folder of the ledger that exists, whose owner this process is from now on.
fn ledger_folder() -> anyhow::Result<PathBuf> {
    let base = config::base_path(Mode::Dev)?;
    let folder = base.join(ledger::FOLDER);
    // Not of what a link points to: whoever may write here must not choose as whom we go on.
    let file = match folder.join(ledger::FILE).symlink_metadata() {
        Ok(file) if file.is_file() => file,
        Ok(_) => bail!("the ledger in {} is not a regular file", folder.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is no ledger in {}. Set RENDER_DISK_BASE_PATH as for the server, or run this \
             where `router dev` runs",
            base.display()
        ),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()));
        }
    };
    process::become_owner(&file)?;
    Ok(folder)
}

fn list(history: &History, listing: &Listing) -> anyhow::Result<()> {
    let filter = Filter {
        state: listing.state.clone(),
        function: listing.function.clone(),
        since: listing.since,
    };
    let entries = history.list(&filter, listing.limit)?;
    if listing.json {
        return print_json(&entries);
    }
    let heading = [
        "RECORDED", "ID", "TYPE", "SUBJECT", "FUNCTION", "STATE", "ATTEMPTS",
    ];
    let rows = entries.iter().map(|entry| {
        let delivery = entry.delivery.as_ref();
        let of_delivery = |cell: fn(&DeliveryStanding) -> String| delivery.map(cell);
        [
            seconds(entry.recorded),
            plain(&entry.id),
            plain(short(&entry.kind)),
            or_dash(entry.subject.as_deref().map(plain)),
            or_dash(of_delivery(|delivery| plain(&delivery.function))),
            or_dash(of_delivery(state)),
            or_dash(of_delivery(|delivery| delivery.attempts.to_string())),
        ]
    });
    print_table(heading, rows, "no such events");
    Ok(())
}

fn dead(history: &History, json: bool) -> anyhow::Result<()> {
    let entries = history.dead_letters()?;
    if json {
        return print_json(&entries);
    }
    let heading = [
        "GIVEN UP",
        "ID",
        "TYPE",
        "SUBJECT",
        "FUNCTION",
        "ATTEMPTS",
        "LAST ERROR",
    ];
    let rows = entries.iter().filter_map(|entry| {
        let delivery = entry.delivery.as_ref()?;
        Some([
            or_dash(delivery.settled.map(seconds)),
            plain(&entry.id),
            plain(short(&entry.kind)),
            or_dash(entry.subject.as_deref().map(plain)),
            plain(&delivery.function),
            delivery.attempts.to_string(),
            or_dash(delivery.error.as_deref().map(plain)),
        ])
    });
    print_table(heading, rows, "no dead letters");
    Ok(())
}

fn show(record: &Record, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(record);
    }
    let event = serde_json::to_string_pretty(&record.event)?;
    for line in event.lines() {
        print(&plain(line));
    }
    print("");
    let heading = [
        "FUNCTION",
        "STATE",
        "ATTEMPTS",
        "DUE",
        "LEASED UNTIL",
        "SETTLED",
        "LAST ERROR",
    ];
    let rows = record.deliveries.iter().map(|delivery| {
        [
            plain(&delivery.function),
            state(delivery),
            delivery.attempts.to_string(),
            or_dash(delivery.due.map(seconds)),
            or_dash(delivery.leased_until.map(seconds)),
            or_dash(delivery.settled.map(seconds)),
            or_dash(delivery.error.as_deref().map(plain)),
        ]
    });
    print_table(heading, rows, "no function subscribes to it");
    Ok(())
}

fn replay(mut history: History, options: &Replay) -> anyhow::Result<Replayed> {
    let event = match &options.id {
        Some(id) => Some(history.find(id)?),
        None => None,
    };
    if let Some(event) = &event {
        let functions: Vec<&str> = event.deliveries.iter().map(|it| &*it.function).collect();
        let told = match &options.function {
            Some(function) => functions.contains(&&**function),
            None => !functions.is_empty(),
        };
        if !told {
            bail!("nothing to replay: the event has deliveries to {functions:?}");
        }
    }
    Ok(history.replay(&Selection {
        event: event.as_ref(),
        since: options.since,
        dead: options.dead,
        function: options.function.as_deref(),
    })?)
}

fn report(done: Replayed, server: &io::Result<bool>, json: bool) -> anyhow::Result<()> {
    let Replayed {
        replayed,
        under_way,
    } = done;
    if json {
        let server = matches!(server, Ok(true));
        return print_json(&json!({
            "replayed": replayed, "under_way": under_way, "server_told": server,
        }));
    }
    print(&format!("replayed: {replayed}"));
    if under_way > 0 {
        print(&format!(
            "left alone, because they are under way: {under_way}"
        ));
    }
    match server {
        Ok(true) => {}
        Ok(false) => say("no server is running here: they are delivered when one starts"),
        Err(error) => say(&format!(
            "the server cannot be told ({error}): they are delivered after its next event"
        )),
    }
    Ok(())
}

/// The time that `text` names: itself, or so long ago.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .and_then(|ago| Timestamp::now().checked_sub(ago.abs()))
        .map_err(|_| {
            "write a duration such as 90s, 2h or 3d, or a time such as 2026-11-23T06:00:00Z".into()
        })
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// `nothing` goes to stderr, so that a pipe gets lines of the table or none.
fn print_table<const COLUMNS: usize>(
    heading: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
    nothing: &str,
) {
    let mut table = vec![heading.map(str::to_owned)];
    table.extend(rows);
    match table.len() {
        1 => say(nothing),
        _ => print(&align(&table)),
    }
}

/// `google.cloud.storage.object.v1.finalized` is `finalized`; what functions publish is called as they
/// call it.
fn short(kind: &str) -> &str {
    kind.strip_prefix("google.cloud.storage.object.v1.")
        .unwrap_or(kind)
}

fn state(delivery: &DeliveryStanding) -> String {
    match delivery.leased_until {
        Some(_) => format!("{}, under way", delivery.state),
        None => delivery.state.clone(),
    }
}

fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

/// On one line, and without what a terminal obeys: users choose the names of objects, and errors
/// quote anything.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() {
            true => plain.extend(char.escape_default()),
            false => plain.push(char),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn since_is_a_time_or_so_long_ago() {
        let time = "2026-11-23T06:00:00Z".parse().unwrap();
        assert_eq!(since("2026-11-23T06:00:00Z"), Ok(time));
        assert_eq!(since("2026-11-23T07:00:00+01:00"), Ok(time));
        for (text, secs) in [
            ("90s", 90),
            ("2h", 7200),
            ("1h30m", 5400),
            ("3d", 3 * 86_400),
            ("1w", 7 * 86_400),
            ("PT5M", 300),
        ] {
            let before = Timestamp::now();
            let found = since(text).unwrap();
            let ago = SignedDuration::from_secs(secs);
            assert!(
                before - ago <= found && found <= Timestamp::now() - ago,
                "{text}"
            );
        }
    }

    #[test]
    fn since_is_nothing_that_could_mean_two_things() {
        for text in [
            "",
            "2",
            "yesterday",
            "2026-11-23",
            "06:00",
            "2 hors",
            "99999999999h",
        ] {
            let refused = since(text).unwrap_err();
            assert!(refused.contains("2h"), "{text}: {refused}");
        }
    }

    #[test]
    fn a_cell_cannot_command_a_terminal() {
        let cell = plain("é\u{1b}[2J\nb\u{9b}c");
        assert_eq!(cell, "é\\u{1b}[2J\\nb\\u{9b}c");
    }
}
