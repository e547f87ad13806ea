//! The HTTP flow on one screen.
//!
//! What must hold for every response encloses the rest: [`respond`] gives each one its id, its log
//! line and, through [`answer`], its CORS headers, so that a 401, a 413 or a panic carries them too.
//!
//! What few requests need is boxed before it is awaited: the future of a request has room for the largest
//! thing it may wait for, and is copied whole before it begins. For the same reason the request stays where
//! [`respond`] has it until its function takes it.

use std::sync::Arc;

use http::Method;
use http::header::{CONNECTION, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http_body::Body as _;
use hyper::body::Incoming;
use manifest::{ErrorFormat, Trigger};
use tokio::time::Instant;

use crate::app::{App, Deployment, Entry};
use crate::body::Body;
use crate::context::Arrival;
use crate::error::{Error, Result};
use crate::forwarded::{self, Peer};
use crate::function::{Request, Response, Signature};
use crate::hosting::rewritten;
use crate::policy::cors;
use crate::present::{Field, Present};
use crate::respond::{Telling, say_when_to_come_again, told_status};
use crate::route::{RouteMatch, Unmatched};
use crate::telemetry::access_log::{Line, Traced};
use crate::{callable, edge, health, invocation, policy, telemetry};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request, whatever happens.
pub(crate) async fn respond(app: &App, peer: &Peer, request: http::Request<Incoming>) -> Response {
    let started = Instant::now();
    let id = app.invocations.next();
    let version = request.version();
    let mut request: Request = request.map(|body| Body::incoming(body, version));
    let present = Present::of(request.headers());
    let traced = Traced::new(request.headers(), present);
    let method = request.method().clone();
    let uri = request.uri().clone();
    let arrival = Arrival {
        started,
        invocation: id,
        peer,
        present,
        trace: traced.trace.clone(),
    };
    let deployment = app.deployment();
    let (function, mut response) = answer(app, &deployment, arrival, &mut request).await;

    if !request.body().is_end_stream() {
        // Nobody took it, and nobody knows how much of it is still to come: the connection closes, once the
        // client had the time to read the answer. In HTTP/2 the stream alone ends, and the server leaves out
        // the header.
        response = close(response);
    }
    say_when_to_come_again(&mut response);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_bytes(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    let status = told_status(&response);
    let entry = function.map(|index| &*deployment.entries[index]);
    let responses = entry.map_or(&app.responses, |entry| &entry.counts.responses);
    responses.count(status);
    app.access_log.record(&Line {
        function: entry.map_or("", |entry| &entry.spec.name),
        invocation: id,
        method: method.as_str(),
        path: uri.path(),
        status,
        started,
        ended: Instant::now(),
        traced,
    });
    response
}

/// The function that the request was for, and its response.
async fn answer(
    app: &App,
    deployment: &Deployment,
    arrival: Arrival<'_>,
    request: &mut Request,
) -> (Option<usize>, Response) {
    let host = match edge::check(request, arrival.present) {
        Ok(host) => host,
        Err(error) => return (None, close(error.told(telling(request, None)))),
    };
    let method = cors::requested_method(request.method(), request.headers());
    let path = request.uri().path();
    let route = match health::owns(app, path) {
        true if health::is_file(path) => Err(Unmatched::hosted(None)),
        true => Err(Unmatched::not_found()),
        false => deployment.routes.lookup(host, &method, path),
    };
    let file = match &deployment.hosting {
        Some(hosting) => Box::pin(hosting.answer(request, &route)).await,
        None => None,
    };
    let function = match &route {
        _ if file.is_some() => None,
        Ok(route) => Some(route.function),
        Err(unmatched) => unmatched.function(),
    };
    let entry = function.map(|index| &*deployment.entries[index]);
    let cors = match entry {
        Some(entry) => entry.cors.as_ref(),
        None => deployment.default_cors.as_ref(),
    };
    let preflight = cors.and_then(|cors| cors.preflight(request.method(), request.headers()));
    let origin = arrival.present.get(request.headers(), Field::Origin);
    let cors = cors.map(|cors| cors.answer(origin)).unwrap_or_default();

    let mut response = match (preflight.or(file), route) {
        (Some(response), _) => response,
        (None, Ok(route)) => {
            let entry = &deployment.entries[route.function];
            let rewritten = route.rewritten;
            let response = call(app, entry, arrival, route, request).await;
            match rewritten {
                true => rewritten::finish(response),
                false => response,
            }
        }
        (None, Err(unmatched)) => match Box::pin(health::answer(app, request)).await {
            Some(response) => response,
            None => Error::from(unmatched).told(telling(request, entry)),
        },
    };
    cors.apply(&mut response);
    (function, response)
}

/// Policy, then the function.
async fn call(
    app: &App,
    entry: &Arc<Entry>,
    arrival: Arrival<'_>,
    route: RouteMatch,
    request: &mut Request,
) -> Response {
    let telling = telling(request, Some(entry));
    let (id, peer) = (arrival.invocation, arrival.peer);
    let admitted = match check_form(&entry.spec.trigger, request) {
        Ok(()) => policy::admit(app, entry, request, arrival, route.parameters).await,
        Err(error) => Err(error),
    };
    let result: Result<Response> = match admitted {
        Err(error) => return error.told(telling),
        Ok(admitted) => {
            if route.rewritten {
                rewritten::prepare(request);
            }
            *request.uri_mut() = route.path.uri(request.uri());
            forwarded::append(request.headers_mut(), peer);
            let limits = &entry.spec.limits;
            let body = request.body_mut();
            body.limit(limits.max_body, limits.idle_timeout);
            match &entry.function.0 {
                Signature::Http(_) => invocation::run_http(admitted, request).await,
                Signature::Event(_) => {
                    Box::pin(invocation::run_posted_event(admitted, request)).await
                }
            }
        }
    };
    result.unwrap_or_else(|error| {
        telemetry::failed(&error, &entry.spec.name, id);
        error.told(telling)
    })
}

/// How the client of a request is told of whatever goes wrong with it. An SDK that asks a callable for a
/// stream understands events alone; a POST that asks so of no function at all is an SDK's too.
fn telling(request: &Request, entry: Option<&Entry>) -> Telling {
    let calls = match entry.map(|entry| &entry.spec.trigger) {
        Some(trigger) => matches!(trigger, Trigger::Callable(_)),
        None => request.method() == Method::POST,
    };
    match calls && callable::asks_for_stream(request.headers()) {
        true => Telling::Event,
        false => Telling::Status(entry.map_or(ErrorFormat::Firebase, |e| e.spec.error_format)),
    }
}

/// What a trigger demands of a request whoever its caller is.
fn check_form(trigger: &Trigger, request: &Request) -> Result<()> {
    match trigger {
        Trigger::Callable(_) => callable::check_head(request.method(), request.headers()),
        Trigger::Http(_) | Trigger::Storage(_) | Trigger::Event(_) => Ok(()),
    }
}

fn close(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
