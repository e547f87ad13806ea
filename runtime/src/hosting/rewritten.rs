//! What Firebase Hosting, which a client reaches a rewritten function through, keeps from either of
//! them, so that whatever caches its answers cannot give one user's to another.

use http::header::{CACHE_CONTROL, COOKIE, HOST, HeaderName, HeaderValue, SET_COOKIE, VARY};
use http::{HeaderMap, Request};

use crate::function::Response;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The one cookie that reaches a function.
const SESSION: &str = "__session";
/// What an answer is taken to depend on.
const VARIES: [&str; 3] = ["Accept-Encoding", "Authorization", "Cookie"];

/// The request as the function gets it.
pub(crate) fn prepare<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().map(|host| host.as_str().parse());
    let host = match authority {
        Some(host) => host.ok(),
        None => request.headers().get(HOST).cloned(),
    };
    let headers = request.headers_mut();
    if let Some(host) = host.filter(|_| !headers.contains_key(FORWARDED_HOST)) {
        headers.insert(FORWARDED_HOST, host);
    }
    let session = session_cookie(headers);
    headers.remove(COOKIE);
    if let Some(session) = session {
        headers.insert(COOKIE, session);
    }
}

fn session_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookies = headers.get_all(COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|cookie| cookie.to_str().ok())
        .flat_map(|cookie| cookie.split(';'))
        .map(str::trim);
    let session = pairs.find(|pair| {
        pair.split_once('=')
            .is_some_and(|(name, _)| name.trim_end() == SESSION)
    })?;
    HeaderValue::from_str(session).ok()
}

/// The response as the client gets it.
pub(crate) fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    if !is_private(headers) {
        headers.remove(SET_COOKIE);
    }
    if let Some(vary) = vary(headers) {
        headers.insert(VARY, vary);
    }
    response
}

fn is_private(headers: &HeaderMap) -> bool {
    let mut directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', '=']));
    directives.any(|directive| directive.trim().eq_ignore_ascii_case("private"))
}

/// What the function says, and what is missing of the usual; `*` says it all.
fn vary(headers: &HeaderMap) -> Option<HeaderValue> {
    let own = headers.get_all(VARY).iter();
    let mut names: Vec<&str> = own
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.contains(&"*") {
        return Some(HeaderValue::from_static("*"));
    }
    for usual in VARIES {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(usual)) {
            names.push(usual);
        }
    }
    HeaderValue::from_str(&names.join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;

    fn request(headers: &[(HeaderName, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in headers {
            let value = HeaderValue::from_static(value);
            request.headers_mut().append(name, value);
        }
        prepare(&mut request);
        request
    }

    #[test]
    fn the_session_alone_reaches_a_function() {
        for (cookies, left) in [
            (&["a=1; __session=s=2; b=3"][..], Some("__session=s=2")),
            (&["a=1", "__session=s"], Some("__session=s")),
            (
                &["__session=first; __session=second"],
                Some("__session=first"),
            ),
            (&["__session="], Some("__session=")),
            (&["a=__session=x", "__sessions=1"], None),
            (&[], None),
        ] {
            let cookies: Vec<_> = cookies.iter().map(|&cookie| (COOKIE, cookie)).collect();
            let request = request(&cookies);
            let seen: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
            assert_eq!(seen, left.into_iter().collect::<Vec<_>>(), "{cookies:?}");
        }
    }

    #[test]
    fn the_host_that_was_asked_for_is_passed_on() {
        let asked = request(&[(HOST, "app.example:8080")]);
        assert_eq!(asked.headers()[FORWARDED_HOST], "app.example:8080");
        let forwarded = request(&[(HOST, "inside"), (FORWARDED_HOST, "app.example")]);
        assert_eq!(forwarded.headers()[FORWARDED_HOST], "app.example");
    }

    #[test]
    fn an_answer_is_private_unless_it_says_otherwise() {
        for (own, cache_control, cookie_stays) in [
            (None, "private", true),
            (Some("public, max-age=60"), "public, max-age=60", false),
            (Some("Private, max-age=60"), "Private, max-age=60", true),
            (Some("private=\"x\""), "private=\"x\"", true),
            (Some("no-store"), "no-store", false),
        ] {
            let mut response = Response::new(Body::empty());
            let headers = response.headers_mut();
            headers.insert(SET_COOKIE, HeaderValue::from_static("__session=1"));
            if let Some(own) = own {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(own));
            }
            let response = finish(response);
            assert_eq!(response.headers()[CACHE_CONTROL], cache_control);
            let stayed = response.headers().contains_key(SET_COOKIE);
            assert_eq!(stayed, cookie_stays, "{cache_control}");
        }
    }

    #[test]
    fn what_an_answer_depends_on_is_merged() {
        for (own, merged) in [
            (&[][..], "Accept-Encoding, Authorization, Cookie"),
            (
                &["Origin", "cookie"],
                "Origin, cookie, Accept-Encoding, Authorization",
            ),
            (&["Accept, *"], "*"),
        ] {
            let mut response = Response::new(Body::empty());
            for name in own {
                let name = HeaderValue::from_static(name);
                response.headers_mut().append(VARY, name);
            }
            let response = finish(response);
            let seen: Vec<_> = response.headers().get_all(VARY).iter().collect();
            assert_eq!(seen, [merged], "{own:?}");
        }
    }
}
