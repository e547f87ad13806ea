//! Answers that come piece by piece, as the callable protocol streams them: server-sent events whose
//! `data` is one line of JSON with one key, `message` for each piece, then once `result` or `error`.
//!
//! The work runs inside the body of the response: it is polled in place by the connection, so there is no
//! task to leak, and a client that leaves drops it. There are no comments that keep a silent connection
//! alive: the SDK for iOS takes each for a broken stream (firebase-ios-sdk#16605).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::body::Body;
use crate::callable::{self, event};
use crate::context::{Context, InvocationId};
use crate::error::Result;
use crate::function::Response;
use crate::invocation::Invocation;
use crate::respond::events;
use crate::telemetry;

/// A response that tells what `work` makes while it makes it: each [`Context::send`] of the context that
/// `work` is given is one event, and what it returns, or why it failed, is the last one.
///
/// The status is 200 whatever happens, because it is sent first. A panic becomes the error `INTERNAL`, the
/// end of [`Context::deadline`] the error `DEADLINE_EXCEEDED`. When the client leaves, `work` is dropped
/// where it waits: what must be finished belongs before it, or in a task of its own.
///
/// ```no_run
/// # use runtime::{Context, Request, Response, Result};
/// pub async fn handle(context: Context, _request: Request) -> Result<Response> {
///     Ok(runtime::stream(&context, |context| async move {
///         for word in ["one", "two"] {
///             context.send(word).await?;
///         }
///         Ok(2)
///     }))
/// }
/// ```
pub fn stream<F, Fut, Out>(context: &Context, work: F) -> Response
where
    F: FnOnce(Context) -> Fut,
    Fut: Future<Output = Result<Out>> + Send + 'static,
    Out: Serialize,
{
    let (sender, sent) = mpsc::channel(1);
    let work = work(context.streaming_to(Outlet(sender)));
    let work = async move { Ok(event("result", &callable::encode(&work.await?)?)) };
    events(Body::stream(Events {
        work: Some(Invocation::of_caller(context, work)),
        sent,
        last: None,
        flush: false,
        function: context.function().spec.name.clone(),
        invocation: context.invocation(),
    }))
}

/// Where a streamed invocation puts its pieces. There is room for one: whoever sends waits for whoever
/// reads.
#[derive(Clone)]
pub(crate) struct Outlet(mpsc::Sender<Bytes>);

impl Outlet {
    /// Ends when the piece has left the queue; `false` when nobody takes pieces any more.
    pub(crate) async fn send(&self, piece: &Value) -> bool {
        self.0.send(event("message", piece)).await.is_ok() && self.0.reserve().await.is_ok()
    }
}

/// The events of one invocation, which runs while they are polled.
struct Events {
    /// Ends with the last event; `None` once it has.
    work: Option<Invocation<Bytes>>,
    sent: mpsc::Receiver<Bytes>,
    last: Option<Bytes>,
    /// Whether an event was just handed over. A connection writes to its socket when there is nothing
    /// more to take, so after each event there is nothing, once.
    flush: bool,
    function: String,
    invocation: InvocationId,
}

impl Events {
    fn poll_event(&mut self, poller: &mut Poller<'_>) -> Poll<Option<Bytes>> {
        // Before what it sent: a task of its that never stops sending must not keep it from its end.
        if let Some(work) = &mut self.work
            && let Poll::Ready(ended) = Pin::new(work).poll(poller)
        {
            self.end(ended);
        }
        match self.sent.poll_recv(poller) {
            Poll::Ready(Some(piece)) => Poll::Ready(Some(piece)),
            Poll::Ready(None) if self.work.is_none() => Poll::Ready(self.last.take()),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn end(&mut self, ended: Result<Bytes>) {
        self.work = None;
        // Of a task that goes on sending, nothing may follow the last event.
        self.sent.close();
        self.last = Some(ended.unwrap_or_else(|error| {
            telemetry::failed(&error, &self.function, self.invocation);
            event("error", &error.object())
        }));
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, poller: &mut Poller<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.flush) {
            poller.waker().wake_by_ref();
            return Poll::Pending;
        }
        let event = self.poll_event(poller);
        self.flush = matches!(event, Poll::Ready(Some(_)));
        event.map(|event| event.map(Ok))
    }
}
