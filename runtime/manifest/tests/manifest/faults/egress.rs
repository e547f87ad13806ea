//! The servers that a function may call.

use manifest::Code;

use super::check;

fn function(egress: &str) -> String {
    format!(
        "[functions.f]\nhttp = {{}}\nauth = \"required\"\nsecrets = [\"API_URL?\"]\negress = {egress}"
    )
}

#[test]
fn e027_a_host_to_call_is_written_as_a_url_says_it_after_it_was_parsed() {
    for (host, problem) in [
        ("https://api.mistral.ai", "it has a scheme"),
        ("api.mistral.ai/v1", "it has a path"),
        ("user@api.mistral.ai", "it has a user"),
        ("*.mistral.ai", "a wildcard matches nothing"),
        ("*", "a wildcard matches nothing"),
        ("api.mistral.ai:0", "its port"),
        ("api.mistral.ai:", "its port"),
        ("api.mistral.ai:65536", "its port"),
        ("api.mistral.ai:0443", "its port"),
        ("api.mistral.ai:+443", "its port"),
        ("api.mistral.ai:https", "its port"),
        ("", "a host is a name in lower case"),
        ("API.mistral.ai", "a host is a name in lower case"),
        ("api.mistral.ai.", "a host is a name in lower case"),
        ("api..mistral.ai", "a host is a name in lower case"),
        ("-api.mistral.ai", "a host is a name in lower case"),
        ("münchen.example", "a host is a name in lower case"),
        ("127.1", "an address in its usual form"),
        ("2130706433", "an address in its usual form"),
        ("0x7f.0.0.1", "an address in its usual form"),
        ("127.0.0.0x1", "an address in its usual form"),
        ("127.0.0.01", "an address in its usual form"),
        ("[0:0::1]", "an address in its usual form"),
        ("[::1", "an address in its usual form"),
        ("[::1]8080", "its port"),
        ("::1", "an address in its usual form"),
    ] {
        check(
            Code::Format,
            &[(&function(&format!("[‸\"{host}\"]")), problem)],
        );
    }
}

#[test]
fn e007_a_variable_to_call_is_a_secret_that_the_function_lists() {
    for name in ["OTHER_URL", "API_URL?", "{API_URL}", ""] {
        check(
            Code::UnknownName,
            &[(
                &function(&format!("[\"$API_URL\", ‸\"${name}\"]")),
                "is no secret of this function",
            )],
        );
    }
}

#[test]
fn e028_a_host_to_call_is_listed_once() {
    check(
        Code::Duplicate,
        &[(&function("[\"a.example\", ‸\"a.example\"]"), "a.example")],
    );
}
