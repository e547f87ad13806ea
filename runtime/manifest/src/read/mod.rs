//! The tables of the manifest, each in a module of its own, read in the order in which one refers to
//! another: project, policies, buckets, defaults, functions, hosting, rewrites.

mod access;
mod auth;
mod buckets;
mod cors;
mod egress;
mod functions;
mod hosting;
mod isolation;
mod limits;
mod proofs;
mod rate;
mod rewrites;
mod senders;
mod trigger;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use crate::clashes;
use crate::fault::{Code, Fault, Faults};
use crate::literal::{self, shown};
use crate::model::{Manifest, Project};
use crate::names;
use crate::reader::{Table, Text, wrong_type};
use crate::spelling::{enumerate, nearest};

pub(crate) use functions::{Entry, RouteEntry};
pub(crate) use rewrites::RewriteEntry;

/// The `manifest = 1` that this code understands.
const VERSION: u32 = 1;

/// Defined tables by name; `None` for one that is defined and faulty, so that what refers to it is
/// not called wrong too.
pub(crate) type Defined<T> = BTreeMap<String, Option<T>>;

pub(crate) struct Read {
    pub(crate) manifest: Option<Manifest>,
    pub(crate) faults: Vec<Fault>,
    /// What can be said of the functions even when the manifest has faults.
    pub(crate) outlines: Vec<Outline>,
}

/// A function that the text names.
#[derive(Debug)]
pub(crate) struct Outline {
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) span: Range<usize>,
    pub(crate) line: usize,
    /// `None` when the entry does not say, or says it wrongly.
    pub(crate) trigger: Option<TriggerKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TriggerKind {
    Http,
    Callable,
    Storage,
    Event,
}

impl TriggerKind {
    pub(crate) const ALL: [Self; 4] = [Self::Http, Self::Callable, Self::Storage, Self::Event];

    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Callable => "callable",
            Self::Storage => "storage",
            Self::Event => "event",
        }
    }
}

pub(crate) fn read(text: &str) -> Read {
    let mut faults = Faults::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        literal::check(document.get_ref(), &mut faults);
        let document = Table::document(document.get_ref());
        if version_is_supported(&document, &mut faults) {
            return read_document(&document, faults);
        }
    } else {
        literal::check_text(text, &mut faults);
        report_syntax(errors, &mut faults);
    }
    Read {
        manifest: None,
        faults: faults.into_sorted(),
        outlines: Vec::new(),
    }
}

/// One fault for each line. What was recovered from a text that is not TOML is not looked at: it
/// would only add faults that are not there.
fn report_syntax(errors: Vec<toml::de::Error>, faults: &mut Faults<'_>) {
    let mut errors: Vec<_> = errors
        .into_iter()
        .map(|error| (error.span().unwrap_or(0..0), error))
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    errors.dedup_by_key(|(span, _)| faults.place(span.start).line);
    for (span, error) in errors {
        let message = format!("this is not TOML: {}", error.message());
        faults.add(Code::Syntax, span, message);
    }
}

/// The keys of another version would all be called unknown.
fn version_is_supported(document: &Table<'_>, faults: &mut Faults<'_>) -> bool {
    let Some(value) = document.value("manifest") else {
        document.require("manifest", &format!("manifest = {VERSION}"), faults);
        return true;
    };
    match value.get_ref().as_integer() {
        None => wrong_type(value, "manifest", "a whole number", faults),
        Some(version) if version.as_str().parse() != Ok(VERSION) => {
            faults
                .add(
                    Code::Version,
                    value.span(),
                    format!(
                        "version {} of the manifest is not supported",
                        version.as_str()
                    ),
                )
                .help(format!("this build understands `manifest = {VERSION}`"));
            return false;
        }
        Some(_) => {}
    }
    true
}

fn read_document(document: &Table<'_>, mut faults: Faults<'_>) -> Read {
    let keys = [
        "manifest",
        "project",
        "defaults",
        "cors",
        "buckets",
        "functions",
        "rewrites",
        "hosting",
    ];
    document.check_keys(&keys, &mut faults);
    let project = read_project(document, &mut faults);
    let cors = children(document, "cors", &mut faults, cors::read);
    let buckets = children(document, "buckets", &mut faults, buckets::read);
    buckets::check_roots(document, &mut faults);
    let defaults = limits::read_defaults(document, &cors, &mut faults);

    let scope = functions::Scope {
        project: project.as_ref().map(|project| project.id.as_str()),
        cors: &cors,
        buckets: &buckets,
        defaults: &defaults,
    };
    let entries: Vec<Entry<'_>> = document
        .table("functions", &mut faults)
        .map(|functions| functions.children(&mut faults))
        .unwrap_or_default()
        .iter()
        .map(|(name, table)| functions::read(name, table, &scope, &mut faults))
        .collect();
    limits::warn_of_default_timeout(&entries, &defaults, &mut faults);
    let hosting = hosting::read(document, &mut faults);
    let rewrites = rewrites::read(document, &entries, &mut faults);
    clashes::check(project.as_ref(), &entries, &rewrites, &mut faults);

    let outlines = entries
        .iter()
        .map(|entry| outline(entry, &faults))
        .collect();
    let manifest = project
        .filter(|_| !faults.any_error())
        .map(|project| Manifest {
            text: Arc::default(),
            project,
            default_cors: defaults.cors.as_ref().and_then(limits::CorsChoice::policy),
            buckets: complete(buckets),
            functions: entries
                .into_iter()
                .filter_map(|entry| Some((entry.name.value.to_owned(), entry.spec?)))
                .collect(),
            rewrites: rewrites
                .into_iter()
                .filter_map(|entry| entry.rewrite)
                .collect(),
            hosting,
            target: None,
        });
    Read {
        manifest,
        faults: faults.into_sorted(),
        outlines,
    }
}

fn outline(entry: &Entry<'_>, faults: &Faults<'_>) -> Outline {
    Outline {
        name: entry.name.value.to_owned(),
        span: entry.name.span.clone(),
        line: faults.place(entry.name.span.start).line,
        trigger: entry.trigger,
    }
}

fn read_project(document: &Table<'_>, faults: &mut Faults<'_>) -> Option<Project> {
    if document.value("project").is_none() {
        document.require("project", "[project]", faults);
    }
    let table = document.table("project", faults)?;
    table.check_keys(&["id", "regions", "bucket"], faults);
    table.require("id", "id = \"holograms-media\"", faults);
    table.require("regions", "regions = [\"europe-west1\"]", faults);
    let id = table.text("id", faults);
    let regions = table.distinct_texts("regions", faults);
    let bucket = table.text("bucket", faults);

    if let Some(id) = id.as_ref().filter(|id| !names::is_project_id(id.value)) {
        faults
            .add(
                Code::Format,
                id.span.clone(),
                format!("{} is not the id of a project", shown(id.value)),
            )
            .help(
                "6 to 30 lower-case letters, digits and dashes, a letter first: `holograms-media`",
            );
    }
    for region in regions.iter().flatten() {
        if !names::is_region(region.value) {
            faults
                .add(
                    Code::Format,
                    region.span.clone(),
                    format!("{} is not a region", shown(region.value)),
                )
                .help("as Google Cloud writes them: `europe-west1`");
        }
    }
    if let Some(bucket) = bucket
        .as_ref()
        .filter(|name| !names::is_bucket_name(name.value))
    {
        faults
            .add(
                Code::Format,
                bucket.span.clone(),
                format!("{} is not the name of a bucket", shown(bucket.value)),
            )
            .help("without `gs://`, in lower case: `holograms-media.firebasestorage.app`");
    }
    Some(Project {
        id: id?.value.to_owned(),
        regions: regions?
            .iter()
            .map(|region| region.value.to_owned())
            .collect(),
        bucket: bucket.map(|bucket| bucket.value.to_owned()),
    })
}

/// The tables `[KEY.NAME]`.
fn children<T>(
    document: &Table<'_>,
    key: &str,
    faults: &mut Faults<'_>,
    read: impl Fn(&str, &Table<'_>, &mut Faults<'_>) -> Option<T>,
) -> Defined<T> {
    let Some(parent) = document.table(key, faults) else {
        return Defined::new();
    };
    let children = parent.children(faults);
    children
        .iter()
        .map(|(name, table)| {
            names::check_table(name, faults);
            (name.value.to_owned(), read(name.value, table, faults))
        })
        .collect()
}

fn complete<T>(defined: Defined<T>) -> BTreeMap<String, T> {
    let complete = defined.into_iter();
    complete
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// Looks a name up among the defined ones, or reports it with the list of those.
fn resolve<'s, T>(
    name: &Text<'_>,
    what: &str,
    defined: &'s Defined<T>,
    faults: &mut Faults<'_>,
) -> Option<&'s T> {
    if let Some(value) = defined.get(name.value) {
        return value.as_ref();
    }
    unknown_name(name, what, defined.keys().map(String::as_str), faults);
    None
}

/// The value that one of the words stands for.
fn choice<T: Copy>(
    table: &Table<'_>,
    key: &str,
    what: &str,
    choices: &[(&str, T)],
    faults: &mut Faults<'_>,
) -> Option<T> {
    let text = table.text(key, faults)?;
    let found = choices.iter().find(|(name, _)| *name == text.value);
    if found.is_none() {
        unknown_name(&text, what, choices.iter().map(|(name, _)| *name), faults);
    }
    found.map(|(_, value)| *value)
}

fn unknown_name<'w>(
    name: &Text<'_>,
    what: &str,
    allowed: impl Iterator<Item = &'w str> + Clone,
    faults: &mut Faults<'_>,
) {
    let value = shown(name.value);
    let message = match nearest(name.value, allowed.clone()) {
        Some(meant) => format!("there is no {what} {value}: did you mean `{meant}`?"),
        None => format!("there is no {what} {value}"),
    };
    faults
        .add(Code::UnknownName, name.span.clone(), message)
        .help(format!("there is: {}", enumerate(allowed)));
}
