//! Which function a URL means: the table says what a reader of its documentation would.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use runtime::testing::parsing::{Found, Routes};
use runtime::{Method, Uri};

const MANIFEST: &str = r#"
manifest = 1

[project]
id      = "demo-1"
regions = ["europe-west1"]

[functions.a_b]
http    = { routes = ["GET /api/fixed"] }
auth    = "none"
public  = true
aliases = ["b"]

[functions.c]
http   = { subpaths = false, routes = ["POST /api/{id}", "/v0/{*object}"] }
auth   = "none"
public = true

[functions.d]
http   = { routes = ["GET /api/{id}"] }
auth   = "none"
public = true

[functions.off]
http    = {}
auth    = "none"
public  = true
enabled = false

[[rewrites]]
source   = "/old/c"
function = "c"

[[rewrites]]
source   = "/old/**"
function = "a_b"
"#;

/// Static segments first; `None`: any method.
const EXPLICIT: [(Option<&str>, &str, &str); 4] = [
    (Some("GET"), "/api/fixed", "a_b"),
    (Some("POST"), "/api/{id}", "c"),
    (Some("GET"), "/api/{id}", "d"),
    (None, "/v0/{*object}", "c"),
];

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let parsed = manifest::parse(MANIFEST);
    Routes::new(&parsed.manifest.expect("a manifest"))
});

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (Some(method), Some(host), Some(uri)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let (Ok(method), Ok(uri)) = (method.parse::<Method>(), uri.parse::<Uri>()) else {
        return;
    };
    let found = ROUTES.find(host, &method, &uri);
    assert_eq!(
        found,
        expected(host, method.as_str(), &uri),
        "{method} {host} {uri}"
    );
});

type Expected = Option<Result<(&'static str, Seen, bool), u16>>;

enum Seen {
    Whole,
    Rest(String),
}

fn expected(host: &str, method: &str, uri: &Uri) -> Result<Found, u16> {
    let path = uri.path();
    let host = without_port(host).to_ascii_lowercase();
    let found = if host.ends_with(".cloudfunctions.net") {
        let is_ours = host == "europe-west1-demo-1.cloudfunctions.net";
        is_ours.then(|| by_name(path)).flatten()
    } else {
        by_service(&host)
            .or_else(|| by_explicit_route(method, path))
            .or_else(|| by_rewrite(path))
            .or_else(|| by_name(path))
            .or_else(|| by_region(path))
    };
    let (function, seen, rewritten) = found.unwrap_or(Err(404))?;
    let uri = match (seen, uri.query()) {
        (Seen::Whole, _) => uri.clone(),
        (Seen::Rest(rest), query) => {
            let rest = if rest.is_empty() { "/" } else { &rest };
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("{rest}{query}").parse().expect("part of a URI")
        }
    };
    Ok(Found {
        function: function.to_owned(),
        uri,
        rewritten,
    })
}

fn without_port(host: &str) -> &str {
    let name = host.trim_end_matches(|c: char| c.is_ascii_digit());
    name.strip_suffix(':').unwrap_or(host)
}

/// `{tag---}{service}-{hash}-{code}.a.run.app`, `{tag---}{service}-{number}.{region}.run.app`
fn by_service(host: &str) -> Expected {
    let host = host.strip_suffix(".run.app")?;
    let (label, domain) = host.split_once('.')?;
    let mut words: Vec<&str> = label.rsplit("---").next()?.split('-').collect();
    let last = words.pop()?;
    if domain == "a" {
        words.pop()?;
    } else if !last.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let function = match words.join("-").as_str() {
        "a-b" | "b" => "a_b",
        "c" => "c",
        "d" => "d",
        _ => return None,
    };
    Some(Ok((function, Seen::Whole, false)))
}

fn by_explicit_route(method: &str, path: &str) -> Expected {
    let slashes = path.len() - path.trim_start_matches('/').len();
    let single = &path[slashes.saturating_sub(1)..];
    let bare = single.strip_suffix('/').unwrap_or(single);
    let pattern = [path, single, bare].into_iter().find_map(|path| {
        let mut patterns = EXPLICIT.iter().map(|(_, pattern, _)| pattern);
        patterns.find(|pattern| is_match(pattern, path))
    })?;
    let serves = |allowed: &str| allowed == method || (allowed == "GET" && method == "HEAD");
    let mut routes = EXPLICIT.iter().filter(|(_, other, _)| other == pattern);
    let route = routes.find(|(allowed, ..)| allowed.is_none_or(serves));
    Some(match route {
        Some((_, _, function)) => Ok((*function, Seen::Whole, false)),
        None => Err(405),
    })
}

fn is_match(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("{*object}"), Some(rest)) => return !rest.is_empty() || path.next().is_some(),
            (Some("{id}"), Some(segment)) if !segment.is_empty() => {}
            (Some(expected), Some(segment)) if expected == segment => {}
            _ => return false,
        }
    }
}

fn by_rewrite(path: &str) -> Expected {
    let mut path = path.to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    match path.strip_suffix('/').unwrap_or(&path) {
        "/old/c" => Some(Ok(("c", Seen::Whole, true))),
        "/old" => Some(Ok(("a_b", Seen::Whole, true))),
        path if path.starts_with("/old/") => Some(Ok(("a_b", Seen::Whole, true))),
        _ => None,
    }
}

/// `/{name}`, `/{name}/…`
fn by_name(path: &str) -> Expected {
    let path = path.strip_prefix('/')?.trim_start_matches('/');
    let (name, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let (function, has_subpaths) = match name {
        "a_b" | "b" => ("a_b", true),
        "c" => ("c", false),
        "d" => ("d", true),
        _ => return None,
    };
    let is_seen = has_subpaths || rest.is_empty() || rest == "/";
    is_seen.then(|| Ok((function, Seen::Rest(rest.to_owned()), false)))
}

/// `/{project}/{region}/{name}`, `/{project}/{region}/{name}/…`
fn by_region(path: &str) -> Expected {
    let path = path.strip_prefix('/')?.trim_start_matches('/');
    let path = path.strip_prefix("demo-1/")?.trim_start_matches('/');
    by_name(path.strip_prefix("europe-west1")?)
}
