//! `[[rewrites]]`

use super::functions::Entry;
use super::trigger::plain_path_problem;
use super::{TriggerKind, unknown_name};
use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::Rewrite;
use crate::names;
use crate::reader::{Table, Text};

/// One rewrite whose source could be read.
pub(crate) struct RewriteEntry<'d> {
    pub(crate) source: Text<'d>,
    pub(crate) function: Option<Text<'d>>,
    /// `None` when it has faults.
    pub(super) rewrite: Option<Rewrite>,
}

pub(super) fn read<'d>(
    document: &Table<'d>,
    entries: &[Entry<'_>],
    faults: &mut Faults<'_>,
) -> Vec<RewriteEntry<'d>> {
    let tables = document.tables("rewrites", faults);
    tables
        .iter()
        .filter_map(|table| read_one(table, entries, faults))
        .collect()
}

fn read_one<'d>(
    table: &Table<'d>,
    entries: &[Entry<'_>],
    faults: &mut Faults<'_>,
) -> Option<RewriteEntry<'d>> {
    table.check_keys(&["source", "function"], faults);
    table.require("source", "source = \"/api/chat\"", faults);
    table.require("function", "function = \"tria_chat_handler\"", faults);
    let function = table.text("function", faults);
    if let Some(function) = &function {
        check_function(function, entries, faults);
    }
    let source = table.text("source", faults)?;
    if let Some(problem) = source_problem(source.value) {
        faults
            .add(Code::Pattern, source.span, format!("{} is not a source: {problem}", shown(source.value)))
            .help("an exact path, or one that ends in `/**` for all below it: \"/api/chat\", \"/api/**\"");
        return None;
    }
    names::check_path(source.value, &source, faults);
    let rewrite = function.as_ref().map(|function| Rewrite {
        source: source.value.to_owned(),
        function: function.value.to_owned(),
        line: faults.place(table.span.start).line,
    });
    Some(RewriteEntry {
        source,
        function,
        rewrite,
    })
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

fn source_problem(source: &str) -> Option<&'static str> {
    let path = source.strip_suffix("/**").unwrap_or(source);
    if path.contains(['*', '{', '}']) {
        return Some("`*` and `{…}` mean nothing here");
    }
    match path {
        "" if source == "/**" => None,
        path => plain_path_problem(path),
    }
}
