//! The bytes of a head, as the connection sees them and as the parser does: whatever two servers could read
//! differently is seen, wherever the packets end. What is left names one host.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderName, HeaderValue, Request, Version};
use libfuzzer_sys::fuzz_target;
use runtime::testing::parsing::{Head, client, host};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const LONGEST: usize = 32 << 10;

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let head = Head::of([bytes]);
    assert_eq!(Head::of(bytes.chunks(1 + usize::from(*cut))), head);
    assert_eq!(Head::of(bytes.chunks(1)), head);

    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => check(&head, &bytes[..length], &parsed),
        Ok(httparse::Status::Partial) => assert!(!head.is_complete, "{head:?}"),
        Err(_) => {}
    }
});

fn check(head: &Head, bytes: &[u8], parsed: &httparse::Request<'_, '_>) {
    assert!(head.is_complete);
    assert_eq!(head.length, bytes.len());
    assert_eq!(head.is_too_long, bytes.len() > LONGEST);
    let line_feeds = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let has_bare = line_feeds
        .map(|(at, _)| at)
        .any(|at| at == 0 || bytes[at - 1] != b'\r');
    let has = |name: &str| {
        let mut fields = parsed.headers.iter();
        fields.any(|field| field.name.eq_ignore_ascii_case(name))
    };
    let has_two_ends = has("content-length") && has("transfer-encoding");
    if !head.is_too_long {
        assert_eq!(head.is_ambiguous, has_bare || has_two_ends);
    }
    if let (false, false, Some(request)) = (head.is_too_long, head.is_ambiguous, request(parsed)) {
        check_host(&request);
    }
}

fn request(parsed: &httparse::Request<'_, '_>) -> Option<Request<()>> {
    let version = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut request = Request::builder()
        .method(parsed.method?)
        .uri(parsed.path?)
        .version(version);
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        request = request.header(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    request.body(()).ok()
}

fn check_host(request: &Request<()>) {
    let Ok(host) = host(request) else {
        return;
    };
    let hosts = request.headers().get_all("host").iter().count();
    match request.version() {
        Version::HTTP_10 => assert!(hosts <= 1),
        _ => assert_eq!(hosts, 1),
    }
    assert!(is_plain(host), "{host:?}");
    for coding in request.headers().get_all("transfer-encoding") {
        assert!(coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    }

    let (address, origin) = client("10.0.0.0/8", STRANGER, request).expect("a network");
    assert_eq!(address, STRANGER);
    check_origin(origin.as_deref(), "http://");
    let (_, origin) = client("10.0.0.0/8", PROXY, request).expect("a network");
    check_origin(origin.as_deref(), "http");
}

fn check_origin(origin: Option<&str>, scheme: &str) {
    let Some(origin) = origin else {
        return;
    };
    assert!(origin.starts_with(scheme), "{origin:?}");
    let (_, host) = origin.split_once("://").expect("a scheme");
    assert!(is_plain(host), "{origin:?}");
}

/// Nothing in it ends a host, a URL, a line or a quotation.
fn is_plain(host: &str) -> bool {
    host.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte))
}
