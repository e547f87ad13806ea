//! Files beside the functions, and the rewrites that show them.

use manifest::Code;

use super::check;

const FUNCTION: &str = "[functions.f]\nhttp = {}\nauth = \"required\"\n";
const HOSTING: &str = "[hosting]\npublic = \"public\"\n";

#[test]
fn e031_a_rewrite_has_one_source_and_one_target() {
    check(
        Code::Exclusive,
        &[
            (
                &format!(
                    "{FUNCTION}[[rewrites]]\nregex = \"^/x\"\n‸source = \"/x\"\nfunction = \"f\""
                ),
                "[[rewrites]] has both `source` and `regex`",
            ),
            (
                &format!(
                    "{FUNCTION}{HOSTING}[[rewrites]]\nsource = \"/x\"\nfunction = \"f\"\n‸destination = \"/x\""
                ),
                "[[rewrites]] has both `function` and `destination`",
            ),
        ],
    );
    check(
        Code::MissingKey,
        &[
            (
                &format!("{FUNCTION}‸[[rewrites]]\nfunction = \"f\""),
                "[[rewrites]] lacks `source` or `regex`",
            ),
            (
                "‸[[rewrites]]\nsource = \"/x\"",
                "[[rewrites]] lacks `function` or `destination`",
            ),
        ],
    );
}

#[test]
fn e032_a_destination_is_in_a_folder() {
    check(
        Code::NoHosting,
        &[(
            "[[rewrites]]\nsource = \"**\"\ndestination = ‸\"/index.html\"",
            "nothing says in which folder `/index.html` is",
        )],
    );
}

#[test]
fn e027_files_and_headers_have_a_form() {
    for file in [
        "index.html",
        "/",
        "",
        "/../x",
        "/.env",
        "/a//b",
        "/a b",
        "/*",
    ] {
        let text = format!("{HOSTING}[[rewrites]]\nsource = \"**\"\ndestination = ‸\"{file}\"");
        check(Code::Format, &[(&text, "is not a file of hosting")]);
    }
    for folder in ["", "/srv/www", "../web", ".", ".git", "web//dist", "web/"] {
        let text = format!("[hosting]\npublic = ‸\"{folder}\"");
        check(Code::Format, &[(&text, "is not a folder beside")]);
    }
    let headers = |headers: &str| {
        format!("{HOSTING}headers = [{{ source = \"**\", headers = {{ {headers} }} }}]")
    };
    check(
        Code::Format,
        &[
            (
                &headers("‸\"Cache Control\" = \"x\""),
                "`Cache Control` cannot be the name of a header",
            ),
            (&headers("‸\"\" = \"x\""), "cannot be the name of a header"),
            (
                &headers("X-A = ‸\"a\\nSet-Cookie: b\""),
                "cannot be the value of a header",
            ),
            (&headers("X-A = ‸\" a\""), "cannot be the value of a header"),
            (&headers("X-A = ‸\"é\""), "cannot be the value of a header"),
        ],
    );
}

#[test]
fn e019_some_headers_are_the_routers_own() {
    for name in ["Content-Length", "ETag", "transfer-encoding", "Connection"] {
        let text =
            format!("{HOSTING}headers = [{{ source = \"**\", headers = {{ ‸{name} = \"x\" }} }}]");
        let words = format!("`{name}` is reserved: the router sets it itself");
        check(Code::ReservedName, &[(&text, &words)]);
    }
    check(
        Code::ReservedName,
        &[(
            &format!("{HOSTING}[[rewrites]]\nsource = ‸\"/__/auth/**\"\ndestination = \"/x\""),
            "`/__/auth/**` is reserved",
        )],
    );
}

#[test]
fn hosting_has_keys_of_its_own() {
    check(
        Code::MissingKey,
        &[
            ("‸[hosting]\nheaders = []", "[hosting] lacks `public`"),
            (
                &format!("{HOSTING}headers = [‸{{ headers = {{}} }}]"),
                "`headers` in [hosting] lacks `source`",
            ),
            (
                &format!("{HOSTING}headers = [‸{{ source = \"**\" }}]"),
                "`headers` in [hosting] lacks `headers`",
            ),
        ],
    );
    check(
        Code::UnknownKey,
        &[
            (
                &format!("{HOSTING}‸ignore = [\"**/.*\"]"),
                "unknown key `ignore`",
            ),
            (
                &format!("{HOSTING}‸publc = \"x\""),
                "did you mean `public`?",
            ),
        ],
    );
    check(
        Code::WrongType,
        &[
            (
                &format!("{HOSTING}headers = ‸{{}}"),
                "`headers` is a list of tables",
            ),
            (
                &format!("{HOSTING}headers = [{{ source = \"**\", headers = {{ X-A = ‸1 }} }}]"),
                "`X-A` is a string",
            ),
        ],
    );
    check(
        Code::Pattern,
        &[(
            &format!("{HOSTING}headers = [{{ source = ‸\"/{{a}}\", headers = {{}} }}]"),
            "`/{a}` is not a source",
        )],
    );
}
