//! What two functions must not share: names, routes, rewrites. Everything is decided here with the
//! rules by which requests are routed, so that no request is ever ambiguous.

use std::collections::HashMap;
use std::ops::Range;

use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::{Project, RewriteSource};
use crate::read::{Entry, RewriteEntry, RouteEntry};
use crate::reader::Text;

/// A path below any folder that no literal route would name.
const ANYTHING_BELOW: &str = "/~/~/~";

pub(crate) fn check(
    project: Option<&Project>,
    entries: &[Entry<'_>],
    rewrites: &[RewriteEntry<'_>],
    faults: &mut Faults<'_>,
) {
    check_names(entries, faults);
    let routes = check_routes(entries, faults);
    let rewrites = check_rewrites(rewrites, &routes, faults);
    check_names_are_reached(project, entries, &routes, &rewrites, faults);
}

/// A function's name or alias.
#[derive(Clone, Copy)]
struct Named<'e> {
    entry: &'e Entry<'e>,
    text: &'e Text<'e>,
}

fn all_names<'e>(entries: &'e [Entry<'e>]) -> impl Iterator<Item = Named<'e>> {
    let mut names: Vec<Named<'e>> = entries
        .iter()
        .flat_map(|entry| {
            std::iter::once(&entry.name)
                .chain(&entry.aliases)
                .map(move |text| Named { entry, text })
        })
        .collect();
    names.sort_by_key(|name| name.text.span.start);
    names.into_iter()
}

/// `/NAME`, and `https://NAME-….run.app` where a name is spelled with dashes and in lower case.
fn check_names<'e>(entries: &'e [Entry<'e>], faults: &mut Faults<'_>) {
    let mut paths: HashMap<&str, Named<'e>> = HashMap::new();
    let mut services: HashMap<String, Named<'e>> = HashMap::new();
    for name in all_names(entries) {
        let value = name.text.value;
        let service = value.to_ascii_lowercase().replace('_', "-");
        if let Some(first) = paths.get(value) {
            let message = if std::ptr::eq(first.entry, name.entry) {
                format!("`{value}` is the name of the function already")
            } else {
                clash(
                    faults,
                    &first.text.span,
                    &name.text.span,
                    &format!("/{value}"),
                )
            };
            report(
                faults,
                Code::Clash,
                name.text,
                message,
                &first.text.span,
                "claimed here",
            )
            .help("remove or rename one of them");
        } else if let Some(first) = services.get(&service)
            && !std::ptr::eq(first.entry, name.entry)
        {
            let url = format!("https://{service}-HASH.a.run.app/");
            let message = clash(faults, &first.text.span, &name.text.span, &url);
            report(
                faults,
                Code::Clash,
                name.text,
                message,
                &first.text.span,
                "claimed here",
            )
            .help("rename one of them: hosts have no `_` and no capitals");
        }
        paths.entry(value).or_insert(name);
        services.entry(service).or_insert(name);
    }
}

/// An explicit route and the function whose it is.
#[derive(Clone, Copy)]
struct Claim<'e> {
    entry: &'e Entry<'e>,
    route: &'e RouteEntry<'e>,
}

type Routes<'e> = matchit::Router<Vec<Claim<'e>>>;

fn check_routes<'e>(entries: &'e [Entry<'e>], faults: &mut Faults<'_>) -> Routes<'e> {
    let mut claims: Vec<Claim<'e>> = entries
        .iter()
        .flat_map(|entry| entry.routes.iter().map(move |route| Claim { entry, route }))
        .collect();
    claims.sort_by_key(|claim| claim.route.text.span.start);

    let mut paths: Vec<(&str, Vec<Claim<'e>>)> = Vec::new();
    for claim in claims {
        let path = claim.route.route.path.as_str();
        match paths.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) => {
                check_methods(known, claim, faults);
                known.push(claim);
            }
            None => paths.push((path, vec![claim])),
        }
    }
    let mut routes = Routes::new();
    let mut accepted: Vec<Claim<'e>> = Vec::new();
    for (path, claims) in paths {
        let newest = claims[0];
        match routes.insert(path, claims) {
            Ok(()) => accepted.push(newest),
            Err(matchit::InsertError::Conflict { with }) => {
                let first = accepted.iter().find(|claim| claim.route.route.path == with);
                report_conflict(newest, first.copied(), faults);
            }
            // Each route was inserted alone when it was read: only conflicts are left.
            Err(_) => {}
        }
    }
    routes
}

/// Several functions may share a path when each has its own method.
fn check_methods(known: &[Claim<'_>], claim: Claim<'_>, faults: &mut Faults<'_>) {
    let method = &claim.route.route.method;
    let overlap = known.iter().find(|first| {
        let other = &first.route.route.method;
        method.is_none() || other.is_none() || method == other
    });
    let Some(first) = overlap else {
        return;
    };
    let text = &claim.route.text;
    let first_span = &first.route.text.span;
    if std::ptr::eq(first.entry, claim.entry) {
        let message = format!(
            "{} and {} match the same requests",
            shown(first.route.text.value),
            shown(text.value)
        );
        report(
            faults,
            Code::Duplicate,
            text,
            message,
            first_span,
            "the other one",
        )
        .help("keep the one without a method, for all of them, or one for each method");
        return;
    }
    let url = example(&claim.route.route.path);
    let either = method.as_deref().or(first.route.route.method.as_deref());
    let request = format!("{} {url}", either.unwrap_or("GET"));
    let message = clash(faults, first_span, &text.span, &request);
    report(
        faults,
        Code::Clash,
        text,
        message,
        first_span,
        "claimed here",
    )
    .help("two functions may share a path only when each route has its own method");
}

/// Two patterns of the same shape.
fn report_conflict(claim: Claim<'_>, first: Option<Claim<'_>>, faults: &mut Faults<'_>) {
    let text = &claim.route.text;
    let Some(first) = first else {
        // matchit names a part of a pattern when it had to split one.
        faults.add(
            Code::Clash,
            text.span.clone(),
            format!(
                "{} matches the same URLs as another route",
                shown(text.value)
            ),
        );
        return;
    };
    let first_span = &first.route.text.span;
    let url = example(&claim.route.route.path);
    if std::ptr::eq(first.entry, claim.entry) {
        let (one, other) = (shown(first.route.text.value), shown(text.value));
        let message = format!("{one} and {other} match the same URLs, such as `{url}`");
        report(
            faults,
            Code::Clash,
            text,
            message,
            first_span,
            "the other one",
        )
        .help("give their `{…}` segments the same names");
        return;
    }
    let message = clash(faults, first_span, &text.span, &url);
    report(
        faults,
        Code::Clash,
        text,
        message,
        first_span,
        "claimed here",
    )
    .help("give one of them another path");
}

/// The rewrites that can fire.
fn check_rewrites<'e>(
    rewrites: &'e [RewriteEntry<'e>],
    routes: &Routes<'e>,
    faults: &mut Faults<'_>,
) -> Vec<&'e RewriteEntry<'e>> {
    let mut earlier: Vec<&RewriteEntry<'_>> = Vec::new();
    for rewrite in rewrites {
        let winner = earlier
            .iter()
            .find(|first| covers(&first.source, &rewrite.source));
        if let Some(winner) = winner {
            never_fires(faults, &rewrite.text, &winner.text);
        } else if let Some(winner) = winning_route(&rewrite.source, routes) {
            never_fires(faults, &rewrite.text, winner);
        } else {
            earlier.push(rewrite);
        }
    }
    earlier
}

fn never_fires(faults: &mut Faults<'_>, source: &Text<'_>, winner: &Text<'_>) {
    let line = faults.place(winner.span.start).line;
    let message = format!(
        "the rewrite of {} can never fire: {} in line {line} comes first",
        shown(source.value),
        shown(winner.value)
    );
    report(faults, Code::NeverFires, source, message, &winner.span, "this wins")
        .help("remove one of them; explicit routes come before rewrites, and those in the order of the file");
}

/// Whether every path of `later` is known to be one of `first`'s; of two expressions nobody knows.
fn covers(first: &RewriteSource, later: &RewriteSource) -> bool {
    match (first, later) {
        (first, RewriteSource::Path(path)) => first.matches(path),
        (RewriteSource::Below(folder), RewriteSource::Below(_)) if folder.is_empty() => true,
        (RewriteSource::Below(_), RewriteSource::Below(folder)) => first.matches(folder),
        (RewriteSource::Below(folder), _) => folder.is_empty(),
        (RewriteSource::Glob { .. }, RewriteSource::Glob { .. })
        | (RewriteSource::Regex(_), RewriteSource::Regex(_)) => {
            first.to_string() == later.to_string()
        }
        _ => false,
    }
}

/// The explicit route that takes everything that the source matches.
fn winning_route<'e>(source: &RewriteSource, routes: &Routes<'e>) -> Option<&'e Text<'e>> {
    let found = match source {
        RewriteSource::Path(path) => routes.at(path).ok()?,
        RewriteSource::Below(folder) if folder.is_empty() => routes
            .at(ANYTHING_BELOW)
            .ok()
            .filter(|_| routes.at("/").is_ok())?,
        RewriteSource::Below(folder) => {
            routes.at(folder).ok()?;
            routes.at(&format!("{folder}{ANYTHING_BELOW}")).ok()?;
            routes.at(folder).ok()?
        }
        RewriteSource::Glob { .. } | RewriteSource::Regex(_) => return None,
    };
    found.value.first().map(|claim| &claim.route.text)
}

/// The URLs that follow from a name are tried last: another function's route must not take them.
fn check_names_are_reached<'e>(
    project: Option<&Project>,
    entries: &[Entry<'_>],
    routes: &Routes<'e>,
    rewrites: &[&'e RewriteEntry<'e>],
    faults: &mut Faults<'_>,
) {
    for name in all_names(entries) {
        let by_region = project.into_iter().flat_map(|project| {
            let regions = project.regions.iter();
            regions.map(|region| format!("/{}/{region}/{}", project.id, name.text.value))
        });
        let urls = std::iter::once(format!("/{}", name.text.value)).chain(by_region);
        for url in urls {
            let Some(winner) = taken_by(&url, name.entry, routes, rewrites) else {
                continue;
            };
            let message = clash(faults, &winner.span, &name.text.span, &url);
            report(
                faults,
                Code::Clash,
                winner,
                message,
                &name.text.span,
                "the function's own URL",
            )
            .help("make the pattern narrower, or rename the function");
            break;
        }
    }
}

/// What another function than `entry` claims the URL with.
fn taken_by<'e>(
    url: &str,
    entry: &Entry<'_>,
    routes: &Routes<'e>,
    rewrites: &[&'e RewriteEntry<'e>],
) -> Option<&'e Text<'e>> {
    if let Ok(found) = routes.at(url) {
        let other = found
            .value
            .iter()
            .find(|claim| claim.entry.name.value != entry.name.value);
        return other.map(|claim| &claim.route.text);
    }
    let rewrite = rewrites
        .iter()
        .find(|rewrite| rewrite.source.matches(url))?;
    // A destination shows its file only where no function has the URL.
    let function = rewrite.function.as_ref()?;
    (function.value != entry.name.value).then_some(&rewrite.text)
}

/// A concrete path that the pattern matches: `/a/{x}/{*rest}` gives `/a/x/rest`.
fn example(pattern: &str) -> String {
    pattern
        .replace("{{", "\u{1}")
        .replace("}}", "\u{2}")
        .replace("{*", "")
        .replace(['{', '}'], "")
        .replace('\u{1}', "{")
        .replace('\u{2}', "}")
}

fn clash(faults: &Faults<'_>, first: &Range<usize>, second: &Range<usize>, url: &str) -> String {
    let line = |span: &Range<usize>| faults.place(span.start).line;
    format!(
        "`{url}` would run two functions: claimed in line {} and in line {}",
        line(first),
        line(second)
    )
}

fn report<'f, 't>(
    faults: &'f mut Faults<'t>,
    code: Code,
    at: &Text<'_>,
    message: String,
    other: &Range<usize>,
    label: &str,
) -> crate::fault::Draft<'f, 't> {
    faults
        .add(code, at.span.clone(), message)
        .related(other.clone(), label)
}
