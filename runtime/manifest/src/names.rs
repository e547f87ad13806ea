//! What a function, an alias, a bucket or a policy may be called, and why.

use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::reader::Text;

/// Cloud Functions' limit.
const LONGEST_NAME: usize = 63;

/// Rust's words, of every edition, that cannot name a module.
const KEYWORDS: [&str; 52] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// First segments of paths that the router answers itself, or must not.
const RESERVED: [&str; 7] = [
    "healthz",
    "health",
    "readyz",
    "metrics",
    "v0",
    "robots.txt",
    "favicon.ico",
];

/// Files of the functions' package that are not functions.
const FILES: [&str; 3] = ["build", "lib", "main"];

/// Paths that no route or rewrite is asked for.
const RESERVED_PATHS: [&str; 7] = [
    "/healthz",
    "/health",
    "/api/v1/health",
    "/readyz",
    "/metrics",
    "/robots.txt",
    "/favicon.ico",
];

/// A function's name: a module of Rust, and a segment of URLs.
pub(crate) fn check_function(name: &Text<'_>, project: Option<&str>, faults: &mut Faults<'_>) {
    if !is_identifier(name.value) {
        let message = format!("{} cannot be a function's name", shown(name.value));
        faults
            .add(Code::FunctionName, name.span.clone(), message)
            .help(format!(
                "the name is also a Rust module: ASCII letters, digits and `_`, at most \
                 {LONGEST_NAME}, not a digit first; other spellings can be `aliases`"
            ));
    } else if KEYWORDS.contains(&name.value) {
        let message = format!("`{}` is a word of Rust", name.value);
        faults
            .add(Code::FunctionName, name.span.clone(), message)
            .help(format!(
                "call the function `{0}_it`, say, and add `aliases = [\"{0}\"]`",
                name.value
            ));
    } else if FILES.contains(&name.value) {
        let message = format!("`{0}` is reserved: {0}.rs has its own meaning", name.value);
        faults
            .add(Code::ReservedName, name.span.clone(), message)
            .help(format!(
                "call the function `{0}_it`, say, and add `aliases = [\"{0}\"]`",
                name.value
            ));
    } else {
        check_reserved(name, project, faults);
    }
}

/// An alias: a segment of URLs.
pub(crate) fn check_alias(alias: &Text<'_>, project: Option<&str>, faults: &mut Faults<'_>) {
    if RESERVED.contains(&alias.value) || is_name(alias.value, true) {
        check_reserved(alias, project, faults);
        return;
    }
    let message = format!("{} cannot be an alias", shown(alias.value));
    faults
        .add(Code::FunctionName, alias.span.clone(), message)
        .help(format!(
            "ASCII letters, digits, `_` and `-`, at most {LONGEST_NAME}, not a digit first"
        ));
}

fn check_reserved(name: &Text<'_>, project: Option<&str>, faults: &mut Faults<'_>) {
    let value = name.value;
    let reason = if RESERVED.contains(&value) {
        "the router answers that path itself"
    } else if value.starts_with("__") {
        "paths that start with `__` belong to Firebase Hosting"
    } else if project == Some(value) {
        "it is the project's id, which begins `/{project}/{region}/{name}`"
    } else {
        return;
    };
    faults
        .add(
            Code::ReservedName,
            name.span.clone(),
            format!("`{value}` is reserved: {reason}"),
        )
        .help("choose another name");
}

/// A path of a route or a rewrite that would never arrive there.
pub(crate) fn check_path(path: &str, at: &Text<'_>, faults: &mut Faults<'_>) {
    let reason = if RESERVED_PATHS.contains(&path) {
        "the router answers it itself"
    } else if path.starts_with("/__/") {
        "paths below `/__/` belong to Firebase Hosting"
    } else {
        return;
    };
    faults
        .add(
            Code::ReservedName,
            at.span.clone(),
            format!("{} is reserved: {reason}", shown(path)),
        )
        .help("choose another path");
}

/// The name of a policy or a bucket. `none` is how a policy is refused.
pub(crate) fn check_table(name: &Text<'_>, faults: &mut Faults<'_>) {
    if name.value == "none" {
        faults
            .add(
                Code::ReservedName,
                name.span.clone(),
                "`none` is reserved: `cors = \"none\"` means no policy at all",
            )
            .help("choose another name");
    } else if !is_name(name.value, true) {
        let message = format!("{} cannot be a name", shown(name.value));
        faults
            .add(Code::Format, name.span.clone(), message)
            .help("ASCII letters, digits, `_` and `-`, not a digit first");
    }
}

/// A name of Rust, short enough for Cloud Functions.
pub(crate) fn is_identifier(name: &str) -> bool {
    is_name(name, false)
}

fn is_name(name: &str, dashes: bool) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (dashes && b == b'-');
    (1..=LONGEST_NAME).contains(&name.len())
        && name != "_"
        && name.bytes().all(allowed)
        && !name.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

/// A variable of the environment: `NEON_DATABASE_URL`.
pub(crate) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A Google Cloud project: 6 to 30 lower-case letters, digits and dashes, a letter first.
pub(crate) fn is_project_id(id: &str) -> bool {
    (6..=30).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A Google Cloud region: `europe-west1`.
pub(crate) fn is_region(region: &str) -> bool {
    let Some((area, place)) = region.split_once('-') else {
        return false;
    };
    let letters = place.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase());
    word(area) && word(letters) && letters.len() < place.len()
}

/// An e-mail address as a Google token names a service account: `push@holograms-media.iam.gserviceaccount.com`.
pub(crate) fn is_email(address: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let Some((account, host)) = address.split_once('@') else {
        return false;
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !account.is_empty()
        && account
            .bytes()
            .all(|b| plain(b) || matches!(b, b'.' | b'_' | b'+'))
        && host.contains('.')
        && host.split('.').all(label)
}

/// A Cloud Storage bucket: 3 to 222 lower-case letters, digits, `-`, `_` and `.`.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=222).contains(&name.len())
        && name.starts_with(edge)
        && name.ends_with(edge)
        && name
            .chars()
            .all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_google_cloud() {
        for (id, valid) in [
            ("holograms-media", true),
            ("short", false),
            ("Holograms", false),
            ("a-b-c-", false),
        ] {
            assert_eq!(is_project_id(id), valid, "{id}");
        }
        for (region, valid) in [
            ("europe-west1", true),
            ("northamerica-northeast2", true),
            ("europe", false),
            ("europe-west", false),
            ("EUROPE-WEST1", false),
            ("europe-1", false),
        ] {
            assert_eq!(is_region(region), valid, "{region}");
        }
        for (name, valid) in [
            ("holograms-media.firebasestorage.app", true),
            ("ab", false),
            ("-abc", false),
            ("gs://abc", false),
        ] {
            assert_eq!(is_bucket_name(name), valid, "{name}");
        }
        for (address, valid) in [
            ("push@holograms-media.iam.gserviceaccount.com", true),
            ("123-compute@developer.gserviceaccount.com", true),
            ("first.last+events@holograms.media", true),
            ("push@holograms-media", false),
            ("Push@holograms.media", false),
            ("@holograms.media", false),
            ("push", false),
            ("push@", false),
            ("a@b@holograms.media", false),
            ("push@.media", false),
            ("push@holograms..media", false),
            ("push@-holograms.media", false),
            ("pu sh@holograms.media", false),
            ("serviceAccount:push@holograms.media", false),
        ] {
            assert_eq!(is_email(address), valid, "{address}");
        }
        for (name, valid) in [
            ("NEON_DATABASE_URL", true),
            ("neon", false),
            ("", false),
            ("A-B", false),
            ("1A", false),
        ] {
            assert_eq!(is_variable(name), valid, "{name}");
        }
    }
}
