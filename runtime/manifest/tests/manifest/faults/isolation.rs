//! `isolation`: which functions may have it, and what it may say.

use manifest::{Code, parse};

use super::check;
use crate::HEAD;

const FUNCTION: &str = "[functions.f]\nhttp = {}\nauth = \"required\"\n";

fn memory(line: &str) -> Option<u64> {
    let parsed = parse(&format!("{HEAD}{FUNCTION}{line}"));
    assert!(parsed.faults.is_empty(), "{line}: {:#?}", parsed.faults);
    let isolation = parsed.manifest.unwrap().functions["f"].isolation;
    isolation.map(|isolation| isolation.memory >> 20)
}

#[test]
fn a_function_is_isolated_when_it_says_so_with_so_much_memory_as_it_says() {
    for (line, expected) in [
        ("", None),
        ("isolation = \"process\"", Some(256)),
        ("isolation = {}", Some(256)),
        ("isolation = { memory = \"128MiB\" }", Some(128)),
        ("isolation = { memory = \"2GiB\" }", Some(2048)),
    ] {
        assert_eq!(memory(line), expected, "{line}");
    }
}

#[test]
fn what_it_says_is_a_process_or_its_limits() {
    let of = |isolation: &str| format!("{FUNCTION}isolation = {isolation}");
    check(
        Code::UnknownName,
        &[(&of("‸\"thread\""), "`thread` is not a kind of isolation")],
    );
    check(
        Code::UnknownKey,
        &[(&of("{ ‸memroy = \"1GiB\" }"), "did you mean `memory`?")],
    );
    check(Code::WrongType, &[(&of("‸true"), "isolation")]);
    check(
        Code::UnitOrRange,
        &[
            (&of("{ memory = ‸\"64MiB\" }"), "memory"),
            (&of("{ memory = ‸\"a lot\" }"), "memory"),
        ],
    );
}

#[test]
fn a_function_about_a_bucket_cannot_be_isolated() {
    check(
        Code::Exclusive,
        &[(
            &format!("{FUNCTION}‸bucket = \"chunks\"\nisolation = \"process\""),
            "[functions.f] has both `bucket` and `isolation`",
        )],
    );
    check(
        Code::KeyOfOtherTrigger,
        &[(
            "[functions.f]\nstorage = { bucket = \"chunks\", event = \"deleted\" }\n‸isolation = \"process\"",
            "`isolation` is for functions with",
        )],
    );
}
