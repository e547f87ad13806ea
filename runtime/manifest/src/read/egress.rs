//! `egress = ["api.mistral.ai", "ollama:11434", "$MISTRAL_API_URL"]`: the servers that a function may call.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::{Egress, Secret};
use crate::reader::{Table, Text};

pub(super) fn read(table: &Table<'_>, secrets: &[Secret], faults: &mut Faults<'_>) -> Vec<Egress> {
    let texts = table.distinct_texts("egress", faults).unwrap_or_default();
    texts
        .iter()
        .filter_map(|text| match text.value.strip_prefix('$') {
            Some(name) => by_variable(text, name, secrets, faults),
            None => by_host(text, faults),
        })
        .collect()
}

fn by_variable(
    text: &Text<'_>,
    name: &str,
    secrets: &[Secret],
    faults: &mut Faults<'_>,
) -> Option<Egress> {
    if secrets.iter().any(|secret| secret.name == name) {
        return Some(Egress::Variable(name.to_owned()));
    }
    let message = format!("{} is no secret of this function", shown(name));
    faults
        .add(Code::UnknownName, text.span.clone(), message)
        .help("list it in `secrets` too, with `?` when it may be missing");
    None
}

fn by_host(text: &Text<'_>, faults: &mut Faults<'_>) -> Option<Egress> {
    match host_and_port(text.value) {
        Ok((host, port)) => Some(Egress::Host { host, port }),
        Err(problem) => {
            let message = format!("{} is not a host to call: {problem}", shown(text.value));
            faults.add(Code::Format, text.span.clone(), message).help(
                "a host is called by https, \"api.mistral.ai\"; with a port, \"ollama:11434\", by http too; \
                 \"$NAME\" is the host and port of the URL in a secret that the function lists",
            );
            None
        }
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    if text.contains("://") {
        return Err("it has a scheme");
    }
    if text.contains('/') {
        return Err("it has a path");
    }
    if text.contains('@') {
        return Err("it has a user");
    }
    if text.contains('*') {
        return Err("a wildcard matches nothing");
    }
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.ends_with(']') => {
            let number = port.parse().ok().filter(|number| *number > 0);
            let plain = number.filter(|number: &u16| number.to_string() == port);
            (
                host,
                Some(plain.ok_or("its port is not a number from 1 to 65535")?),
            )
        }
        _ => (text, None),
    };
    match is_host(host) {
        true => Ok((host.to_owned(), port)),
        false => Err("a host is a name in lower case, or an address in its usual form"),
    }
}

/// Only what a URL says after it was parsed, since that is what it is compared with byte by byte.
fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let parsed = address.parse::<Ipv6Addr>();
        return parsed.is_ok_and(|parsed| parsed.to_string() == address);
    }
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    // A URL whose host ends in a number names an IPv4 address, in one of many spellings.
    let is_number = last.starts_with(|c: char| c.is_ascii_digit())
        && (last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x"));
    match is_number {
        true => host.parse::<Ipv4Addr>().is_ok(),
        false => host.len() <= 253 && host.split('.').all(label),
    }
}
