//! `app_check` and `check_revoked`.

use manifest::Code;

use super::check;

const HTTP: &str = "[functions.f]\nhttp = {}\nauth = \"required\"\n";

#[test]
fn e007_app_check_is_required_or_none() {
    let text = format!("{HTTP}app_check = ‸\"optional\"");
    check(
        Code::UnknownName,
        &[(&text, "there is no `app_check` `optional`")],
    );
}

#[test]
fn e016_only_apps_prove_what_they_are() {
    let storage = "[functions.f]\nstorage = { bucket = \"chunks\", event = \"finalized\" }\n";
    let event = "[functions.f]\nevent = {}\nauth = \"required\"\n";
    for entry in [storage, event] {
        check(
            Code::KeyOfOtherTrigger,
            &[
                (
                    &format!("{entry}‸app_check = \"required\""),
                    "`app_check` is for functions with `http` or `callable`",
                ),
                (
                    &format!("{entry}‸check_revoked = true"),
                    "`check_revoked` is for functions with `http` or `callable`",
                ),
            ],
        );
    }
}

#[test]
fn e018_a_check_of_tokens_that_nobody_looks_at_keeps_nobody_out() {
    let open = "[functions.f]\ncallable = {}\nauth = \"none\"\npublic = true\n";
    check(
        Code::OpenDoor,
        &[(
            &format!("{open}‸check_revoked = true"),
            "`check_revoked` keeps nobody out",
        )],
    );
}

#[test]
fn e023_a_check_is_made_or_not() {
    check(
        Code::WrongType,
        &[
            (
                &format!("{HTTP}check_revoked = ‸\"always\""),
                "`check_revoked` is `true` or `false`",
            ),
            (
                &format!("{HTTP}app_check = ‸true"),
                "`app_check` is a string",
            ),
        ],
    );
}
