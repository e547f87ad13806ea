//! Keys: which there are, of which type, and to which trigger they belong.

use manifest::{Code, Severity, parse};

use super::check;
use crate::HEAD;

#[test]
fn e001_an_unknown_key_gets_the_nearest_one() {
    check(
        Code::UnknownKey,
        &[
            ("‸rewirtes = 1", "unknown key `rewirtes`"),
            ("[defaults]\n‸timout = \"60s\"", "did you mean `timeout`?"),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\n‸rate = \"30/min per caller\"",
                "unknown key `rate`",
            ),
            (
                "[functions.f]\nhttp = { ‸rotes = [] }\nauth = \"required\"",
                "did you mean `routes`?",
            ),
            (
                "[functions.f]\nstorage = { bucket = \"chunks\", event = \"deleted\", ‸prefx = \"\" }",
                "did you mean `prefix`?",
            ),
            (
                "[functions.f]\ncallable = { ‸routes = [] }\nauth = \"required\"",
                "unknown key `routes`",
            ),
            (
                "[functions.f]\nevent = { ‸routes = [] }\nauth = \"required\"",
                "unknown key `routes`",
            ),
            (
                "[functions.f]\nevent = {}\nauth = \"required\"\n\
                 senders = { audience = \"a\", emails = [\"a@b.c\"], ‸email = \"a@b.c\" }",
                "unknown key `email`: did you mean `emails`?",
            ),
            (
                "[[rewrites]]\nsource = \"/x\"\n‸run = \"f\"\nfunction = \"f\"\n[functions.f]\nhttp = {}\nauth = \"required\"",
                "unknown key `run`",
            ),
        ],
    );
}

#[test]
fn e004_a_function_has_exactly_one_trigger() {
    check(
        Code::TriggerCount,
        &[
            ("[functions.‸f]\ntimeout = \"10s\"", "has no trigger"),
            (
                "[functions.f]\nauth = \"required\"\nhttp = {}\n\n‸storage = { bucket = \"chunks\", event = \"finalized\" }",
                "two triggers: `http` in line 14 and `storage` in line 16",
            ),
            (
                "[functions.f]\nauth = \"required\"\nevent = {}\n‸http = {}",
                "two triggers: `event` in line 14 and `http` in line 15",
            ),
            (
                "[functions.f]\n‸schedule = \"every day\"",
                "the trigger `schedule` does not exist yet",
            ),
        ],
    );
    let all = "[functions.f]\nhttp = {}\ncallable = {}\nevent = {}\nstorage = {}";
    let faults = parse(&format!("{HEAD}{all}")).faults;
    let lines: Vec<usize> = faults.iter().map(|fault| fault.start.line).collect();
    assert_eq!(
        lines,
        [14, 15, 16],
        "one for each beside the first: {faults:#?}"
    );
}

#[test]
fn e007_an_unknown_name_gets_the_list_of_the_defined_ones() {
    let function = |lines: &str| format!("[functions.f]\nhttp = {{}}\n{lines}");
    for (text, words) in [
        (
            "[defaults]\ncors = ‸\"ap\"".to_owned(),
            "there is no CORS policy `ap`: did you mean `app`?",
        ),
        (
            function("auth = \"required\"\ncors = ‸\"web\""),
            "there is no CORS policy `web`",
        ),
        (
            function("auth = \"required\"\nbucket = ‸\"chunk\""),
            "did you mean `chunks`?",
        ),
        (
            function("auth = ‸\"require\""),
            "there is no `auth` `require`: did you mean `required`?",
        ),
        (
            "[functions.f]\nevent = {}\nauth = ‸\"require\"".to_owned(),
            "there is no `auth` `require`: did you mean `required`?",
        ),
        (
            function("auth = \"required\"\nerror_format = ‸\"json\""),
            "there is no error format `json`",
        ),
        (
            "[functions.f]\nstorage = { bucket = ‸\"files\", event = \"finalized\" }".to_owned(),
            "there is no bucket `files`",
        ),
        (
            "[functions.f]\nstorage = { bucket = \"chunks\", event = ‸\"finalised\" }".to_owned(),
            "did you mean `finalized`?",
        ),
        (
            function("auth = \"required\"\n[[rewrites]]\nsource = \"/x\"\nfunction = ‸\"g\""),
            "there is no function `g`",
        ),
        (
            function(
                "auth = \"required\"\naliases = [\"g\"]\n[[rewrites]]\nsource = \"/x\"\nfunction = ‸\"g\"",
            ),
            "`g` is an alias, not a function",
        ),
    ] {
        check(Code::UnknownName, &[(&text, words)]);
    }
    let text = format!("{HEAD}[defaults]\ncors = \"web\"");
    let help = parse(&text).faults[0].help.clone();
    assert_eq!(help.as_deref(), Some("there is: `app`"));
    let text = format!("{HEAD}[functions.f]\nevent = {{}}\nauth = \"require\"");
    let help = parse(&text).faults[0].help.clone();
    assert_eq!(help.as_deref(), Some("there is: `required` and `none`"));
}

#[test]
fn e016_a_key_belongs_to_a_trigger() {
    let http = "[functions.f]\nhttp = {}\nauth = \"required\"\n";
    let storage = "[functions.f]\nstorage = { bucket = \"chunks\", event = \"finalized\" }\n";
    for (entry, line, words) in [
        (
            http,
            "retry = { attempts = 3 }",
            "`retry` is for functions with `storage` or `event`, and [functions.f] has `http`",
        ),
        (
            http,
            "senders = {}",
            "`senders` is for functions with `storage` or `event`, and [functions.f] has `http`",
        ),
        (
            storage,
            "auth = \"required\"",
            "`auth` is for functions with `http`, `callable` or `event`, and [functions.f] has `storage`",
        ),
        (
            storage,
            "public = true",
            "`public` is for functions with `http`, `callable` or `event`",
        ),
        (
            storage,
            "cors = \"app\"",
            "`cors` is for functions with `http` or `callable`, and [functions.f] has `storage`",
        ),
        (
            storage,
            "max_body = \"1MiB\"",
            "`max_body` is for functions with `http`, `callable` or `event`",
        ),
        (
            storage,
            "error_format = \"detail\"",
            "`error_format` is for functions with `http` or `event`",
        ),
        (
            storage,
            "rate_limit = \"1/s per address\"",
            "`rate_limit` is for functions with `http`, `callable` or `event`",
        ),
    ] {
        check(
            Code::KeyOfOtherTrigger,
            &[(&format!("{entry}‸{line}"), words)],
        );
    }
}

#[test]
fn e016_events_and_callables_lack_some_keys_of_requests() {
    let event = "[functions.f]\nevent = {}\nauth = \"required\"\n";
    let callable = "[functions.f]\ncallable = {}\nauth = \"required\"\n";
    for (entry, line, words) in [
        (
            callable,
            "error_format = \"detail\"",
            "`error_format` is for functions with `http` or `event`, and [functions.f] has `callable`",
        ),
        (
            callable,
            "retry = {}",
            "`retry` is for functions with `storage` or `event`, and [functions.f] has `callable`",
        ),
        (
            callable,
            "senders = {}",
            "`senders` is for functions with `storage` or `event`",
        ),
        (
            event,
            "cors = \"app\"",
            "`cors` is for functions with `http` or `callable`, and [functions.f] has `event`",
        ),
        (
            event,
            "retry = { attempts = 3 }",
            "`retry` is for functions with `storage` or an `event` that has a `type`",
        ),
    ] {
        check(
            Code::KeyOfOtherTrigger,
            &[(&format!("{entry}‸{line}"), words)],
        );
    }
}

#[test]
fn e016_other_parts_belong_to_a_trigger_too() {
    let storage = "[functions.f]\nstorage = { bucket = \"chunks\", event = \"finalized\" }\n";
    check(
        Code::KeyOfOtherTrigger,
        &[
            (
                "[functions.f]\nevent = {}\nauth = ‸\"function\"",
                "`auth = \"function\"` is for functions with `http` or `callable`, and [functions.f] has `event`",
            ),
            (
                &format!("{storage}timeout = {{ total = \"60s\", ‸idle = \"5s\" }}"),
                "`idle` is for functions with `http`, `callable` or `event`",
            ),
            (
                &format!("{storage}[[rewrites]]\nsource = \"/x\"\nfunction = ‸\"f\""),
                "a rewrite needs a function with `http`, `callable` or `event`, and `f` has `storage`",
            ),
        ],
    );
}

#[test]
fn e018_an_open_door_that_is_not_marked_is_a_warning() {
    check(
        Code::OpenDoor,
        &[
            (
                "[functions.f]\nhttp = {}\nauth = ‸\"none\"",
                "everybody may call [functions.f]",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = ‸\"none\"\npublic = false",
                "everybody may call",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\npublic = ‸true",
                "`auth` asks for a caller",
            ),
            (
                "[functions.f]\ncallable = {}\nauth = ‸\"none\"",
                "everybody may call [functions.f]",
            ),
            (
                "[functions.f]\nevent = {}\nauth = ‸\"none\"",
                "everybody may call [functions.f]",
            ),
            (
                "[functions.f]\nevent = {}\nauth = \"required\"\npublic = ‸true",
                "`auth` asks for a caller",
            ),
            (
                "[functions.f]\nevent = {}\nauth = \"none\"\npublic = true\n\
                 ‸senders = { audience = \"a\", emails = [\"a@b.c\"] }",
                "its `senders` keep nobody out",
            ),
        ],
    );
    let parsed = parse(&format!(
        "{HEAD}[functions.f]\nhttp = {{}}\nauth = \"none\""
    ));
    assert_eq!(parsed.faults[0].severity, Severity::Warning);
    assert!(parsed.manifest.is_some());
}

#[test]
fn e022_keys_without_a_default_are_asked_for() {
    check(
        Code::MissingKey,
        &[
            (
                "[functions.‸f]\nhttp = {}",
                "[functions.f] does not say who may call it",
            ),
            (
                "[functions.‸f]\ncallable = {}",
                "[functions.f] does not say who may call it",
            ),
            (
                "[functions.‸f]\nevent = {}",
                "[functions.f] does not say who may call it",
            ),
            (
                "[functions.f]\nevent = {}\nauth = \"required\"\nsenders = ‸{ audience = \"a\" }",
                "`senders` in [functions.f] lacks `emails`",
            ),
            (
                "[functions.f]\nstorage = { bucket = \"chunks\", event = \"deleted\" }\nsenders = ‸{ emails = [\"a@b.c\"] }",
                "`senders` in [functions.f] lacks `audience`",
            ),
            (
                "[functions.f]\nstorage = ‸{ bucket = \"chunks\" }",
                "`storage` in [functions.f] lacks `event`",
            ),
            (
                "[cors.‸other]\nmax_age = \"1h\"",
                "[cors.other] lacks `origins`",
            ),
            (
                "[buckets.‸other]\nroot = \"x\"\nobject_name = \"{uid}/{path}\"\nowner = \"uid\"",
                "[buckets.other] lacks `max_object`",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\n‸[[rewrites]]\nfunction = \"f\"",
                "[[rewrites]] lacks `source`",
            ),
            ("whole:‸manifest = 1", "the manifest lacks `project`"),
            (
                "whole:‸[project]\nid = \"holograms-media\"\nregions = []",
                "the manifest lacks `manifest`",
            ),
            (
                "whole:manifest = 1\n‸[project]\nid = \"holograms-media\"",
                "[project] lacks `regions`",
            ),
        ],
    );
}

#[test]
fn e023_values_have_types() {
    check(
        Code::WrongType,
        &[
            (
                "[defaults]\ntimeout = ‸60",
                "`timeout` is a string, not of the type integer",
            ),
            (
                "[defaults]\nconcurrency = ‸\"80\"",
                "`concurrency` is a whole number, not of the type string",
            ),
            (
                "[functions.f]\nhttp = ‸true\nauth = \"required\"",
                "`http` is a table, not of the type boolean",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\naliases = ‸\"x\"",
                "`aliases` is an array of strings",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\naliases = [\"x\", ‸1]",
                "`aliases` is a string",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\nenabled = ‸\"no\"",
                "`enabled` is `true` or `false`",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\nflags = { beta = ‸\"on\" }",
                "`beta` is `true` or `false`, not of the type string",
            ),
            (
                "[functions.f]\nhttp = {}\nauth = \"required\"\nflags = ‸[\"beta\"]",
                "`flags` is a table",
            ),
            (
                "‸[rewrites]\nsource = \"/x\"",
                "`rewrites` is a list of tables",
            ),
            ("[functions]\nf = ‸1", "`f` is a table"),
            (
                "[functions.f]\nevent = { type = ‸1 }\nauth = \"required\"\nretry = {}",
                "`type` is a string",
            ),
            (
                "[functions.f]\ncallable = ‸true\nauth = \"required\"",
                "`callable` is a table",
            ),
            (
                "[functions.f]\nevent = ‸\"order.created\"\nauth = \"required\"",
                "`event` is a table",
            ),
            (
                "[functions.f]\nevent = {}\nauth = \"required\"\nsenders = ‸\"a@b.c\"",
                "`senders` is a table",
            ),
            (
                "[functions.f]\nevent = {}\nauth = \"required\"\nsenders = { audience = \"a\", emails = ‸\"a@b.c\" }",
                "`emails` is an array of strings",
            ),
            (
                "whole:manifest = ‸\"1\"\n[project]\nid = \"holograms-media\"\nregions = []",
                "`manifest` is a whole number",
            ),
        ],
    );
}
