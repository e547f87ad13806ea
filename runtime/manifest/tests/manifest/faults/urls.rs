//! Names, routes and rewrites.

use manifest::Code;

use super::check;

#[test]
fn e005_two_functions_cannot_claim_one_url() {
    let two = |one: &str, other: &str| {
        format!(
            "[functions.one]\nauth = \"required\"\n{one}\n[functions.two]\nauth = \"required\"\n{other}"
        )
    };
    let rows = [
        (two("http = {}\naliases = [\"same\"]", "http = {}\naliases = [‸\"same\"]"), "`/same` would run two functions: claimed in line 15 and in line 19"),
        (two("http = {}", "http = {}\naliases = [‸\"one\"]"), "`/one` would run two functions: claimed in line 12 and in line 18"),
        (two("http = {}\naliases = [‸\"one\"]", "http = {}"), "`one` is the name of the function already"),
        (two("http = {}\naliases = [\"a_b\"]", "http = {}\naliases = [‸\"A-b\"]"), "`https://a-b-HASH.a.run.app/` would run two"),
        (two("http = { routes = [\"/x/{id}\"] }", "http = { routes = [‸\"/x/{id}\"] }"), "`GET /x/id` would run two functions: claimed in line 14 and in line 17"),
        (two("http = { routes = [\"POST /x\"] }", "http = { routes = [‸\"POST /x\"] }"), "`POST /x` would run two"),
        (two("http = { routes = [\"/x\"] }", "http = { routes = [‸\"PUT /x\"] }"), "`PUT /x` would run two"),
        (two("http = { routes = [\"GET /x/{a}/y\"] }", "http = { routes = [‸\"POST /x/{b}/y\"] }"), "`/x/b/y` would run two"),
        (two("http = { routes = [\"GET /x/{a}\", ‸\"POST /x/{b}\"] }", "http = {}"), "match the same URLs, such as `/x/b`"),
        (two("http = { routes = [‸\"/two\"] }", "http = {}"), "`/two` would run two functions: claimed in line 14 and in line 15"),
        (two("http = { routes = [‸\"/{any}\"] }", "http = {}"), "`/two` would run two"),
        (two("http = { routes = [‸\"/holograms-media/europe-west1/two\"] }", "http = {}"), "`/holograms-media/europe-west1/two` would run two"),
        (two("http = {}", "http = {}\n[[rewrites]]\nsource = ‸\"/two/**\"\nfunction = \"one\""), "`/two` would run two functions: claimed in line 19 and in line 15"),
        (two("http = {}", "http = {}\n[[rewrites]]\nsource = ‸\"/t*\"\nfunction = \"one\""), "`/two` would run two functions"),
        (two("http = {}", "http = {}\n[[rewrites]]\nregex = ‸\"^/t\"\nfunction = \"one\""), "`/two` would run two functions"),
        ("[buckets.other]\nroot = ‸\"user_chunks/other\"\nobject_name = \"{uid}/{path}\"\nowner = \"uid\"\nmax_object = \"1MiB\"".to_owned(), "the buckets `chunks` and `other` share a folder"),
    ];
    for (text, words) in &rows {
        check(Code::Clash, &[(text, words)]);
    }
}

#[test]
fn e006_what_can_never_fire_names_the_winner() {
    let function = "[functions.f]\nhttp = { routes = [\"/a/{x}\", \"/all/{*rest}\", \"/all\"] }\nauth = \"required\"\n";
    let rewrite = |source: &str| format!("[[rewrites]]\nsource = {source}\nfunction = \"f\"\n");
    let regex = |regex: &str| format!("[[rewrites]]\nregex = {regex}\nfunction = \"f\"\n");
    for (sources, words) in [
        (rewrite("‸\"/a/b\""), "`/a/{x}` in line 13 comes first"),
        (rewrite("‸\"/all/**\""), "comes first"),
        (
            rewrite("\"/api/**\"") + &rewrite("‸\"/api/chat\""),
            "`/api/**` in line 16 comes first",
        ),
        (
            rewrite("\"/api/**\"") + &rewrite("‸\"/api/v1/**\""),
            "comes first",
        ),
        (
            rewrite("\"/api/**\"") + &rewrite("‸\"/api\""),
            "comes first",
        ),
        (rewrite("\"/x\"") + &rewrite("‸\"/x\""), "comes first"),
        (rewrite("\"x\"") + &rewrite("‸\"/x\""), "comes first"),
        (rewrite("\"**\"") + &rewrite("‸\"/*.js\""), "comes first"),
        (rewrite("\"/*.js\"") + &rewrite("‸\"/x.js\""), "comes first"),
        (rewrite("\"/*.js\"") + &rewrite("‸\"/*.js\""), "comes first"),
        (
            regex("\"^/x\"") + &rewrite("‸\"/x/y\""),
            "`^/x` in line 16 comes first",
        ),
        (regex("\"^/x\"") + &regex("‸\"^/x\""), "comes first"),
        (rewrite("\"/**\"") + &regex("‸\"^/x\""), "comes first"),
    ] {
        check(
            Code::NeverFires,
            &[(&format!("{function}{sources}"), words)],
        );
    }
    check(
        Code::NeverFires,
        &[(
            "[functions.f]\nstorage = { bucket = \"chunks\", event = \"finalized\", prefix = ‸\"uploads/\" }",
            "no object of `chunks` starts with `uploads/`",
        )],
    );
}

#[test]
fn e019_some_names_and_paths_are_taken() {
    for name in [
        "healthz", "health", "readyz", "metrics", "v0", "__init", "lib", "main", "build",
    ] {
        let text = format!("[functions.‸{name}]\nhttp = {{}}\nauth = \"required\"");
        check(
            Code::ReservedName,
            &[(&text, &format!("`{name}` is reserved"))],
        );
    }
    for alias in [
        "robots.txt",
        "favicon.ico",
        "healthz",
        "holograms-media",
        "__x",
    ] {
        let text =
            format!("[functions.f]\nhttp = {{}}\nauth = \"required\"\naliases = [‸\"{alias}\"]");
        check(
            Code::ReservedName,
            &[(&text, &format!("`{alias}` is reserved"))],
        );
    }
    check(
        Code::ReservedName,
        &[
            (
                "[functions.f]\nhttp = { routes = [‸\"GET /healthz\"] }\nauth = \"required\"",
                "`/healthz` is reserved",
            ),
            (
                "[functions.f]\nhttp = { routes = [‸\"/__/auth\"] }\nauth = \"required\"",
                "`/__/auth` is reserved",
            ),
            (
                "[functions.f]\nevent = { type = ‸\"google.cloud.storage.object.v1.finalized\" }\nauth = \"required\"",
                "is reserved: storage and Google make the events",
            ),
            ("[cors.‸none]\norigins = [\"*\"]", "`none` is reserved"),
        ],
    );
}

#[test]
fn e024_a_function_is_a_rust_module_and_a_segment() {
    for (name, words) in [
        (
            "‸\"hello-world\"",
            "`hello-world` cannot be a function's name",
        ),
        ("‸1st", "cannot be"),
        ("‸\"größe\"", "cannot be"),
        ("‸_", "cannot be"),
        ("‸match", "`match` is a word of Rust"),
        ("‸self", "`self` is a word of Rust"),
    ] {
        let text = format!("[functions.{name}]\nhttp = {{}}\nauth = \"required\"");
        check(Code::FunctionName, &[(&text, words)]);
    }
    for alias in ["a/b", "", "1st", "a.b", "ü"] {
        let text =
            format!("[functions.f]\nhttp = {{}}\nauth = \"required\"\naliases = [‸\"{alias}\"]");
        check(Code::FunctionName, &[(&text, "cannot be an alias")]);
    }
}

#[test]
fn e025_patterns_can_be_matched() {
    for (route, words) in [
        ("x", "does not start with `/`"),
        ("/a//b", "two slashes"),
        ("/a?x=1", "the query"),
        ("/a b", "is not a method that can be routed"),
        ("post /a", "`post` is not a method"),
        ("TRACE /a", "`TRACE` is not a method"),
        ("POST  /a", "does not start with `/`"),
        ("/ä", "percent-encoded"),
        ("/{a}-{b}", "a `{…}` is a whole segment"),
        ("/{a}.png", "a `{…}` is a whole segment"),
        ("/img-{a}", "a `{…}` is a whole segment"),
        ("/{}", "valid name"),
        ("/{*rest}/x", "only allowed at the end"),
        ("/{open", "valid name"),
    ] {
        let text =
            format!("[functions.f]\nauth = \"required\"\nhttp = {{ routes = [‸\"{route}\"] }}");
        check(Code::Pattern, &[(&text, words)]);
    }
    for (source, words) in [
        ("", "it is empty"),
        ("/api//x", "two slashes"),
        ("/ä", "percent-encoded"),
        ("/api/{x}", "has no alternatives"),
        ("/!(api)/**", "`!(…)` cannot be matched"),
        ("/[a", "a `[` is not closed"),
    ] {
        let text = format!(
            "[functions.f]\nhttp = {{}}\nauth = \"required\"\n[[rewrites]]\nfunction = \"f\"\nsource = ‸\"{source}\""
        );
        check(Code::Pattern, &[(&text, words)]);
    }
    for (regex, words) in [
        ("^/(a", "unclosed group"),
        ("^/(?=a)", "look-around"),
        ("(a{1000}){1000}", "it is too large"),
    ] {
        let text = format!(
            "[functions.f]\nhttp = {{}}\nauth = \"required\"\n[[rewrites]]\nfunction = \"f\"\nregex = ‸\"{regex}\""
        );
        let words = format!("is not a regular expression: {words}");
        check(Code::Pattern, &[(&text, &words)]);
    }
}
