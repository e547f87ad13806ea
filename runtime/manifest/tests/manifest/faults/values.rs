//! What stands behind a key.

use manifest::{Code, parse};

use super::check;
use crate::HEAD;

#[test]
fn e009_a_secret_is_reported_and_never_shown() {
    let secret = "npg_0123456789abcdef";
    let url = format!("postgresql://owner:{secret}@ep-x.neon.tech/db");
    for body in [
        format!("[functions.f]\nhttp = {{}}\nauth = \"required\"\npassword = \"{secret}\""),
        format!("[functions.f]\nhttp = {{}}\nauth = \"{secret}\""),
        format!("[functions.f]\nhttp = {{}}\nauth = \"required\"\nsecrets = [\"{url}\"]"),
        format!(
            "[functions.f]\nhttp = {{ routes = [\"{secret}\"] }}\nauth = \"required\"\naliases = [\"{secret}\"]"
        ),
        format!("[cors.other]\norigins = [\"{url}\"]"),
        format!("[functions.f]\nhttp = {{}}\ntoken = '''\n{secret}\n'''\nauth = \"required\""),
        format!("[functions.f\nhttp = {{}}\ntoken = \"{secret}\""),
    ] {
        let text = format!("{HEAD}{body}");
        let parsed = parse(&text);
        assert!(parsed.manifest.is_none());
        let found = |code| parsed.faults.iter().any(|fault| fault.code == code);
        assert!(found(Code::SecretLiteral), "{body}");
        for shown in [
            manifest::render(&parsed.faults, "manifest.toml", &text),
            manifest::to_json(&parsed.faults, "manifest.toml"),
        ] {
            assert!(!shown.contains("0123456789abcdef"), "{shown}");
        }
    }
    check(
        Code::SecretLiteral,
        &[(
            "[functions.f]\nhttp = {}\nauth = \"required\"\nexamples = [‸\"curl -H 'Authorization: Bearer sk-0123456789abcdef'\"]",
            "the value of `examples` looks like a secret",
        )],
    );
}

#[test]
fn e010_an_origin_is_what_a_browser_sends() {
    check(
        Code::Origin,
        &[
            (
                "[cors.other]\norigins = [‸\"holograms.media\"]",
                "it has no scheme",
            ),
            (
                "[cors.other]\norigins = [‸\"https://holograms.media/\"]",
                "it has a path",
            ),
            (
                "[cors.other]\norigins = [‸\"https://Holograms.media\"]",
                "lower case",
            ),
            (
                "[cors.other]\norigins = [\"https://a.b\", ‸\"*\"]",
                "`*` stands beside other origins",
            ),
            (
                "[cors.other]\norigins = [‸\"https://*.web.app\"]",
                "a wildcard matches nothing",
            ),
            ("[cors.other]\norigins = ‸[]", "`origins` is empty"),
        ],
    );
}

#[test]
fn e012_quantities_have_units_and_ranges() {
    let http = "[functions.f]\nauth = \"required\"\nhttp = {}\n";
    let storage = "[functions.f]\nstorage = { bucket = \"chunks\", event = \"finalized\" }\n";
    for (text, words) in [
        (
            format!("{http}timeout = ‸\"10\""),
            "`timeout` is not a duration with its unit",
        ),
        (
            format!("{http}timeout = ‸\"61m\""),
            "`timeout` is out of range",
        ),
        (
            format!("{http}timeout = ‸\"0s\""),
            "`timeout` is out of range",
        ),
        (
            format!("{storage}timeout = ‸\"541s\""),
            "`timeout` is out of range",
        ),
        (
            format!("{http}timeout = {{ total = \"10s\", idle = ‸\"11s\" }}"),
            "`idle` is out of range",
        ),
        (
            format!("{http}max_body = ‸\"10\""),
            "`max_body` is not a number of bytes",
        ),
        (
            format!("{http}max_body = ‸\"6GiB\""),
            "`max_body` is out of range",
        ),
        (format!("{http}concurrency = ‸0"), "1 to 1000 is allowed"),
        (format!("{http}concurrency = ‸-1"), "1 to 1000 is allowed"),
        (
            format!("{http}concurrency = ‸99999999999999999999"),
            "1 to 1000 is allowed",
        ),
        (
            format!("{storage}retry = {{ attempts = ‸101 }}"),
            "1 to 100 is allowed",
        ),
        (
            format!("{storage}retry = {{ backoff = ‸\"10m\" }}"),
            "`backoff` is not the first and the last pause",
        ),
        (
            format!("{storage}retry = {{ backoff = ‸\"10m..1s\" }}"),
            "`backoff`",
        ),
        (
            format!("{storage}retry = {{ window = ‸\"169h\" }}"),
            "`window` is out of range",
        ),
        (
            "[cors.other]\norigins = [\"*\"]\nmax_age = ‸\"25h\"".to_owned(),
            "`max_age` is out of range",
        ),
    ] {
        check(Code::UnitOrRange, &[(&text, words)]);
    }
    let text = format!("{HEAD}{storage}timeout = \"2h\"");
    let help = parse(&text).faults[0].help.clone().unwrap();
    assert!(
        help.contains("100ms to 9m") && help.contains("for example `\"1m\"`"),
        "{help}"
    );
}

#[test]
fn e012_an_event_function_has_the_time_of_events_and_the_body_of_requests() {
    let event = "[functions.f]\nauth = \"required\"\nevent = {}\n";
    for (line, words) in [
        ("timeout = ‸\"541s\"", "`timeout` is out of range"),
        ("timeout = { total = ‸\"10m\" }", "`total` is out of range"),
        ("max_body = ‸\"6GiB\"", "`max_body` is out of range"),
    ] {
        check(Code::UnitOrRange, &[(&format!("{event}{line}"), words)]);
    }
}

#[test]
fn e012_a_rate_limit_says_how_many_how_often_and_whose() {
    let http = "[functions.f]\nauth = \"required\"\nhttp = {}\n";
    for (line, words) in [
        ("30/min", "does not say whose"),
        ("30/min per user", "neither per `caller` nor per `address`"),
        ("30/m per caller", "a period that is not known"),
        ("30 per caller", "has no period"),
        ("0/s per caller", "is out of range"),
        ("", "does not say whose"),
    ] {
        let own = format!("{http}rate_limit = ‸\"{line}\"");
        let default = format!("[defaults]\nrate_limit = ‸\"{line}\"\n{http}");
        check(Code::UnitOrRange, &[(&own, words), (&default, words)]);
    }
}

#[test]
fn e012_an_inherited_timeout_has_the_range_of_the_heir() {
    for entry in [
        "storage = { bucket = \"chunks\", event = \"finalized\" }",
        "event = {}\nauth = \"required\"",
    ] {
        let text = format!("[defaults]\ntimeout = \"10m\"\n[functions.‸f]\n{entry}");
        let words = "`f` inherits a timeout of 10m: an event may take 9m at most";
        check(Code::UnitOrRange, &[(&text, words)]);
    }
}

#[test]
fn e014_a_timeout_above_the_drain_time_is_a_warning() {
    let http = "[functions.f]\nhttp = {}\nauth = \"required\"\n";
    check(
        Code::AboveDrain,
        &[
            (&format!("{http}timeout = ‸\"26s\""), "cut at 25s on deploy"),
            (
                &format!("{http}timeout = {{ total = ‸\"1h\" }}"),
                "a timeout of 1h",
            ),
            (
                &format!(
                    "[defaults]\ntimeout = ‸\"60s\"\n{http}[functions.g]\nhttp = {{}}\nauth = \"required\""
                ),
                "a timeout of 1m",
            ),
        ],
    );
    let callable = "[functions.f]\ncallable = {}\nauth = \"required\"\n";
    check(
        Code::AboveDrain,
        &[
            (&format!("{callable}timeout = ‸\"1h\""), "a timeout of 1h"),
            (
                &format!("[defaults]\ntimeout = ‸\"60s\"\n{callable}"),
                "a timeout of 1m",
            ),
        ],
    );
    for quiet in [
        format!("{http}timeout = \"25s\""),
        "[functions.f]\nstorage = { bucket = \"chunks\", event = \"finalized\" }\ntimeout = \"540s\"".to_owned(),
        "[functions.f]\nevent = {}\nauth = \"required\"\ntimeout = \"540s\"".to_owned(),
        "[defaults]\ntimeout = \"60s\"\n[functions.f]\nevent = {}\nauth = \"required\"".to_owned(),
        format!("[defaults]\ntimeout = \"60s\"\n{http}timeout = \"10s\""),
    ] {
        assert!(parse(&format!("{HEAD}{quiet}")).faults.is_empty(), "{quiet}");
    }
}

#[test]
fn e027_some_values_have_a_form() {
    let bucket = |root: &str, object_name: &str, owner: &str| {
        format!(
            "[buckets.other]\nroot = {root}\nobject_name = {object_name}\nowner = {owner}\nmax_object = \"1MiB\""
        )
    };
    let senders = |audience: &str, emails: &str| {
        format!(
            "[functions.f]\nevent = {{}}\nauth = \"required\"\nsenders = {{ audience = {audience}, emails = {emails} }}"
        )
    };
    let event = |kind: &str| {
        format!("[functions.f]\nevent = {{ type = ‸\"{kind}\" }}\nauth = \"required\"")
    };
    let too_long = "a.".repeat(128);
    for (text, words) in [
        (event(""), "`` is not the type of an event"),
        (event("chat replied"), "is not the type of an event"),
        (event("chat.réplied"), "is not the type of an event"),
        (event(&too_long), "is not the type of an event"),
        (senders("‸\"\"", "[\"a@b.c\"]"), "`` is not an audience"),
        (senders("‸\"https://a.b \"", "[\"a@b.c\"]"), "`https://a.b ` is not an audience"),
        (senders("\"a\"", "‸[]"), "`emails` is empty"),
        (senders("\"a\"", "[\"a@b.c\", ‸\"push\"]"), "`push` is not an e-mail address"),
        (senders("\"a\"", "[‸\"Push@b.c\"]"), "`Push@b.c` is not an e-mail address"),
        ("whole:manifest = 1\n[project]\nid = ‸\"Holograms\"\nregions = []".to_owned(), "`Holograms` is not the id of a project"),
        ("whole:manifest = 1\n[project]\nid = \"holograms-media\"\nregions = [\"europe-west1\", ‸\"europe\"]".to_owned(), "`europe` is not a region"),
        ("whole:manifest = 1\n[project]\nid = \"holograms-media\"\nregions = []\nbucket = ‸\"gs://x\"".to_owned(), "is not the name of a bucket"),
        ("[functions.f]\nhttp = {}\nauth = \"required\"\nsecrets = [‸\"mistral\"]".to_owned(), "`mistral` is not the name of a secret"),
        ("[functions.f]\nhttp = {}\nauth = \"required\"\nflags = { ‸\"a-b\" = true }".to_owned(), "`a-b` cannot be the name of a flag"),
        (bucket("‸\"/var/data\"", "\"{uid}/{path}\"", "\"uid\""), "not a folder below"),
        (bucket("‸\"../up\"", "\"{uid}/{path}\"", "\"uid\""), "not a folder below"),
        (bucket("\"other\"", "‸\"uploads\"", "\"uid\""), "does not name objects"),
        (bucket("\"other\"", "‸\"up{uid}/{path}\"", "\"uid\""), "does not name objects"),
        (bucket("\"other\"", "\"up/{uid}/{path}\"", "‸\"user\""), "`object_name` has the segment `{uid}`"),
        ("[cors.‸\"a b\"]\norigins = [\"*\"]".to_owned(), "`a b` cannot be a name"),
    ] {
        check(Code::Format, &[(&text, words)]);
    }
}

#[test]
fn e028_nothing_is_listed_twice() {
    let function = "[functions.f]\nauth = \"required\"\n";
    for (text, words) in [
        (
            format!("{function}http = {{}}\naliases = [\"x\", ‸\"x\"]"),
            "`x` stands in `aliases` twice",
        ),
        (
            format!("{function}http = {{}}\nsecrets = [\"KEY\", ‸\"KEY?\"]"),
            "both with and without `?`",
        ),
        (
            format!("{function}http = {{ routes = [\"/x\", ‸\"/x\"] }}"),
            "stands in `routes` twice",
        ),
        (
            format!("{function}http = {{ routes = [\"/x\", ‸\"GET /x\"] }}"),
            "match the same requests",
        ),
        (
            "[cors.other]\norigins = [\"https://a.b\", ‸\"https://a.b\"]".to_owned(),
            "stands in `origins` twice",
        ),
        (
            format!(
                "{function}event = {{}}\nsenders = {{ audience = \"a\", emails = [\"a@b.c\", ‸\"a@b.c\"] }}"
            ),
            "`a@b.c` stands in `emails` twice",
        ),
    ] {
        check(Code::Duplicate, &[(&text, words)]);
    }
}
