//! `isolation = "process"`, or `{ memory = "512MiB" }`: a process of the function's own.

use std::ops::RangeInclusive;

use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::Isolation;
use crate::reader::{Table, Text};

const MIB: u64 = 1 << 20;
/// Room for the program itself, and no more than machines have.
const MEMORY: RangeInclusive<u64> = 128 * MIB..=(1 << 20) * MIB;
const DEFAULT_MEMORY: u64 = 256 * MIB;

/// `None` for a function that runs in the router's process.
pub(super) fn read(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Isolation> {
    let value = table.value("isolation")?;
    if let Some(span) = table.key("bucket") {
        let message = format!("{} has both `bucket` and `isolation`", table.name);
        faults.add(Code::Exclusive, span, message).help(
            "objects are written by the router's process alone, so an isolated function has no bucket: \
             remove one of the two",
        );
    }
    let memory = match value.get_ref().as_str() {
        Some(word) => {
            let word = Text {
                value: word,
                span: value.span(),
            };
            check_word(&word, faults)?;
            None
        }
        None => {
            let limits = table.table("isolation", faults)?;
            limits.check_keys(&["memory"], faults);
            limits.bytes("memory", MEMORY, faults)
        }
    };
    Some(Isolation {
        memory: memory.unwrap_or(DEFAULT_MEMORY),
    })
}

fn check_word(word: &Text<'_>, faults: &mut Faults<'_>) -> Option<()> {
    if word.value == "process" {
        return Some(());
    }
    let message = format!("{} is not a kind of isolation", shown(word.value));
    faults
        .add(Code::UnknownName, word.span.clone(), message)
        .help("`isolation = \"process\"`, or with another limit `{ memory = \"512MiB\" }`; leave it out for none");
    None
}
