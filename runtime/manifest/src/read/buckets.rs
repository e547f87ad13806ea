//! `[buckets.NAME]`

use super::access::{self, Names};
use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::{BucketSpec, ObjectNameTemplate};
use crate::reader::{Table, Text};

const GIB: u64 = 1 << 30;
/// Cloud Storage's limit of one object, 5 TiB.
const LARGEST_OBJECT: u64 = 5 * 1024 * GIB;
/// What the rest of the process needs on a disk that is nearly full: a write-ahead log, a few records.
const DEFAULT_MIN_FREE: u64 = 128 << 20;

pub(super) fn read(name: &str, table: &Table<'_>, faults: &mut Faults<'_>) -> Option<BucketSpec> {
    let keys = [
        "root",
        "object_name",
        "owner",
        "max_object",
        "quota_per_user",
        "min_free",
        "access",
    ];
    table.check_keys(&keys, faults);
    table.require("root", "root = \"user_chunks\"", faults);
    table.require(
        "object_name",
        "object_name = \"user_uploads/{uid}/{path}\"",
        faults,
    );
    table.require("owner", "owner = \"uid\"", faults);
    table.require("max_object", "max_object = \"2GiB\"", faults);
    let root = table.text("root", faults);
    let object_name = table.text("object_name", faults);
    let owner = table.text("owner", faults);
    let max_object = table.bytes("max_object", 1..=LARGEST_OBJECT, faults);
    let quota_per_user = table.bytes("quota_per_user", 1..=u64::MAX, faults);
    let min_free = table.bytes("min_free", 0..=u64::MAX, faults);

    if let Some(root) = root.as_ref().filter(|root| !is_folder(root.value)) {
        faults
            .add(
                Code::Format,
                root.span.clone(),
                format!(
                    "{} is not a folder below the disk's base path",
                    shown(root.value)
                ),
            )
            .help(
                "names joined by `/`, not absolute, none that starts with a dot: \"user_chunks\"",
            );
    }
    let owner = owner?;
    let object_name = read_template(&object_name?, &owner, faults)?;
    let names = Names {
        template: &object_name,
        owner: owner.value,
    };
    let access = access::read(table, &names, faults);
    Some(BucketSpec {
        name: name.to_owned(),
        root: root?.value.to_owned(),
        access,
        object_name,
        max_object: max_object?,
        quota_per_user,
        min_free: min_free.unwrap_or(DEFAULT_MIN_FREE),
    })
}

/// `user_uploads/{uid}/{path}`
fn read_template(
    template: &Text<'_>,
    owner: &Text<'_>,
    faults: &mut Faults<'_>,
) -> Option<ObjectNameTemplate> {
    let parts = template.value.split_once('{').and_then(|(prefix, rest)| {
        let (variable, path) = rest.split_once('}')?;
        (path == "/{path}").then_some((prefix, variable))
    });
    let is_prefix =
        |prefix: &str| prefix.is_empty() || prefix.strip_suffix('/').is_some_and(is_folder);
    let Some((prefix, variable)) = parts.filter(|(prefix, _)| is_prefix(prefix)) else {
        faults
            .add(
                Code::Format,
                template.span.clone(),
                format!("{} does not name objects", shown(template.value)),
            )
            .help(
                "folders, the segment of the owner in braces, and `{path}` for the rest: \
                 \"user_uploads/{uid}/{path}\"",
            );
        return None;
    };
    if variable != owner.value || variable.is_empty() {
        faults
            .add(
                Code::Format,
                owner.span.clone(),
                format!(
                    "`owner` is {}, but `object_name` has the segment `{{{variable}}}`",
                    shown(owner.value)
                ),
            )
            .related(template.span.clone(), "the names of objects")
            .help(format!("write `owner = \"{variable}\"`"));
    }
    Some(ObjectNameTemplate {
        prefix: prefix.to_owned(),
    })
}

/// Folders joined by slashes, none of them hidden.
pub(super) fn is_folder(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    path.split('/').all(|segment| {
        !segment.is_empty() && !segment.starts_with('.') && segment.chars().all(plain)
    })
}

/// Two buckets in one folder, or one inside the other, would see each other's objects.
pub(super) fn check_roots(document: &Table<'_>, faults: &mut Faults<'_>) {
    // The types were already reported.
    let mut quiet = Faults::new("");
    let Some(parent) = document.table("buckets", &mut quiet) else {
        return;
    };
    let roots: Vec<(Text<'_>, Text<'_>)> = parent
        .children(&mut quiet)
        .into_iter()
        .filter_map(|(name, table)| Some((name, table.text("root", &mut quiet)?)))
        .collect();
    for (at, (name, root)) in roots.iter().enumerate() {
        let clash = roots[..at].iter().find(|(_, other)| {
            is_inside(root.value, other.value) || is_inside(other.value, root.value)
        });
        if let Some((other_name, other)) = clash {
            faults
                .add(
                    Code::Clash,
                    root.span.clone(),
                    format!(
                        "the buckets `{}` and `{}` share a folder",
                        other_name.value, name.value
                    ),
                )
                .related(
                    other.span.clone(),
                    format!("`{}` is here", other_name.value),
                )
                .help("give each bucket a `root` of its own, not inside another's");
        }
    }
}

fn is_inside(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
