//! Who a request comes from and under which URL it reached us, when proxies passed it on. Their headers
//! are believed only from those whom the operator trusts: anybody can write them.

mod network;

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::OnceLock;

use http::header::{Entry, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::edge::is_host;
use network::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The client of Cloudflare's edge, which overwrites what the client itself wrote there.
const CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");

/// Whom to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrustedProxies {
    /// Those of TRUSTED_PROXIES; when there are none, nobody.
    Listed(Vec<Network>),
    /// Render's, from which everything comes that reaches a service there. A request arrives with
    /// `X-Forwarded-For: <what the client wrote>, <client>, <Cloudflare's edge>, <a proxy in 10.0.0.0/8>`,
    /// in which the place of the client depends on how many proxies there are today. `CF-Connecting-IP`
    /// says it alone, and no client can choose it. Without one (health checks, the private network) the
    /// last public address of `X-Forwarded-For` counts, which at worst is that of Cloudflare's edge.
    /// `X-Forwarded-Host` is the client's to write; `Host` is what Render found the service by.
    Render,
}

/// The other end of a connection.
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// The address as a header has it, written once for all requests of the connection.
    written: HeaderValue,
}

impl Peer {
    pub(crate) fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let written = HeaderValue::try_from(address.to_string());
        Self {
            address,
            // Cannot happen: no address has a byte that a header may not have.
            written: written.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        }
    }
}

/// Where a request comes from, as far as it can be trusted.
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    scheme: &'static str,
    host: Option<HeaderValue>,
    origin: OnceLock<String>,
}

impl Client {
    /// As another process told of it: [`Client::origin`] as it was there.
    pub(crate) fn told(address: IpAddr, origin: Option<&str>) -> Self {
        let parts = origin.and_then(|origin| origin.split_once("://"));
        Self {
            address,
            scheme: match parts {
                Some(("https", _)) => "https",
                _ => "http",
            },
            host: parts.and_then(|(_, host)| HeaderValue::from_str(host).ok()),
            origin: OnceLock::new(),
        }
    }

    /// `https://host[:port]`; `None` for a request of HTTP/1.0 that names no host.
    pub(crate) fn origin(&self) -> Option<&str> {
        let host = self.host.as_ref()?.to_str().ok()?;
        let origin = || format!("{}://{host}", self.scheme);
        Some(self.origin.get_or_init(origin))
    }
}

impl TrustedProxies {
    /// `peer` is the other end of the connection, and the headers are as it sent them.
    pub(crate) fn client<B>(&self, peer: IpAddr, request: &Request<B>) -> Client {
        let headers = request.headers();
        let peer = peer.to_canonical();
        let own_host = || own_host(request);
        let (address, scheme, host) = match self {
            Self::Listed(_) if !self.contain(peer) => (peer, None, own_host()),
            Self::Listed(_) => {
                let host = last(headers, &FORWARDED_HOST).filter(|host| is_host(host));
                let host = host.and_then(|host| HeaderValue::from_str(host).ok());
                let address = self.nearest_stranger(peer, headers);
                (address, proto(headers), host.or_else(own_host))
            }
            Self::Render => {
                let address = connecting_address(headers)
                    .unwrap_or_else(|| self.nearest_stranger(peer, headers));
                (address, proto(headers), own_host())
            }
        };
        Client {
            address,
            scheme: scheme.unwrap_or("http"),
            host,
            origin: OnceLock::new(),
        }
    }

    fn contain(&self, address: IpAddr) -> bool {
        match self {
            Self::Listed(networks) => networks.iter().any(|network| network.contains(address)),
            Self::Render => match address {
                IpAddr::V4(address) => address.is_private() || address.is_loopback(),
                IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
            },
        }
    }

    /// Each proxy adds whom it was called by, so the header is read from its end for as long as it names
    /// proxies. Where it cannot be read, whoever wrote that is the last one known.
    fn nearest_stranger(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        let mut known = peer;
        for entry in entries {
            let Some(address) = address(entry) else {
                break;
            };
            known = address;
            if !self.contain(known) {
                break;
            }
        }
        known
    }
}

/// Adds the peer to what the request says of its way here, as every proxy does: the function then
/// knows at least one address that nobody made up.
pub(crate) fn append(headers: &mut HeaderMap, peer: &Peer) {
    let mut written = match headers.entry(FORWARDED_FOR) {
        Entry::Vacant(nothing) => {
            nothing.insert(peer.written.clone());
            return;
        }
        Entry::Occupied(written) => written,
    };
    let before = written.iter().filter_map(|line| line.to_str().ok());
    let all: Vec<&str> = before.chain(peer.written.to_str()).collect();
    if let Ok(all) = HeaderValue::try_from(all.join(", ")) {
        written.insert(all);
    }
}

/// An address as proxies write it, perhaps with a port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let address = match entry.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().map(IpAddr::V6),
        None => entry.parse().or_else(|error| match entry.split_once(':') {
            Some((address, _)) => address.parse().map(IpAddr::V4),
            None => Err(error),
        }),
    };
    address.ok().map(|address| address.to_canonical())
}

fn connecting_address(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all(CONNECTING_IP).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => address(value.to_str().ok()?),
        _ => None,
    }
}

/// What the nearest proxy wrote: those that do not overwrite append.
fn last<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}

fn proto(headers: &HeaderMap) -> Option<&'static str> {
    let written = last(headers, &FORWARDED_PROTO)?;
    ["http", "https"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(written))
}

/// An absolute target overrules the Host header (RFC 9112 §3.2.2).
fn own_host<B>(request: &Request<B>) -> Option<HeaderValue> {
    let Some(authority) = request.uri().authority() else {
        return request.headers().get(HOST).cloned();
    };
    let host = match authority.port_u16() {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    };
    HeaderValue::try_from(host).ok()
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Addresses and networks, with commas between them.
    fn from_str(list: &str) -> Result<Self, String> {
        let networks = list.split(',').map(|network| network.trim().parse());
        networks.collect::<Result<_, _>>().map(Self::Listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: &str = "203.0.113.7";
    const EDGE: &str = "104.23.243.81";

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get("/f");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn seen(proxies: &TrustedProxies, peer: &str, headers: &[(&str, &str)]) -> (String, String) {
        let client = proxies.client(peer.parse().unwrap(), &request(headers));
        let origin = client.origin().unwrap_or_default();
        (client.address.to_string(), origin.to_owned())
    }

    /// The lines of `X-Forwarded-For`, and the address that is believed.
    fn assert_addresses(proxies: &TrustedProxies, peer: &str, cases: &[(&[&str], &str)]) {
        for (lines, expected) in cases {
            let headers: Vec<_> = lines
                .iter()
                .map(|line| ("x-forwarded-for", *line))
                .collect();
            assert_eq!(seen(proxies, peer, &headers).0, *expected, "{lines:?}");
        }
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_is_the_client_whatever_it_writes() {
        let headers = [
            ("host", "us.example:8080"),
            ("x-forwarded-for", FAR),
            ("cf-connecting-ip", FAR),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ];
        for (list, peer) in [("192.0.2.0/24", "198.51.100.9"), ("192.0.2.7", "192.0.2.8")] {
            let proxies = list.parse().unwrap();
            let expected = (peer.to_owned(), "http://us.example:8080".to_owned());
            assert_eq!(seen(&proxies, peer, &headers), expected, "{list}");
        }
        let nobody = TrustedProxies::Listed(Vec::new());
        assert_eq!(seen(&nobody, "::ffff:10.0.0.1", &headers).0, "10.0.0.1");
    }

    #[test]
    fn the_chain_is_read_from_its_end_to_the_first_that_is_no_trusted_proxy() {
        let proxies = "10.0.0.0/8, 2001:db8::/32, 192.0.2.7".parse().unwrap();
        assert_addresses(
            &proxies,
            "::ffff:10.0.0.1",
            &[
                (&[], "10.0.0.1"),
                (&[FAR], FAR),
                (&["1.1.1.1, 203.0.113.7"], FAR),
                (
                    &["1.1.1.1,203.0.113.7 , 10.9.9.9,2001:db8::5, 192.0.2.7"],
                    FAR,
                ),
                (&["1.1.1.1", "203.0.113.7", "10.9.9.9"], FAR),
                (&["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
                (&["203.0.113.7:4711, [2001:db8::5]:80"], FAR),
                (&["::ffff:203.0.113.7"], FAR),
                (&["2001:db9::1"], "2001:db9::1"),
                (&["1.1.1.1, unknown, 10.3.3.3"], "10.3.3.3"),
                (&["1.1.1.1, "], "10.0.0.1"),
                (&["1.1.1.1, _hidden"], "10.0.0.1"),
            ],
        );
    }

    #[test]
    fn on_render_the_client_is_whom_cloudflare_names_and_nobody_else_is_believed() {
        let chain = format!("1.1.1.1, {FAR}, {EDGE}, 10.226.151.1");
        let headers = [
            ("host", "us.example"),
            ("x-forwarded-for", &*chain),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
        ];
        let render = TrustedProxies::Render;
        let with = |more: &[(&'static str, &'static str)]| {
            let headers: Vec<_> = headers.iter().chain(more).copied().collect();
            seen(&render, "10.21.157.68", &headers)
        };
        let origin = "https://us.example".to_owned();
        let named = with(&[("cf-connecting-ip", FAR)]);
        assert_eq!(named, (FAR.to_owned(), origin.clone()));
        let edge = (EDGE.to_owned(), origin);
        assert_eq!(with(&[]), edge);
        let twice = [("cf-connecting-ip", "1.1.1.1"), ("cf-connecting-ip", FAR)];
        assert_eq!(with(&twice), edge);
        assert_eq!(with(&[("cf-connecting-ip", "nonsense")]), edge);
        assert_addresses(&render, "10.21.157.68", &[(&[], "10.21.157.68")]);
    }

    #[test]
    fn a_trusted_proxy_says_under_which_url_it_was_called() {
        let proxies = "10.0.0.1".parse().unwrap();
        let origin = |headers: &[(&str, &str)]| {
            let headers = [&[("host", "us.internal:8080")], headers].concat();
            seen(&proxies, "10.0.0.1", &headers).1
        };
        let (proto, host) = ("x-forwarded-proto", "x-forwarded-host");
        for (headers, expected) in [
            (&[] as &[_], "http://us.internal:8080"),
            (&[(proto, "https")], "https://us.internal:8080"),
            (&[(proto, "HTTPS")], "https://us.internal:8080"),
            (&[(proto, "http, https")], "https://us.internal:8080"),
            (&[(proto, "javascript")], "http://us.internal:8080"),
            (&[(host, "app.example")], "http://app.example"),
            (
                &[(proto, "https"), (host, "app.example:444")],
                "https://app.example:444",
            ),
            (&[(host, "evil.example, app.example")], "http://app.example"),
            (&[(host, "app.example/path")], "http://us.internal:8080"),
            (&[(host, "")], "http://us.internal:8080"),
        ] {
            assert_eq!(origin(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn an_absolute_target_overrules_the_host_and_without_either_there_is_no_origin() {
        let nobody = TrustedProxies::Listed(Vec::new());
        let origin = |request: Request<()>| {
            let client = nobody.client([127, 0, 0, 1].into(), &request);
            client.origin().map(str::to_owned)
        };
        let absolute = Request::get("http://user@them.example:81/f").header("host", "us.example");
        let found = origin(absolute.body(()).unwrap());
        assert_eq!(found.as_deref(), Some("http://them.example:81"));
        assert_eq!(origin(request(&[])), None);
    }

    #[test]
    fn the_peer_is_added_to_all_that_was_written_before() {
        for (before, after) in [
            (&[] as &[&str], "127.0.0.1"),
            (&[FAR], "203.0.113.7, 127.0.0.1"),
            (
                &[FAR, "10.0.0.1,10.0.0.2"],
                "203.0.113.7, 10.0.0.1,10.0.0.2, 127.0.0.1",
            ),
        ] {
            let lines: Vec<_> = before
                .iter()
                .map(|line| ("x-forwarded-for", *line))
                .collect();
            let mut headers = request(&lines).headers().clone();
            append(
                &mut headers,
                &Peer::new("::ffff:127.0.0.1".parse().unwrap()),
            );
            let all: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
            assert_eq!(all, [after]);
        }
    }

    #[test]
    fn a_list_that_says_anything_unclear_is_refused_with_the_entry_in_question() {
        for (list, entry) in [
            ("", ""),
            ("10.0.0.1,", ""),
            ("10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2"),
            ("10.0.0.1, proxy.internal", "proxy.internal"),
            ("10.0.0.0/33", "10.0.0.0/33"),
            ("10.0.0.0/+8", "10.0.0.0/+8"),
            ("10.0.0.0/", "10.0.0.0/"),
            ("10.0.0.1/8", "10.0.0.1/8"),
            ("2001:db8::1/64", "2001:db8::1/64"),
            ("2001:db8::/129", "2001:db8::/129"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
            ("10.0.0/8", "10.0.0/8"),
        ] {
            let reason = list.parse::<TrustedProxies>().unwrap_err();
            assert!(
                reason.starts_with(&format!("{entry:?}")),
                "{list}: {reason}"
            );
        }
    }
}
