//! Who may read and write the objects of a bucket.

use manifest::{Code, parse};

use super::check;
use crate::HEAD;

/// A bucket whose names are `up/{uid}/{path}`.
fn bucket(access: &str) -> String {
    format!(
        "[buckets.other]\nroot = \"other\"\nobject_name = \"up/{{uid}}/{{path}}\"\nowner = \"uid\"\n\
         max_object = \"1MiB\"\naccess = {access}"
    )
}

#[test]
fn e025_the_objects_of_a_rule_are_segments() {
    for (objects, words) in [
        ("", "an empty segment"),
        ("/up/{uid}/**", "an empty segment"),
        ("up//x", "an empty segment"),
        ("up/{uid}/", "an empty segment"),
        ("up/**/x", "`**` is allowed at the end only"),
        ("up/{uid}/*.png", "a `*` is a whole segment"),
        ("up/{uid}/x**", "a `*` is a whole segment"),
        ("up/{user}/**", "the one variable is `{uid}`"),
        ("up/{uid}x/**", "the one variable is `{uid}`"),
        (
            "up/*/{uid}",
            "`{uid}` is segment 2 of `object_name`, and here it is segment 3",
        ),
        (
            "{uid}/**",
            "`{uid}` is segment 2 of `object_name`, and here it is segment 1",
        ),
        ("up/{uid}/\\u0007", "a control character"),
    ] {
        let rule = format!("[{{ objects = ‸\"{objects}\", read = \"signed_in\" }}]");
        check(Code::Pattern, &[(&bucket(&rule), words)]);
    }
}

#[test]
fn e006_a_rule_that_can_decide_nothing_is_dead() {
    let rules = |first: &str, later: &str| {
        bucket(&format!(
            "[{{ objects = \"{first}\" }}, {{ objects = ‸\"{later}\" }}]"
        ))
    };
    for (first, later) in [
        ("**", "up/{uid}/**"),
        ("up/{uid}/**", "up/{uid}/public/**"),
        ("up/{uid}/**", "up/*/x"),
        ("up/*/**", "up/{uid}/**"),
        ("up/{uid}/x", "up/{uid}/x"),
        ("up/{uid}/*", "up/me/x"),
        ("*/*/*", "up/{uid}/x"),
    ] {
        let words = format!("`{later}` can never decide: `{first}` in line 17 comes first");
        check(Code::NeverFires, &[(&rules(first, later), &words)]);
    }
}

#[test]
fn a_narrower_rule_may_stand_before_a_wider_one() {
    for (first, later) in [
        ("up/{uid}/public/**", "up/{uid}/**"),
        ("up/{uid}/*", "up/{uid}/**"),
        ("up/me/**", "up/{uid}/**"),
        ("up/{uid}/x", "up/{uid}/y"),
        ("up/{uid}/**", "**"),
        ("up/{uid}/x/**", "up/{uid}/x"),
        ("up/{uid}/a/*", "up/{uid}/*/b"),
        // Objects that functions publish need not belong to anybody.
        ("public/**", "up/{uid}/**"),
    ] {
        let access = format!("[{{ objects = \"{first}\" }}, {{ objects = \"{later}\" }}]");
        let faults = parse(&format!("{HEAD}{}", bucket(&access))).faults;
        assert!(faults.is_empty(), "{first} {later}: {faults:#?}");
    }
}

#[test]
fn e030_the_owner_is_a_segment() {
    for rule in [
        "{ objects = ‸\"up/**\", read = \"owner\" }",
        "{ objects = ‸\"**\", write = \"owner\", read = \"anyone\" }",
        "{ objects = ‸\"up/*/x\", read = \"owner\" }",
    ] {
        let text = bucket(&format!("[{rule}]"));
        check(Code::NoOwner, &[(&text, "does not say whose")]);
    }
}

#[test]
fn a_rule_has_keys_of_its_own() {
    let rule = |rule: &str| bucket(&format!("[{rule}]"));
    check(
        Code::UnknownKey,
        &[(
            &rule("{ objects = \"up/{uid}/**\", ‸delete = \"owner\" }"),
            "unknown key `delete`",
        )],
    );
    check(
        Code::MissingKey,
        &[(
            &rule("‸{ read = \"anyone\" }"),
            "`access` in [buckets.other] lacks `objects`",
        )],
    );
    check(
        Code::UnknownName,
        &[(
            &rule("{ objects = \"up/{uid}/**\", read = ‸\"owners\" }"),
            "there is no access `owners`: did you mean `owner`?",
        )],
    );
    check(
        Code::WrongType,
        &[
            (
                &bucket("‸\"owner\""),
                "`access` is a list of tables, `access = [{ … }]`",
            ),
            (&rule("‸\"up/{uid}/**\""), "`access` is a table"),
        ],
    );
}
