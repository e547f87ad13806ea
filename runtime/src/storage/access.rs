//! Who may do what with which object, by the manifest's `access` rules. Pure: it looks at names and
//! at the caller, never at objects, and knows nothing of tokens.

use manifest::{Access, AccessRule};

use super::ObjectName;
use super::place::owner_segment;
use crate::identity::Principal;

/// What a caller wants with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Get and list.
    Read,
    /// Create, update and delete.
    Write,
}

/// The first rule whose pattern matches the name decides; no rule: no.
pub(super) fn permits(
    rules: &[AccessRule],
    operation: Operation,
    name: &ObjectName,
    caller: Option<&Principal>,
) -> bool {
    for rule in rules {
        if let Some(owner) = matched(&rule.objects, name.as_str()) {
            return allows(wanted(rule, operation), owner, caller);
        }
    }
    false
}

/// Whether the caller may read every object whose name starts with `prefix`, those to come included.
pub(super) fn permits_list(rules: &[AccessRule], prefix: &str, caller: Option<&Principal>) -> bool {
    for rule in rules {
        let (reach, owner) = reach(&rule.objects, prefix);
        let allowed = || allows(rule.read, owner, caller);
        match reach {
            Reach::Nothing => {}
            Reach::Some if allowed() => {}
            Reach::Some => return false,
            Reach::All => return allowed(),
        }
    }
    false
}

fn wanted(rule: &AccessRule, operation: Operation) -> Access {
    match operation {
        Operation::Read => rule.read,
        Operation::Write => rule.write,
    }
}

/// `owner` is the segment where the pattern has `{uid}`; empty: nobody.
fn allows(access: Access, owner: &str, caller: Option<&Principal>) -> bool {
    let is_owner = |caller: &Principal| !owner.is_empty() && owner == owner_segment(&caller.uid);
    match access {
        Access::Anyone => true,
        Access::SignedIn => caller.is_some(),
        Access::Owner => caller.is_some_and(is_owner),
        Access::Nobody => false,
    }
}

/// The segment where the pattern has `{uid}`, empty if it has none; `None`: it does not match.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let mut owner = "";
    let mut segments = name.split('/');
    for part in pattern.split('/') {
        if part == "**" {
            return segments.next().map(|_| owner);
        }
        let segment = segments.next()?;
        if !is_matched(part, segment) {
            return None;
        }
        if is_owner(part) {
            owner = segment;
        }
    }
    segments.next().is_none().then_some(owner)
}

/// How many of the names with a common prefix a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Nothing,
    Some,
    All,
}

/// With the segment of `{uid}`, empty unless the prefix has it whole.
fn reach<'a>(pattern: &str, prefix: &'a str) -> (Reach, &'a str) {
    let mut owner = "";
    let (whole, begun) = match prefix.rsplit_once('/') {
        Some((whole, begun)) => (Some(whole), begun),
        None => (None, prefix),
    };
    let mut parts = pattern.split('/');
    for segment in whole.into_iter().flat_map(|whole| whole.split('/')) {
        match parts.next() {
            Some("**") => return (Reach::All, owner),
            Some(part) if is_matched(part, segment) => {
                if is_owner(part) {
                    owner = segment;
                }
            }
            _ => return (Reach::Nothing, ""),
        }
    }
    let reach = match parts.next() {
        Some("**") => Reach::All,
        Some(part) if is_variable(part) || part.starts_with(begun) => Reach::Some,
        _ => Reach::Nothing,
    };
    (reach, owner)
}

/// A variable is a segment of its own, and an empty one is nobody's.
fn is_matched(part: &str, segment: &str) -> bool {
    if is_variable(part) {
        !segment.is_empty()
    } else {
        part == segment
    }
}

fn is_variable(part: &str) -> bool {
    part == "*" || is_owner(part)
}

fn is_owner(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}
