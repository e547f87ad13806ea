//! The HTTP flow on one screen.
//!
//! What must hold for every response encloses the rest: [`respond`] gives each one its id, its log
//! line and, through [`answer`], its CORS headers, so that a 401, a 413 or a panic carries them too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request as HttpRequest;
use http::header::{CONNECTION, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http_body::Body as _;
use hyper::body::Incoming;
use manifest::ErrorFormat;

use crate::app::{App, Entry};
use crate::body::Body;
use crate::context::InvocationId;
use crate::error::{Error, Result};
use crate::forwarded::{self, Client};
use crate::function::{Response, Signature};
use crate::policy::cors;
use crate::route::{RouteMatch, Unmatched};
use crate::telemetry::access_log::{Line, Traced};
use crate::{edge, health, invocation, policy, telemetry};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request, whatever happens.
pub(crate) async fn respond(
    app: Arc<App>,
    peer: SocketAddr,
    mut request: HttpRequest<Incoming>,
) -> Response {
    let started = Instant::now();
    let id = app.invocations.next();
    let traced = Traced::new(request.headers());
    let method = request.method().clone();
    let uri = request.uri().clone();
    let client = app.proxies.client(peer.ip(), &request);
    forwarded::append(request.headers_mut(), peer.ip());

    let (function, mut response) = answer(&app, id, client, request).await;

    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    let status = response.status();
    match function {
        Some(index) => app.entries[index].responses.count(status),
        None => app.responses.count(status),
    }
    app.access_log.record(&Line {
        function: function.map_or("", |index| &app.entries[index].spec.name),
        invocation: id.as_str(),
        method: method.as_str(),
        path: uri.path(),
        status: status.as_u16(),
        duration: started.elapsed(),
        traced,
    });
    response
}

/// The function that the request was for, and its response.
async fn answer(
    app: &Arc<App>,
    id: InvocationId,
    client: Client,
    request: HttpRequest<Incoming>,
) -> (Option<usize>, Response) {
    let host = match edge::check(&request) {
        Ok(host) => host,
        Err(error) => return (None, refuse_and_close(error)),
    };
    let method = cors::requested_method(request.method(), request.headers());
    let path = request.uri().path();
    let route = match health::owns(app, path) {
        true => Err(Unmatched::not_found()),
        false => app.routes.lookup(host, &method, path),
    };
    let function = match &route {
        Ok(route) => Some(route.function),
        Err(unmatched) => unmatched.function,
    };
    let entry = function.map(|index| &*app.entries[index]);
    let cors = match entry {
        Some(entry) => entry.cors.as_ref(),
        None => app.default_cors.as_ref(),
    };
    let preflight = cors.and_then(|cors| cors.preflight(request.method(), request.headers()));
    let cors = cors
        .map(|cors| cors.answer(request.headers()))
        .unwrap_or_default();

    let mut response = match (preflight, route) {
        (Some(preflight), _) => preflight,
        (None, Ok(route)) => call(app, id, client, route, request).await,
        (None, Err(unmatched)) => match health::answer(app, &request).await {
            Some(response) => response,
            None => refuse(unmatched.error, entry, request),
        },
    };
    cors.apply(&mut response);
    (function, response)
}

/// Policy, then the function.
async fn call(
    app: &Arc<App>,
    id: InvocationId,
    client: Client,
    route: RouteMatch,
    request: HttpRequest<Incoming>,
) -> Response {
    let entry = &app.entries[route.function];
    let uri = route.seen_uri(request.uri());
    let admitted = policy::admit(app, entry, request.headers(), client, route.parameters, id).await;
    let result: Result<Response> = match admitted {
        Err(error) => return refuse(error, Some(entry), request),
        Ok(admitted) => {
            let request = invocation::seen(request, uri, &entry.spec.limits);
            match &entry.function.0 {
                Signature::Http(_) => {
                    invocation::run_http(&entry.function, admitted, request).await
                }
                Signature::Event(_) => {
                    invocation::run_posted_event(&entry.function, admitted, request).await
                }
            }
        }
    };
    result.unwrap_or_else(|error| {
        telemetry::failed(&error, &entry.spec.name, id);
        error.into_response(entry.spec.error_format)
    })
}

/// A refusal before anything read the body. When there is one, the connection closes, once the client
/// had the time to read the answer: nobody knows how much of the body is still to come.
fn refuse(error: Error, entry: Option<&Entry>, request: HttpRequest<Incoming>) -> Response {
    let format = entry.map_or(ErrorFormat::Firebase, |entry| entry.spec.error_format);
    let mut response = error.into_response(format);
    let unread = Body::request(request.into_body(), 0, Duration::ZERO);
    if !unread.is_end_stream() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn refuse_and_close(error: Error) -> Response {
    let mut response = error.into_response(ErrorFormat::Firebase);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
