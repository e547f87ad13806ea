//! `[hosting]`: files that are served beside the functions, as Firebase Hosting does.

use super::buckets::is_folder;
use crate::fault::{Code, Faults};
use crate::glob;
use crate::literal::shown;
use crate::model::{Hosting, HostingHeaders};
use crate::reader::{Table, Text};

/// What the answer itself decides, or the connection.
const OWN_HEADERS: [&str; 12] = [
    "accept-ranges",
    "connection",
    "content-length",
    "content-range",
    "date",
    "etag",
    "keep-alive",
    "last-modified",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn read(document: &Table<'_>, faults: &mut Faults<'_>) -> Option<Hosting> {
    let table = document.table("hosting", faults)?;
    table.check_keys(&["public", "headers"], faults);
    table.require("public", "public = \"public\"", faults);
    let public = table.text("public", faults);
    if let Some(public) = public.as_ref().filter(|public| !is_folder(public.value)) {
        faults
            .add(
                Code::Format,
                public.span.clone(),
                format!(
                    "{} is not a folder beside the manifest",
                    shown(public.value)
                ),
            )
            .help("names joined by `/`, not absolute, none that starts with a dot: \"public\"");
    }
    let headers = table
        .tables("headers", faults)
        .iter()
        .filter_map(|rule| read_rule(rule, faults))
        .collect();
    Some(Hosting {
        public: public?.value.to_owned(),
        headers,
    })
}

/// `{ source = "**/*.js", headers = { "Cache-Control" = "max-age=31536000" } }`
fn read_rule(rule: &Table<'_>, faults: &mut Faults<'_>) -> Option<HostingHeaders> {
    rule.check_keys(&["source", "headers"], faults);
    rule.require("source", "source = \"**/*.js\"", faults);
    rule.require(
        "headers",
        "headers = { \"Cache-Control\" = \"max-age=31536000\" }",
        faults,
    );
    let headers = read_headers(rule, faults);
    let source = rule.text("source", faults)?;
    match glob::parse(source.value) {
        Ok(source) => Some(HostingHeaders { source, headers }),
        Err(problem) => {
            super::rewrites::report_source(&source, &problem, faults);
            None
        }
    }
}

fn read_headers(rule: &Table<'_>, faults: &mut Faults<'_>) -> Vec<(String, String)> {
    let Some(table) = rule.table("headers", faults) else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for name in table.keys() {
        check_name(&name, faults);
        let Some(value) = table.text(name.value, faults) else {
            continue;
        };
        // RFC 9110, section 5.5, without what is obsolete.
        let visible = |b: u8| b.is_ascii_graphic() || matches!(b, b' ' | b'\t');
        if value.value.trim() != value.value || !value.value.bytes().all(visible) {
            faults
                .add(
                    Code::Format,
                    value.span,
                    format!("{} cannot be the value of a header", shown(value.value)),
                )
                .help("visible ASCII characters, with blanks between them");
        }
        headers.push((name.value.to_owned(), value.value.to_owned()));
    }
    headers
}

fn check_name(name: &Text<'_>, faults: &mut Faults<'_>) {
    // RFC 9110, section 5.6.2: a token.
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.value.is_empty() || !name.value.bytes().all(token) {
        faults
            .add(
                Code::Format,
                name.span.clone(),
                format!("{} cannot be the name of a header", shown(name.value)),
            )
            .help("for example `\"Cache-Control\"`");
    } else if OWN_HEADERS.contains(&&*name.value.to_ascii_lowercase()) {
        faults
            .add(
                Code::ReservedName,
                name.span.clone(),
                format!("`{}` is reserved: the router sets it itself", name.value),
            )
            .help("leave it out");
    }
}
