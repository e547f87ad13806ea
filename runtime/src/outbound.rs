//! Requests that functions send to other servers.

use std::time::Duration;

use http::Method;
use reqwest::{Client, RequestBuilder};
use tokio::time::Instant;

/// One request, from the connection to the last byte of the answer, unless the function says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// One client for all functions: connections are kept, redirects are not followed.
pub struct Outbound<'c> {
    client: &'c Client,
    deadline: Instant,
    trace: Option<&'c str>,
}

impl<'c> Outbound<'c> {
    pub(crate) fn new(client: &'c Client, deadline: Instant, trace: Option<&'c str>) -> Self {
        Self {
            client,
            deadline,
            trace,
        }
    }

    pub fn get(&self, url: &str) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    pub fn post(&self, url: &str) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A request that is given up after 30 seconds or when the invocation is cut, whichever comes first,
    /// and that carries the caller's trace on as `traceparent` (W3C Trace Context).
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let request = self.client.request(method, url).timeout(left.min(PATIENCE));
        match self.trace {
            Some(trace) => request.header("traceparent", traceparent(trace)),
            None => request,
        }
    }
}

/// A span of our own in the caller's trace.
fn traceparent(trace: &str) -> String {
    let (span, _) = uuid::Uuid::new_v4().as_u64_pair();
    format!("00-{}-{:016x}-01", trace.to_ascii_lowercase(), span.max(1))
}
