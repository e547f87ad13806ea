//! CORS: answers preflights, and puts its headers on every response, whoever made it. A browser that
//! may not read an error shows its user nothing.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_TYPE, EXPIRES, HeaderValue, LAST_MODIFIED, ORIGIN, PRAGMA, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use manifest::{Cors, Origins, Trigger};

use crate::body::Body;
use crate::function::Response;

/// All that a callable is called with.
const POST: HeaderValue = HeaderValue::from_static("POST");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, PATCH, POST, DELETE");
/// For a preflight that asks for none. `*` would not cover `Authorization`.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
/// The header that every response gets last, when nobody looks at its headers any more.
const ALWAYS_EXPOSED: &str = "x-request-id";
/// What a page reads without being told (Fetch, "CORS-safelisted response-header name"), and what is
/// none of its business.
const UNEXPOSED: [HeaderName; 10] = [
    CACHE_CONTROL,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPIRES,
    LAST_MODIFIED,
    PRAGMA,
    CONNECTION,
    SET_COOKIE,
    VARY,
];
const PRIVATE_NETWORK_REQUEST: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// A `[cors.NAME]` of the manifest, ready to answer.
pub(crate) struct CorsPolicy {
    /// `None`: any origin.
    origins: Option<Vec<HeaderValue>>,
    methods: HeaderValue,
    max_age: HeaderValue,
}

/// What the policy says to one request; made before the request is consumed.
#[derive(Default)]
pub(crate) struct CorsAnswer {
    allow_origin: Option<HeaderValue>,
    varies: bool,
}

impl CorsPolicy {
    /// `trigger`: of the function that it is the policy of.
    pub(crate) fn new(cors: &Cors, trigger: Option<&Trigger>) -> Self {
        let origins = match &cors.origins {
            Origins::Any => None,
            Origins::Listed(origins) => Some(
                origins
                    .iter()
                    .filter_map(|origin| HeaderValue::from_str(origin).ok())
                    .collect(),
            ),
        };
        Self {
            origins,
            methods: match trigger {
                Some(Trigger::Callable(_)) => POST,
                _ => METHODS,
            },
            max_age: HeaderValue::from(cors.max_age.as_secs()),
        }
    }

    /// To a request from a page of `origin`.
    pub(crate) fn answer(&self, origin: Option<&HeaderValue>) -> CorsAnswer {
        match &self.origins {
            None => CorsAnswer {
                allow_origin: Some(HeaderValue::from_static("*")),
                varies: false,
            },
            Some(origins) => CorsAnswer {
                allow_origin: origin.filter(|origin| origins.contains(origin)).cloned(),
                varies: true,
            },
        }
    }

    /// The response to a preflight, without its [`CorsAnswer`]; `None` when this is no preflight.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        if method != Method::OPTIONS
            || !headers.contains_key(ORIGIN)
            || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        answer.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            wanted.cloned().unwrap_or(HEADERS),
        );
        answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        if headers.contains_key(PRIVATE_NETWORK_REQUEST) {
            answer.insert(PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        answer.append(
            VARY,
            HeaderValue::from_static("Access-Control-Request-Headers"),
        );
        Some(response)
    }
}

/// The method that a preflight asks about; the request's own when it is none.
pub(crate) fn requested_method(method: &Method, headers: &HeaderMap) -> Method {
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return method.clone();
    }
    let asked = headers
        .get(ACCESS_CONTROL_REQUEST_METHOD)
        .and_then(|asked| Method::from_bytes(asked.as_bytes()).ok());
    asked.unwrap_or_else(|| method.clone())
}

impl CorsAnswer {
    pub(crate) fn apply(self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.allow_origin {
            let exposed = exposed(headers);
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

/// The headers that the response really has: whatever protocol its function speaks, the page reads all
/// of it. `*` would say the same, but not to a request with credentials.
fn exposed(headers: &HeaderMap) -> HeaderValue {
    let mut names = ALWAYS_EXPOSED.to_owned();
    for name in headers.keys() {
        let silent = UNEXPOSED.contains(name) || name.as_str().starts_with("access-control-");
        if !silent && name != ALWAYS_EXPOSED {
            names.push_str(", ");
            names.push_str(name.as_str());
        }
    }
    HeaderValue::try_from(names).unwrap_or_else(|_| HeaderValue::from_static(ALWAYS_EXPOSED))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy() -> CorsPolicy {
        let cors = Cors {
            name: "app".to_owned(),
            origins: Origins::Listed(vec!["https://app.example".to_owned()]),
            max_age: Duration::from_secs(3600),
        };
        CorsPolicy::new(&cors, None)
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn a_page_may_read_every_header_that_the_response_has() {
        let request = headers(&[("origin", "https://app.example")]);
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = headers(&[
            ("content-type", "application/json"),
            ("x-goog-upload-status", "active"),
            ("x-goog-upload-url", "https://h/v0"),
            ("etag", "\"1\""),
            ("vary", "Accept-Encoding"),
            ("set-cookie", "a=b"),
        ]);
        policy().answer(request.get(ORIGIN)).apply(&mut response);
        let exposed = response.headers()[ACCESS_CONTROL_EXPOSE_HEADERS]
            .to_str()
            .unwrap();
        let mut names: Vec<&str> = exposed.split(", ").collect();
        names.sort_unstable();
        let expected = [
            "etag",
            "x-goog-upload-status",
            "x-goog-upload-url",
            "x-request-id",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn another_page_is_told_nothing() {
        let request = headers(&[("origin", "https://other.example")]);
        let mut response = Response::new(Body::empty());
        policy().answer(request.get(ORIGIN)).apply(&mut response);
        let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["vary"]);
    }

    #[test]
    fn a_preflight_into_a_private_network_is_allowed_when_it_asks() {
        let mut asking = headers(&[
            ("origin", "https://app.example"),
            ("access-control-request-method", "POST"),
        ]);
        let plain = policy().preflight(&Method::OPTIONS, &asking).unwrap();
        assert_eq!(plain.headers().get(PRIVATE_NETWORK), None);
        asking.insert(PRIVATE_NETWORK_REQUEST, HeaderValue::from_static("true"));
        let private = policy().preflight(&Method::OPTIONS, &asking).unwrap();
        assert_eq!(private.headers()[PRIVATE_NETWORK], "true");
    }
}
