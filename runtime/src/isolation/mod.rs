//! Functions with a process of their own, which they can break without breaking another.
//!
//! ```text
//! invocation ─▶ Isolated ─▶ HTTP/1.1 over a Unix socket ─▶ child: the same invocation ─▶ function
//! ```
//!
//! For the rest of the router an isolated function is a [`Function`] like any other: policy, deadline,
//! CORS and log are the parent's, and the [`Context`] travels beside the request. The child is this binary,
//! started when it is first needed and kept. It gets what its function may have and no environment: the
//! manifest, its own secrets, the database. Buckets and the ledger belong to one process, the router's.

pub(crate) mod child;
mod process;
mod wire;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Uri};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

pub(crate) use self::process::Launch;
use self::process::{Process, Running};
use self::wire::{Failure, Passed};
use crate::body::Body;
use crate::context::Context;
use crate::error::{Error, ErrorCode, Result};
use crate::function::{Function, Request, Response, Signature};

/// How much later than its deadline an invocation may end by itself before its process is killed.
const GRACE: Duration = Duration::from_secs(1);
/// How long a process that broke off a response has to be gone.
const END: Duration = Duration::from_secs(1);
/// What belongs to one connection and not to the request (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 5] = [CONNECTION, EXPECT, TE, TRANSFER_ENCODING, UPGRADE];

/// The function that runs `function` in a process of its own.
pub(crate) fn isolated(function: &Function, launch: Launch) -> Function {
    let process = Arc::new(Process::new(launch));
    Function(match &function.0 {
        Signature::Http(_) => Signature::Http(Arc::new(move |context, request| {
            Box::pin(forward(process.clone(), context, request))
        })),
        Signature::Event(_) => Signature::Event(Arc::new(move |context, event| {
            let process = process.clone();
            Box::pin(async move {
                let body = serde_json::to_vec(&event).map_err(Error::internal)?;
                let mut request = Request::new(Body::from(body));
                let json = HeaderValue::from_static("application/json");
                request.headers_mut().insert(CONTENT_TYPE, json);
                forward(process, context, request).await.map(drop)
            })
        })),
    })
}

/// One invocation, in the child.
async fn forward(process: Arc<Process>, context: Context, request: Request) -> Result<Response> {
    let running = process.running().await?;
    let mut overdue = Overdue {
        running: running.clone(),
        invocation: context.invocation().as_str().to_owned(),
        is_over: false,
    };
    let lost = Arc::<Mutex<Option<Error>>>::default();
    let request = relayed(&context, request, &lost)?;
    let answered = exchange(&running, request).await;
    overdue.is_over = true;
    // What the client did wrong, the child could only see as a request that ends early.
    if let Some(error) = lost.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let answered = match answered {
        Ok(response) => response,
        Err(error) => return Err(broken(&running, error).await),
    };
    match Failure::is_in(answered.headers()) {
        true => {
            let whole = answered.into_body().collect().await;
            let whole = whole.map_err(Error::internal)?.to_bytes();
            let failure = Failure::read(&whole)?;
            context.function().counts.panics.add(failure.panics());
            Err(failure.into())
        }
        false => Ok(response(running, answered)),
    }
}

/// The request as the child reads it, on a connection of its own.
fn relayed(
    context: &Context,
    request: Request,
    lost: &Arc<Mutex<Option<Error>>>,
) -> Result<http::Request<Relayed>> {
    let (mut head, body) = request.into_parts();
    remove_hop_by_hop(&mut head.headers);
    Passed::of(context).write(&mut head.headers)?;
    let path = head.uri.path_and_query().cloned();
    head.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    // A request of HTTP/1.0 has none, and our own needs one.
    head.version = http::Version::HTTP_11;
    let body = Relayed {
        body,
        lost: lost.clone(),
    };
    Ok(http::Request::from_parts(head, body))
}

async fn exchange(
    running: &Running,
    request: http::Request<Relayed>,
) -> Result<http::Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TokioIo::new(running.connect().await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    // Ends with the response, or when nobody wants it any more.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// Why there is no response: as a rule the process has ended, and how it did says more.
async fn broken(running: &Running, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match timeout(END, running.ended()).await {
        Ok(how) => Error::internal(format!("the function's process ended: {how}")),
        Err(_) => Error::internal(error),
    }
}

fn response(running: Arc<Running>, answered: http::Response<Incoming>) -> Response {
    let (mut head, body) = answered.into_parts();
    remove_hop_by_hop(&mut head.headers);
    head.extensions.clear();
    if body.is_end_stream() {
        return Response::from_parts(head, Body::empty());
    }
    // The process stays at least as long as what it sends.
    let pieces = body.into_data_stream().map(move |piece| {
        let _held = &running;
        piece
    });
    Response::from_parts(head, Body::stream(pieces))
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// A request's body on its way to the child. What goes wrong with it is kept for the parent.
struct Relayed {
    body: Body,
    lost: Arc<Mutex<Option<Error>>>,
}

impl http_body::Body for Relayed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Poller<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => None,
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => {
                let text = error.to_string();
                *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Some(Err(std::io::Error::other(text)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Dropped with an invocation that is cut at its deadline. One that yields ends in the child by itself,
/// at the same deadline; one that does not can only be killed, and whatever else runs there with it.
struct Overdue {
    running: Arc<Running>,
    invocation: String,
    is_over: bool,
}

impl Drop for Overdue {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (running, invocation) = (self.running.clone(), std::mem::take(&mut self.invocation));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            tokio::time::sleep(GRACE).await;
            if !matches!(
                timeout(GRACE, is_over(&running, &invocation)).await,
                Ok(true)
            ) {
                running.kill("an invocation did not end at its deadline");
            }
        });
    }
}

/// Asks the child whether the invocation has ended there. One that has ended itself, or that does not
/// know, has.
async fn is_over(running: &Running, invocation: &str) -> bool {
    let Ok(question) = Passed::question(invocation) else {
        return false;
    };
    let question = question.map(|()| Relayed {
        body: Body::empty(),
        lost: Arc::default(),
    });
    match exchange(running, question).await {
        Ok(response) => response.status() == http::StatusCode::NOT_FOUND,
        Err(_) => false,
    }
}

fn unavailable(wait: Duration) -> Error {
    Error::new(ErrorCode::Unavailable, "The function is starting again.").retry_after(wait)
}
