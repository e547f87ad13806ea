//! Runs any function once: a deadline, and a panic that stays where it happened.
//!
//! The function is polled in place, by the connection that asked for it: a task of its own would
//! cost a wake-up per request. When that connection goes away first, what remains of the function
//! is spawned, so that a client that hangs up does not cancel a half-done write. At the deadline it
//! is dropped, wherever it runs.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Poller, Poll};

use futures_util::stream;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use crate::app::Entry;
use crate::body::{Body, Pieces};
use crate::context::Context;
use crate::error::{Chain, Error, ErrorCode, Result};
use crate::events::CloudEvent;
use crate::events::receive::{Malformed, receive};
use crate::function::{Request, Response, Signature, Work};
use crate::pace::Alarm;
use crate::policy::Admitted;
use crate::telemetry;
use crate::watchdog::Running;

/// Runs an HTTP function. Its slot is free again after the last byte of the response.
pub(crate) async fn run_http(admitted: Admitted, request: &mut Request) -> Result<Response> {
    let (context, places) = admitted.into_parts();
    run_request(context, request, places).await
}

/// Runs an HTTP function that somebody has admitted. `held` is dropped after the last byte of the
/// response. The request is taken out of its place, so that it moves no more often than that.
pub(crate) async fn run_request(
    context: Context,
    request: &mut Request,
    held: impl Any + Send + Sync + Unpin,
) -> Result<Response> {
    let watched = Watched::new(&context);
    let deadline = context.deadline();
    let Signature::Http(call) = &watched.function.function.0 else {
        return Err(Error::internal("an event function has no URL"));
    };
    let work = watched.poll(|| call(context, std::mem::take(request)))?;
    let mut invocation = Invocation::new(watched, work, deadline, held);
    let mut response = (&mut invocation).await?;
    if response.body().is_stream() {
        let (rest, held) = (invocation.watched.clone(), invocation.held.take());
        response.body_mut().wrap(|pieces| rest.stream(pieces));
        response.body_mut().hold(held);
    }
    Ok(response)
}

/// Runs an event function for an event that was POSTed to it, and answers when it has ended: whoever
/// sent the event sends it again unless the answer is 2xx.
pub(crate) async fn run_posted_event(
    admitted: Admitted,
    request: &mut Request,
) -> Result<Response> {
    if request.method() != Method::POST {
        return Err(Error::method_not_allowed("POST", "Method Not Allowed"));
    }
    let (context, _places) = admitted.into_parts();
    let body = std::mem::take(request.body_mut()).collect().await?;
    let event = receive(request.uri().path(), request.headers(), &body)?;
    run_event(context, event).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Runs an event function.
pub(crate) async fn run_event(context: Context, event: CloudEvent<Value>) -> Result<()> {
    let watched = Watched::new(&context);
    let deadline = context.deadline();
    let Signature::Event(call) = &watched.function.function.0 else {
        return Err(Error::internal("an http function takes no events"));
    };
    // The call itself reads the event's data as the function's type, which is its code too.
    let work = watched.poll(|| call(context, event))?;
    Invocation::new(watched, work, deadline, ()).await
}

impl From<Malformed> for Error {
    fn from(fault: Malformed) -> Self {
        let error = Self::new(ErrorCode::InvalidArgument, "The request is not an event.");
        match fault {
            Malformed::Format => error.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            _ => error,
        }
        .because(fault)
    }
}

/// Whose code is polled: the watchdog is told, and its panics go no further.
#[derive(Clone)]
struct Watched {
    function: Arc<Entry>,
    running: Running,
}

impl Watched {
    fn new(context: &Context) -> Self {
        let function = context.function().clone();
        let running = Running {
            function: function.label,
            invocation: context.invocation(),
        };
        Self { function, running }
    }

    /// # Errors
    /// Internal, for a panic.
    fn poll<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let caught = self.running.poll(|| catch_unwind(AssertUnwindSafe(work)));
        caught.map_err(|panic| {
            self.function.counts.panics.increment();
            panicked(&*panic)
        })
    }

    /// What a function makes of its response after it has returned.
    fn stream(self, pieces: Pieces) -> Pieces {
        let mut left = Some(pieces);
        Box::pin(stream::poll_fn(move |poller| {
            let Some(pieces) = &mut left else {
                return Poll::Ready(None);
            };
            self.poll(|| pieces.as_mut().poll_next(poller))
                .unwrap_or_else(|error| {
                    left = None;
                    let name = &self.function.spec.name;
                    telemetry::failed(&error, name, self.running.invocation);
                    Poll::Ready(Some(Err(error.into())))
                })
        }))
    }
}

/// One run of a function.
pub(crate) struct Invocation<T: Send + 'static, Held: Send + Unpin + 'static = ()> {
    watched: Watched,
    /// `None` once it has ended.
    work: Option<Work<T>>,
    deadline: Instant,
    /// Set when the work is first waited for: most ends at once, and a timer costs more than it.
    alarm: Alarm,
    /// What the invocation keeps until its end, wherever that is.
    held: Option<Held>,
    /// Whether it goes on when whoever polls it goes away.
    outlives_caller: bool,
}

impl<T: Send + 'static, Held: Send + Unpin + 'static> Invocation<T, Held> {
    fn new(watched: Watched, work: Work<T>, deadline: Instant, held: Held) -> Self {
        Self {
            watched,
            work: Some(work),
            deadline,
            alarm: Alarm::default(),
            held: Some(held),
            outlives_caller: true,
        }
    }
}

impl<T: Send + 'static> Invocation<T> {
    /// One that is dropped when whoever polls it goes away.
    pub(crate) fn of_caller(
        context: &Context,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Self {
        let work = Box::pin(work);
        let mut invocation = Self::new(Watched::new(context), work, context.deadline(), ());
        invocation.outlives_caller = false;
        invocation
    }
}

impl<T: Send + 'static, Held: Send + Unpin + 'static> Future for Invocation<T, Held> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Poller<'_>) -> Poll<Result<T>> {
        let this = self.get_mut();
        let Some(work) = &mut this.work else {
            return Poll::Pending;
        };
        let result = match this.watched.poll(|| work.as_mut().poll(cx)) {
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(panic),
            Ok(Poll::Pending) => {
                if this.alarm.poll(cx, this.deadline).is_pending() {
                    return Poll::Pending;
                }
                Err(Error::new(
                    ErrorCode::DeadlineExceeded,
                    "The function took too long.",
                ))
            }
        };
        // What is dropped may panic too.
        let work = this.work.take();
        let _ = this.watched.poll(move || drop(work));
        Poll::Ready(result)
    }
}

impl<T: Send + 'static, Held: Send + Unpin + 'static> Drop for Invocation<T, Held> {
    fn drop(&mut self) {
        let (Some(work), true) = (self.work.take(), self.outlives_caller) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let rest = Self {
            watched: self.watched.clone(),
            work: Some(work),
            deadline: self.deadline,
            alarm: std::mem::take(&mut self.alarm),
            held: self.held.take(),
            outlives_caller: false,
        };
        runtime.spawn(async move {
            if let Err(error) = rest.await {
                let cause = Chain(&error).to_string();
                tracing::info!(cause, "a function failed after its caller had gone");
            }
        });
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    Error::internal(format!("the function panicked: {text}"))
}
