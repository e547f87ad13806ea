//! Requests that functions send to other servers: only to those that their entries list as `egress`.
//!
//! What is compared is the parsed URL that is then sent, so no spelling of a host is a way around the list.
//! The list is for URLs that users had a say in, not against a function's own code, which shares the process.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use manifest::{Egress, FunctionSpec, Manifest};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, RequestBuilder, Url};
use tokio::time::Instant;

use crate::address::is_public;
use crate::error::{Error, Result};
use crate::secrets::Secrets;
use crate::tls;

/// One request, from the connection to the last byte of the answer, unless the function says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// One client for all functions: connections are kept, redirects are not followed.
pub struct Outbound<'c> {
    pub(crate) client: &'c Client,
    pub(crate) function: &'c FunctionSpec,
    pub(crate) secrets: &'c Secrets,
    pub(crate) deadline: Instant,
    pub(crate) trace: Option<&'c str>,
}

impl Outbound<'_> {
    /// # Errors
    /// Those of [`Outbound::request`].
    pub fn get(&self, url: &str) -> Result<RequestBuilder> {
        self.request(Method::GET, url)
    }

    /// # Errors
    /// Those of [`Outbound::request`].
    pub fn post(&self, url: &str) -> Result<RequestBuilder> {
        self.request(Method::POST, url)
    }

    /// A request that is given up after 30 seconds or when the invocation is cut, whichever comes first,
    /// and that carries the caller's trace on as `traceparent` (W3C Trace Context).
    ///
    /// # Errors
    /// Internal, when `url` is none, or one of a server that the manifest entry does not list in `egress`.
    /// The log names that server.
    pub fn request(&self, method: Method, url: &str) -> Result<RequestBuilder> {
        let url = self.permitted(url)?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let request = self.client.request(method, url).timeout(left.min(PATIENCE));
        Ok(match self.trace {
            Some(trace) => request.header("traceparent", traceparent(trace)),
            None => request,
        })
    }

    fn permitted(&self, url: &str) -> Result<Url> {
        let function = &self.function.name;
        let url = Url::parse(url).map_err(|error| {
            tracing::warn!(function, %error, "a call to what is no URL was refused");
            Error::internal(error)
        })?;
        if self.lists(&url) {
            return Ok(url);
        }
        let server = server(&url);
        tracing::warn!(function, server, "a call was refused: not in `egress`");
        Err(Error::internal(format!(
            "[functions.{function}] does not list {server} in `egress`"
        )))
    }

    fn lists(&self, url: &Url) -> bool {
        self.function.egress.iter().any(|entry| match entry {
            Egress::Host { host, port: None } => {
                (url.scheme(), url.host_str()) == ("https", Some(host))
                    && url.port_or_known_default() == Some(443)
            }
            Egress::Host { host, port } => {
                matches!(url.scheme(), "http" | "https")
                    && url.host_str() == Some(host)
                    && url.port_or_known_default() == *port
            }
            Egress::Variable(name) => self
                .secrets
                .get(name)
                .and_then(named)
                .is_some_and(|named| named.origin() == url.origin()),
        })
    }
}

/// For the log: no path, no query, no password.
fn server(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// The URL in a variable. Only these two schemes have an origin that equals another's.
fn named(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// A span of our own in the caller's trace.
fn traceparent(trace: &str) -> String {
    let (span, _) = uuid::Uuid::new_v4().as_u64_pair();
    format!("00-{}-{:016x}-01", trace.to_ascii_lowercase(), span.max(1))
}

/// The client of all functions.
///
/// # Errors
/// When the TLS library cannot start.
pub(crate) fn client(manifest: &Manifest, secrets: &Secrets) -> anyhow::Result<Client> {
    let resolver = Resolver {
        may_be_private: Arc::new(may_be_private(manifest, secrets)),
    };
    Ok(tls::client_builder()?.dns_resolver(resolver).build()?)
}

/// The names of servers that may have addresses of a private network: those without a dot, which are the
/// local network's own, and those that the operator names in a variable.
fn may_be_private(manifest: &Manifest, secrets: &Secrets) -> BTreeSet<String> {
    let functions = manifest.functions.values();
    functions
        .flat_map(|function| &function.egress)
        .filter_map(|entry| match entry {
            Egress::Host { host, .. } => (!host.contains('.')).then(|| host.clone()),
            Egress::Variable(name) => {
                let url = secrets.get(name).and_then(named)?;
                Some(url.host_str()?.to_owned())
            }
        })
        .collect()
}

/// Keeps a name of the internet that answers with an address of a private network (DNS rebinding) from
/// reaching what only this machine and its neighbours see.
struct Resolver {
    may_be_private: Arc<BTreeSet<String>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let may_be_private = self.may_be_private.clone();
        Box::pin(async move {
            let name = name.as_str();
            // The port is the URL's.
            let found = tokio::net::lookup_host((name, 0)).await?;
            let any = may_be_private.contains(name);
            let addresses = reachable(found, any).ok_or_else(|| {
                tracing::warn!(
                    name,
                    "a call was refused: the name has private addresses only"
                );
                "the name has private addresses only"
            })?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// `None` when there were addresses, and none may be called.
fn reachable(found: impl IntoIterator<Item = SocketAddr>, any: bool) -> Option<Vec<SocketAddr>> {
    let mut found: Vec<_> = found.into_iter().collect();
    let known = !found.is_empty();
    found.retain(|address| any || is_public(address.ip()));
    (!known || !found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Secret;

    const MANIFEST: &str = r#"
        manifest = 1
        project = { id = "holograms-media", regions = ["europe-west1"] }
        [functions.listed]
        http = {}
        auth = "none"
        public = true
        timeout = "20s"
        secrets = ["API_URL?", "UNSET_URL?", "NO_URL?"]
        egress = ["api.example", "api.example:8443", "ollama:11434", "10.0.0.7", "[::1]:80", "$API_URL", "$UNSET_URL", "$NO_URL"]
        [functions.silent]
        http = {}
        auth = "none"
        public = true
        timeout = "20s"
    "#;

    fn manifest() -> Manifest {
        let parsed = manifest::parse(MANIFEST);
        parsed
            .manifest
            .unwrap_or_else(|| panic!("{:?}", parsed.faults))
    }

    fn secrets() -> Secrets {
        let secrets = [
            ("API_URL", " http://u:p@Models.internal:8080/v1 "),
            ("NO_URL", "models"),
        ];
        let secret = |(name, value): (&str, &str)| (name.to_owned(), Secret::new(value.to_owned()));
        secrets.into_iter().map(secret).collect()
    }

    fn permits(function: &str, url: &str) -> bool {
        let (manifest, secrets) = (manifest(), secrets());
        let outbound = Outbound {
            client: &client(&manifest, &secrets).unwrap(),
            function: &manifest.functions[function],
            secrets: &secrets,
            deadline: Instant::now(),
            trace: None,
        };
        outbound.get(url).is_ok()
    }

    #[test]
    fn a_function_calls_only_the_servers_that_its_entry_lists() {
        for (url, permitted) in [
            ("https://api.example", true),
            ("https://API.example:443/v1?x#y", true),
            ("HTTPS://user:password@api.example/", true),
            ("https://api.example:8443", true),
            ("http://api.example:8443", true),
            ("http://api.example", false),
            ("http://api.example:443", false),
            ("https://api.example:444", false),
            ("https://api.example.", false),
            ("https://www.api.example", false),
            ("https://api.example.evil.example", false),
            ("https://api.example@evil.example", false),
            ("https://evil.example/api.example", false),
            ("https://evil.example#@api.example", false),
            (r"https://evil.example\@api.example", false),
            ("ftp://api.example:8443", false),
            ("http://ollama:11434/api", true),
            ("http://ollama", false),
            ("https://10.0.0.7/", true),
            // Other spellings of the address that is listed, as a URL is parsed.
            ("https://0xa.7/", true),
            ("https://10.0.0.8/", false),
            ("http://[::1]:80/", true),
            ("http://[0:0:0:0:0:0:0:1]/", true),
            ("http://[::1]:81/", false),
            ("http://127.0.0.1/", false),
            ("http://2130706433/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("http://localhost/", false),
            ("http://models.internal:8080/v1/chat", true),
            ("http://models.internal:8080", true),
            ("https://models.internal:8080", false),
            ("http://models.internal", false),
            ("models", false),
            ("data:,x", false),
            ("file:///etc/passwd", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(permits("listed", url), permitted, "{url}");
        }
        for url in [
            "https://api.example",
            "http://127.0.0.1",
            "http://ollama:11434",
        ] {
            assert!(!permits("silent", url), "{url}");
        }
    }

    #[test]
    fn a_refusal_names_the_server_to_the_log_and_nothing_to_the_caller() {
        let (manifest, secrets) = (manifest(), secrets());
        let outbound = Outbound {
            client: &client(&manifest, &secrets).unwrap(),
            function: &manifest.functions["silent"],
            secrets: &secrets,
            deadline: Instant::now(),
            trace: None,
        };
        let url = "https://user:hunter2@evil.example:8443/path?token=hunter2";
        let error = outbound.get(url).unwrap_err();
        assert!(!error.to_string().contains("evil"), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("https://evil.example:8443 in"), "{cause}");
        assert!(!cause.contains("hunter2"), "{cause}");
    }

    #[test]
    fn a_name_with_a_dot_is_not_called_at_private_addresses_unless_a_variable_names_it() {
        let names = may_be_private(&manifest(), &secrets());
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(names, ["[::1]", "models.internal", "ollama"]);

        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = addresses(&["127.0.0.1:0", "192.0.77.1:0", "[::1]:0"]);
        let private = addresses(&["10.0.0.1:0", "[fd00::1]:0"]);
        assert_eq!(
            reachable(mixed.clone(), false),
            Some(addresses(&["192.0.77.1:0"]))
        );
        assert_eq!(reachable(mixed.clone(), true), Some(mixed));
        assert_eq!(reachable(private.clone(), false), None);
        assert_eq!(reachable(private.clone(), true), Some(private));
        assert_eq!(reachable([], false), Some(Vec::new()));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_resolved_only_where_it_may() {
        for (known, resolved) in [(&[][..], false), (&["localhost"][..], true)] {
            let names = known.iter().map(|name| (*name).to_owned()).collect();
            let resolver = Resolver {
                may_be_private: Arc::new(names),
            };
            let addresses = resolver.resolve("localhost".parse().unwrap()).await;
            assert_eq!(
                addresses.is_ok_and(|mut found| found.next().is_some()),
                resolved
            );
        }
    }
}
