//! `auth` and `public`: who may call a function, or send it events.

use std::ops::Range;

use super::{TriggerKind, choice};
use crate::fault::{Code, Faults};
use crate::model::Auth;
use crate::reader::Table;

const REQUIRED: (&str, Auth) = ("required", Auth::Required);
const FUNCTION: (&str, Auth) = ("function", Auth::Function);
const NONE: (&str, Auth) = ("none", Auth::None);

/// For `http`, `callable` and `event`: nothing of it is asked of `storage`.
pub(super) fn read(
    table: &Table<'_>,
    trigger: TriggerKind,
    faults: &mut Faults<'_>,
) -> Option<Auth> {
    let public = table.boolean("public", faults);
    if table.value("auth").is_none() {
        report_missing(table, trigger, faults);
    }
    let auth = match trigger {
        TriggerKind::Event => read_of_event(table, faults),
        TriggerKind::Http | TriggerKind::Callable | TriggerKind::Storage => {
            choice(table, "auth", "`auth`", &[REQUIRED, FUNCTION, NONE], faults)
        }
    }?;
    check_public(table, auth, public, faults);
    if trigger == TriggerKind::Event {
        check_senders(table, auth, faults);
    }
    Some(auth)
}

fn report_missing(table: &Table<'_>, trigger: TriggerKind, faults: &mut Faults<'_>) {
    let help = match trigger {
        TriggerKind::Event => {
            "`auth = \"required\"`: the router answers 401 without EVENT_TOKEN or the token of one of the \
             `senders`; `\"none\"`, with `public = true`: everybody"
        }
        TriggerKind::Callable => {
            "`auth = \"required\"`: the router refuses a call without a valid token; `\"function\"`: a token may be \
             left out, as Firebase's own callables have it; `\"none\"`, with `public = true`: nobody looks at tokens"
        }
        TriggerKind::Http | TriggerKind::Storage => {
            "`auth = \"required\"`: the router answers 401 without a valid token; \
             `\"function\"`: the function decides; `\"none\"`, with `public = true`: everybody"
        }
    };
    let message = format!(
        "{} does not say who may call it: `auth` has no default",
        table.name
    );
    faults
        .add(Code::MissingKey, table.span.clone(), message)
        .help(help);
}

/// The router alone judges senders: a function never sees an event that it would have to refuse.
fn read_of_event(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Auth> {
    let decided_by_function = table
        .value("auth")
        .filter(|value| value.get_ref().as_str() == Some(FUNCTION.0));
    if let Some(value) = decided_by_function {
        let message = format!(
            "`auth = \"function\"` is for functions with `http` or `callable`, and {} has `event`",
            table.name
        );
        faults
            .add(Code::KeyOfOtherTrigger, value.span(), message)
            .help("write `auth = \"required\"`, or `\"none\"` with `public = true`");
        return None;
    }
    choice(table, "auth", "`auth`", &[REQUIRED, NONE], faults)
}

/// An open door is marked, and nothing else is.
fn check_public(table: &Table<'_>, auth: Auth, public: Option<bool>, faults: &mut Faults<'_>) {
    match (auth, public) {
        (Auth::None, Some(true)) => {}
        (Auth::None, _) => {
            let message = format!(
                "everybody may call {}, and it is not marked as public",
                table.name
            );
            faults
                .add(Code::OpenDoor, value_span(table, "auth"), message)
                .help("add `public = true` when that is meant");
        }
        (_, Some(true)) => {
            let message = format!(
                "{} is marked as public, but `auth` asks for a caller",
                table.name
            );
            faults
                .add(Code::OpenDoor, value_span(table, "public"), message)
                .related(value_span(table, "auth"), "this decides")
                .help("remove `public`, or write `auth = \"none\"`");
        }
        _ => {}
    }
}

/// A list of senders that is never looked at.
fn check_senders(table: &Table<'_>, auth: Auth, faults: &mut Faults<'_>) {
    if auth == Auth::None
        && let Some(span) = table.key("senders")
    {
        let message = format!(
            "everybody may call {}: its `senders` keep nobody out",
            table.name
        );
        faults
            .add(Code::OpenDoor, span, message)
            .related(value_span(table, "auth"), "this decides")
            .help("remove `senders`, or write `auth = \"required\"`");
    }
}

fn value_span(table: &Table<'_>, key: &str) -> Range<usize> {
    table.value(key).map_or(0..0, toml::Spanned::span)
}
