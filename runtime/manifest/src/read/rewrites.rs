//! `[[rewrites]]`

use std::ops::Range;

use super::buckets::is_folder;
use super::functions::Entry;
use super::{TriggerKind, unknown_name};
use crate::fault::{Code, Faults};
use crate::glob;
use crate::literal::shown;
use crate::model::{Rewrite, RewriteSource, RewriteTarget};
use crate::names;
use crate::reader::{Table, Text};

/// One rewrite whose source could be read.
pub(crate) struct RewriteEntry<'d> {
    /// As it is written.
    pub(crate) text: Text<'d>,
    pub(crate) source: RewriteSource,
    /// `None` for a destination too.
    pub(crate) function: Option<Text<'d>>,
    /// `None` when it has faults.
    pub(super) rewrite: Option<Rewrite>,
}

/// What a rewrite may refer to.
struct Scope<'s> {
    entries: &'s [Entry<'s>],
    /// Whether there is a folder of files.
    hosting: bool,
}

pub(super) fn read<'d>(
    document: &Table<'d>,
    entries: &[Entry<'_>],
    faults: &mut Faults<'_>,
) -> Vec<RewriteEntry<'d>> {
    let scope = Scope {
        entries,
        hosting: document.value("hosting").is_some(),
    };
    let tables = document.tables("rewrites", faults);
    tables
        .iter()
        .filter_map(|table| read_one(table, &scope, faults))
        .collect()
}

fn read_one<'d>(
    table: &Table<'d>,
    scope: &Scope<'_>,
    faults: &mut Faults<'_>,
) -> Option<RewriteEntry<'d>> {
    table.check_keys(&["source", "regex", "function", "destination"], faults);
    one_of_two(table, ["source", "regex"], "source = \"/api/chat\"", faults);
    let example = "function = \"tria_chat_handler\"";
    one_of_two(table, ["function", "destination"], example, faults);
    let function = table.text("function", faults);
    if let Some(function) = &function {
        check_function(function, scope.entries, faults);
    }
    let destination = table.text("destination", faults);
    if let Some(destination) = &destination {
        check_destination(destination, scope.hosting, faults);
    }
    let (text, source) = read_source(table, faults)?;
    let target = match (&function, &destination) {
        (Some(function), None) => Some(RewriteTarget::Function(function.value.to_owned())),
        (None, Some(file)) => Some(RewriteTarget::Destination(file.value.to_owned())),
        _ => None,
    };
    let rewrite = target.map(|target| Rewrite {
        source: source.clone(),
        target,
        line: faults.place(table.span.start).line,
    });
    Some(RewriteEntry {
        text,
        source,
        function,
        rewrite,
    })
}

fn one_of_two(table: &Table<'_>, keys: [&str; 2], example: &str, faults: &mut Faults<'_>) {
    let mut spans: Vec<Range<usize>> = keys.iter().filter_map(|key| table.key(key)).collect();
    spans.sort_by_key(|span| span.start);
    let [one, other] = keys;
    match spans.as_slice() {
        [] => {
            let message = format!("{} lacks `{one}` or `{other}`", table.name);
            faults
                .add(Code::MissingKey, table.span.clone(), message)
                .help(format!("for example `{example}`"));
        }
        [first, second] => {
            let message = format!("{} has both `{one}` and `{other}`", table.name);
            faults
                .add(Code::Exclusive, second.clone(), message)
                .related(first.clone(), "the other one")
                .help("remove one of them; a rewrite of its own can have it");
        }
        _ => {}
    }
}

fn read_source<'d>(
    table: &Table<'d>,
    faults: &mut Faults<'_>,
) -> Option<(Text<'d>, RewriteSource)> {
    if let Some(text) = table.text("regex", faults) {
        return match glob::compile(text.value) {
            Ok(regex) => Some((text, RewriteSource::Regex(regex))),
            Err(problem) => {
                faults
                    .add(
                        Code::Pattern,
                        text.span.clone(),
                        format!("{} is not a regular expression: {problem}", shown(text.value)),
                    )
                    .help(
                        "in RE2's syntax, which has no look-around and no back-references, found anywhere in \
                         the path: \"^/v[0-9]+/chat$\"",
                    );
                None
            }
        };
    }
    let text = table.text("source", faults)?;
    match glob::parse(text.value) {
        Ok(source) => {
            names::check_path(&source.to_string(), &text, faults);
            Some((text, source))
        }
        Err(problem) => {
            report_source(&text, &problem, faults);
            None
        }
    }
}

pub(super) fn report_source(source: &Text<'_>, problem: &str, faults: &mut Faults<'_>) {
    faults
        .add(
            Code::Pattern,
            source.span.clone(),
            format!("{} is not a source: {problem}", shown(source.value)),
        )
        .help(
            "a glob as in firebase.json: \"/api/chat\", \"/api/**\" for all below it, \"**/*.js\", \
             \"/{de,en}/*\"",
        );
}

fn check_destination(destination: &Text<'_>, hosting: bool, faults: &mut Faults<'_>) {
    let file = destination.value.strip_prefix('/');
    if !file.is_some_and(is_folder) {
        faults
            .add(
                Code::Format,
                destination.span.clone(),
                format!("{} is not a file of hosting", shown(destination.value)),
            )
            .help("its path in the hosting folder, from the slash on: \"/index.html\"");
    }
    if !hosting {
        faults
            .add(
                Code::NoHosting,
                destination.span.clone(),
                format!(
                    "nothing says in which folder {} is",
                    shown(destination.value)
                ),
            )
            .help("add `[hosting]` with `public = \"public\"`");
    }
}

fn check_function(function: &Text<'_>, entries: &[Entry<'_>], faults: &mut Faults<'_>) {
    let named = entries
        .iter()
        .find(|entry| entry.name.value == function.value);
    let aliased = || {
        entries.iter().find(|entry| {
            entry
                .aliases
                .iter()
                .any(|alias| alias.value == function.value)
        })
    };
    if let Some(entry) = named {
        if entry.trigger == Some(TriggerKind::Storage) {
            faults
                .add(
                    Code::KeyOfOtherTrigger,
                    function.span.clone(),
                    format!(
                        "a rewrite needs a function with `http`, `callable` or `event`, and `{}` has `storage`",
                        function.value
                    ),
                )
                .related(entry.name.span.clone(), "the function");
        }
    } else if let Some(entry) = aliased() {
        faults
            .add(
                Code::UnknownName,
                function.span.clone(),
                format!("`{}` is an alias, not a function", function.value),
            )
            .related(entry.name.span.clone(), "of this one")
            .help(format!("write `function = \"{}\"`", entry.name.value));
    } else {
        let names = entries.iter().map(|entry| entry.name.value);
        unknown_name(function, "function", names, faults);
    }
}
