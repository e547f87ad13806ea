use http::Method;

use super::*;
use crate::error::Error;

const MANIFEST: &str = r#"
manifest = 1

[project]
id      = "demo-1"
regions = ["europe-west1"]

[functions.a_b]
http    = {}
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

/// The function's name and the path it sees, or the status of the refusal.
fn lookup(host: &str, method: &Method, path: &str) -> Result<(String, String), u16> {
    lookup_in(&manifest(MANIFEST), host, method, path)
}

fn manifest(text: &str) -> Manifest {
    let parsed = manifest::parse(text);
    let faults = manifest::render(&parsed.faults, "manifest.toml", text);
    parsed.manifest.expect(&faults)
}

fn lookup_in(
    manifest: &Manifest,
    host: &str,
    method: &Method,
    path: &str,
) -> Result<(String, String), u16> {
    let specs: Vec<_> = manifest.functions.values().collect();
    let table = RouteTable::new(manifest, specs.iter().copied());
    let uri: Uri = path.parse().expect("a URI");
    let found = table
        .lookup(host, method, uri.path())
        .map_err(|unmatched| Error::from(unmatched).status().as_u16())?;
    Ok((
        specs[found.function].name.clone(),
        found.path.uri(&uri).to_string(),
    ))
}

#[test]
fn each_url_form_finds_its_function_in_the_order_of_precedence() {
    for (host, path, function, seen) in [
        ("h", "/a_b", "a_b", "/"),
        ("h", "/b/x", "a_b", "/x"),
        ("h", "/c/", "c", "/"),
        ("h", "/demo-1/europe-west1/c", "c", "/"),
        ("h:8080", "/v0/b//c", "c", "/v0/b//c"),
        ("h", "//v0/x", "c", "//v0/x"),
        ("h", "/old/c", "c", "/old/c"),
        ("h", "/old/c/d", "a_b", "/old/c/d"),
        (
            "europe-west1-demo-1.cloudfunctions.net",
            "/b/x?y",
            "a_b",
            "/x?y",
        ),
        ("a-b-hash-ew.a.run.app", "/api/1", "a_b", "/api/1"),
        ("b-hash-ew.a.run.app", "/", "a_b", "/"),
        ("a-b-42.europe-west1.run.app:443", "/", "a_b", "/"),
        ("router-hash-ew.a.run.app", "/b", "a_b", "/"),
    ] {
        let expected = Ok((function.to_owned(), seen.to_owned()));
        assert_eq!(lookup(host, &Method::POST, path), expected, "{host}{path}");
    }
}

#[test]
fn the_methods_of_one_path_may_belong_to_different_functions() {
    for (method, found) in [
        (Method::GET, Ok("d")),
        (Method::HEAD, Ok("d")),
        (Method::POST, Ok("c")),
        (Method::PUT, Err(405)),
    ] {
        let name = lookup("h", &method, "/api/1").map(|(name, _)| name);
        assert_eq!(name.as_deref().map_err(|status| *status), found, "{method}");
    }
}

#[test]
fn what_no_form_covers_is_not_found() {
    for (host, path) in [
        ("h", "/"),
        ("h", "/c/x"),
        ("h", "/off"),
        ("h", "/api"),
        ("h", "/api/1/2"),
        ("h", "/older"),
        ("h", "/demo-1/europe-west1"),
        ("h", "/demo-1/europe-west1/"),
        ("us-central1-demo-1.cloudfunctions.net", "/b"),
        ("europe-west1-demo-1.cloudfunctions.net", "/api/1"),
    ] {
        let found = lookup(host, &Method::POST, path);
        assert_eq!(found, Err(404), "{host}{path}");
    }
}

#[test]
fn one_function_alone_has_every_path_but_those_of_explicit_routes() {
    let mut manifest = manifest(MANIFEST);
    manifest.target = Some("a_b".to_owned());
    for (path, function) in [
        ("/", "a_b"),
        ("/c", "a_b"),
        ("/old/c", "a_b"),
        ("/a_b/x", "a_b"),
        ("/v0/x", "c"),
    ] {
        let found = lookup_in(&manifest, "h", &Method::POST, path);
        let expected = Ok((function.to_owned(), path.to_owned()));
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn hosting_stands_before_rewrites_and_in_for_nothing_and_nowhere_else() {
    let text = format!(
        "{MANIFEST}\n[[rewrites]]\nsource = \"/app/**\"\ndestination = \"/app.html\"\n\
         [hosting]\npublic = \"public\"\n"
    );
    let manifest = manifest(&text);
    let table = RouteTable::new(&manifest, manifest.functions.values());
    let shown = |host: &str, path: &str| match table.lookup(host, &Method::PUT, path) {
        Ok(found) if found.rewritten => "before a rewrite".to_owned(),
        Ok(_) => "nowhere".to_owned(),
        Err(Unmatched::NotFound {
            hosted: Some(hosted),
        }) => format!("in for nothing {:?}", hosted.destination.as_deref()),
        Err(_) => "nowhere".to_owned(),
    };
    for (host, path, expected) in [
        ("h", "/old/c", "before a rewrite"),
        ("h", "/old/x", "before a rewrite"),
        ("h", "/b", "nowhere"),
        ("h", "/v0/x", "nowhere"),
        ("h", "/api/1", "nowhere"),
        ("h", "/app/x", "in for nothing Some(\"/app.html\")"),
        ("h", "/other", "in for nothing None"),
        (
            "europe-west1-demo-1.cloudfunctions.net",
            "/app/x",
            "nowhere",
        ),
        ("a-b-hash-ew.a.run.app", "/app/x", "nowhere"),
    ] {
        assert_eq!(shown(host, path), expected, "{host}{path}");
    }
}
