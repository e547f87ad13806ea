//! `access` of a bucket: who may read and write which of its objects.

use super::choice;
use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::{Access, AccessRule, ObjectNameTemplate};
use crate::reader::{Table, Text};

const WHO: [(&str, Access); 4] = [
    (Access::Owner.as_str(), Access::Owner),
    (Access::SignedIn.as_str(), Access::SignedIn),
    (Access::Anyone.as_str(), Access::Anyone),
    (Access::Nobody.as_str(), Access::Nobody),
];

/// How the model writes the owner's segment, whatever the bucket calls it.
const OWNER: &str = "{uid}";

/// What tells the names of a bucket's objects.
pub(super) struct Names<'b> {
    pub(super) template: &'b ObjectNameTemplate,
    /// The variable of the owner's segment.
    pub(super) owner: &'b str,
}

/// Without the key the owner reads and writes, and nobody else does anything.
pub(super) fn read(
    bucket: &Table<'_>,
    names: &Names<'_>,
    faults: &mut Faults<'_>,
) -> Vec<AccessRule> {
    if bucket.value("access").is_none() {
        return vec![AccessRule {
            objects: format!("{}{OWNER}/**", names.template.prefix),
            read: Access::Owner,
            write: Access::Owner,
        }];
    }
    let mut rules: Vec<(AccessRule, Text<'_>)> = Vec::new();
    for table in bucket.tables("access", faults) {
        let Some((rule, objects)) = read_rule(&table, names, faults) else {
            continue;
        };
        let winner = rules
            .iter()
            .find(|(first, _)| covers(&first.objects, &rule.objects));
        if let Some((_, winner)) = winner {
            never_fires(&objects, winner, faults);
        }
        rules.push((rule, objects));
    }
    rules.into_iter().map(|(rule, _)| rule).collect()
}

fn read_rule<'d>(
    table: &Table<'d>,
    names: &Names<'_>,
    faults: &mut Faults<'_>,
) -> Option<(AccessRule, Text<'d>)> {
    table.check_keys(&["objects", "read", "write"], faults);
    table.require("objects", "objects = \"user_uploads/{uid}/**\"", faults);
    let read = choice(table, "read", "access", &WHO, faults).unwrap_or(Access::Nobody);
    let write = choice(table, "write", "access", &WHO, faults).unwrap_or(Access::Nobody);
    let objects = table.text("objects", faults)?;
    let pattern = objects
        .value
        .replace(&format!("{{{}}}", names.owner), OWNER);
    if let Some(problem) = pattern_problem(&pattern, names) {
        faults
            .add(
                Code::Pattern,
                objects.span,
                format!("{} does not name objects: {problem}", shown(objects.value)),
            )
            .help(format!(
                "segments joined by `/`: as they are, `{{{}}}` for the owner's, `*` for any one, and a last `**` \
                 for one or more: \"{}{{{0}}}/**\"",
                names.owner, names.template.prefix
            ));
        return None;
    }
    let asks_for_owner = [read, write].contains(&Access::Owner);
    if asks_for_owner && !pattern.split('/').any(|segment| segment == OWNER) {
        report_ownerless(&objects, names, faults);
    }
    let rule = AccessRule {
        objects: pattern,
        read,
        write,
    };
    Some((rule, objects))
}

fn pattern_problem(pattern: &str, names: &Names<'_>) -> Option<String> {
    let owner_at = names.template.prefix.matches('/').count();
    let last = pattern.matches('/').count();
    for (at, segment) in pattern.split('/').enumerate() {
        let problem = match segment {
            "" => "it has an empty segment",
            OWNER if at == owner_at => continue,
            OWNER => {
                return Some(format!(
                    "`{{{}}}` is segment {} of `object_name`, and here it is segment {}",
                    names.owner,
                    owner_at + 1,
                    at + 1
                ));
            }
            "**" if at == last => continue,
            "**" => "`**` is allowed at the end only",
            "*" => continue,
            other if other.contains('*') => "a `*` is a whole segment",
            other if other.contains(['{', '}']) => {
                return Some(format!("the one variable is `{{{}}}`", names.owner));
            }
            other if other.contains(char::is_control) => "it has a control character",
            _ => continue,
        };
        return Some(problem.to_owned());
    }
    None
}

/// Whether every name that matches `later` matches `first`.
fn covers(first: &str, later: &str) -> bool {
    let mut later = later.split('/');
    for segment in first.split('/') {
        match (segment, later.next()) {
            ("**", Some(_)) => return true,
            (_, None | Some("**")) => return false,
            ("*" | OWNER, Some(_)) => {}
            (segment, Some(other)) if segment == other => {}
            _ => return false,
        }
    }
    later.next().is_none()
}

fn never_fires(objects: &Text<'_>, winner: &Text<'_>, faults: &mut Faults<'_>) {
    let line = faults.place(winner.span.start).line;
    let message = format!(
        "the access rule of {} can never decide: {} in line {line} comes first",
        shown(objects.value),
        shown(winner.value)
    );
    faults
        .add(Code::NeverFires, objects.span.clone(), message)
        .related(winner.span.clone(), "this wins")
        .help("put the narrower rule first, or remove it");
}

fn report_ownerless(objects: &Text<'_>, names: &Names<'_>, faults: &mut Faults<'_>) {
    faults
        .add(
            Code::NoOwner,
            objects.span.clone(),
            format!(
                "{} does not say whose the objects are, and the rule lets their owner in",
                shown(objects.value)
            ),
        )
        .help(format!(
            "write `{{{0}}}` for the owner's segment: \"{1}{{{0}}}/**\"; or let in `\"signed_in\"`",
            names.owner, names.template.prefix
        ));
}
