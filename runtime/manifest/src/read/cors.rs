//! `[cors.NAME]`

use std::time::Duration;

use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::{Cors, Origins};
use crate::reader::{Table, Text};

/// Browsers keep a preflight no longer than this (Firefox; Chromium two hours).
const LONGEST_AGE: Duration = Duration::from_secs(24 * 3600);
const DEFAULT_AGE: Duration = Duration::from_secs(3600);

pub(super) fn read(name: &str, table: &Table<'_>, faults: &mut Faults<'_>) -> Option<Cors> {
    table.check_keys(&["origins", "max_age"], faults);
    table.require("origins", "origins = [\"https://holograms.media\"]", faults);
    let max_age = table.duration("max_age", Duration::ZERO..=LONGEST_AGE, faults);
    let origins = table.distinct_texts("origins", faults)?;
    if origins.is_empty() {
        let span = table.value("origins").map_or(0..0, toml::Spanned::span);
        faults
            .add(
                Code::Origin,
                span,
                "`origins` is empty: nobody could use this policy",
            )
            .help("list origins, or write `cors = \"none\"` at the function");
    }
    Some(Cors {
        name: name.to_owned(),
        origins: read_origins(&origins, faults),
        max_age: max_age.unwrap_or(DEFAULT_AGE),
    })
}

fn read_origins(origins: &[Text<'_>], faults: &mut Faults<'_>) -> Origins {
    if let [only] = origins
        && only.value == "*"
    {
        return Origins::Any;
    }
    for origin in origins {
        if origin.value == "*" {
            faults
                .add(
                    Code::Origin,
                    origin.span.clone(),
                    "`*` stands beside other origins",
                )
                .help("write `origins = [\"*\"]` alone, for everybody, or leave `*` out");
        } else if let Some((reason, corrected)) = objection(origin.value) {
            let message = format!("{} is not an origin: {reason}", shown(origin.value));
            let draft = faults.add(Code::Origin, origin.span.clone(), message);
            draft.help(match corrected {
                Some(corrected) => format!("write \"{corrected}\""),
                None => "scheme, host and port, as in \"https://holograms.media\"".to_owned(),
            });
        }
    }
    Origins::Listed(
        origins
            .iter()
            .map(|origin| origin.value.to_owned())
            .collect(),
    )
}

/// Why a browser would never send this as `Origin`, and what it would send instead
/// (RFC 6454, section 6.2: the ASCII serialization).
fn objection(origin: &str) -> Option<(&'static str, Option<String>)> {
    if origin == "null" {
        return Some(("pages without an origin of their own share it", None));
    }
    let Some((scheme, rest)) = origin.split_once("://") else {
        let corrected = valid_or_none(format!("https://{origin}"));
        return Some(("it has no scheme", corrected));
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let origin_only = format!("{scheme}://{host}");
    if host.contains('@') {
        return Some(("it has a user", None));
    }
    if host.contains('*') {
        return Some(("a wildcard matches nothing: list every host", None));
    }
    if host.len() < rest.len() {
        return Some(("it has a path", valid_or_none(origin_only)));
    }
    if !origin.is_ascii() {
        return Some((
            "browsers send international hosts in punycode (`xn--…`)",
            None,
        ));
    }
    if origin.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some((
            "browsers send lower case",
            valid_or_none(origin.to_ascii_lowercase()),
        ));
    }
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "\0",
    };
    if let Some(without) = origin.strip_suffix(default_port) {
        return Some((
            "browsers leave the usual port out",
            Some(without.to_owned()),
        ));
    }
    (!is_serialized(scheme, host)).then_some(("it is malformed", None))
}

fn valid_or_none(origin: String) -> Option<String> {
    objection(&origin).is_none().then_some(origin)
}

fn is_serialized(scheme: &str, host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, port)) => (address, port),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let in_brackets = host.starts_with('[');
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| letter(b) || matches!(b, b'+' | b'-' | b'.'))
        && !name.is_empty()
        && name
            .bytes()
            .all(|b| letter(b) || matches!(b, b'-' | b'.' | b'_') || (in_brackets && b == b':'))
        && (port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|port| port.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::objection;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for (origin, corrected) in [
            ("https://holograms.media", None),
            ("http://localhost:5173", None),
            ("http://[::1]:5173", None),
            ("capacitor://localhost", None),
            ("chrome-extension://abcdefghijklmnop", None),
            ("holograms.media", Some("https://holograms.media")),
            ("localhost:5173", Some("https://localhost:5173")),
            ("https://holograms.media/", Some("https://holograms.media")),
            (
                "https://holograms.media/app?x",
                Some("https://holograms.media"),
            ),
            ("https://Holograms.Media", Some("https://holograms.media")),
            (
                "https://holograms.media:443",
                Some("https://holograms.media"),
            ),
            ("http://holograms.media:80", Some("http://holograms.media")),
            ("https://holograms.media:80", None),
        ] {
            let found = objection(origin).and_then(|(_, corrected)| corrected);
            assert_eq!(found.as_deref(), corrected, "{origin}");
        }
        for origin in [
            "",
            "null",
            "https://",
            "https://*.web.app",
            "https://u@h",
            "https://ü.de",
            "https://h:port",
        ] {
            assert!(objection(origin).is_some(), "{origin}");
        }
    }
}
