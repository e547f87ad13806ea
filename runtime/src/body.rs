//! Bodies in both directions, in one type, so that a request can be answered with what it brought.
//!
//! A request body counts what it hands out against the function's `max_body` and gives up on a
//! client that falls silent or dribbles. A response body is whole, or a stream, and may hold the invocation's
//! slot until its last byte.

use std::any::Any;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::Version;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorCode, Result};
use crate::pace::{Alarm, Pace};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request or a response.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    guard: Option<Box<dyn Any + Send + Sync>>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Whole(Bytes),
    Request(RequestBody),
    /// Never locked: the mutex makes a stream that is not `Sync` one, so that `&Request` may be held
    /// across an `.await`.
    Stream(Mutex<Pieces>),
}

pub(crate) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

impl Body {
    pub fn empty() -> Self {
        Self::default()
    }

    /// A response body that is produced while it is sent. An error cuts the connection, so that the
    /// client does not take what it got for the whole.
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        use futures_util::StreamExt as _;
        let stream = stream.map(|item| item.map_err(Into::into));
        Self {
            kind: Kind::Stream(Mutex::new(Box::pin(stream))),
            guard: None,
        }
    }

    /// What a client sends in this version of HTTP; until [`Body::limit`] says how much that may be, every byte
    /// is one too many.
    pub(crate) fn incoming(incoming: Incoming, version: Version) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self {
            kind: Kind::Request(RequestBody {
                incoming: Some(incoming),
                // HTTP/2 resets the one stream, after the answer.
                lingers: version < Version::HTTP_2,
                remaining: 0,
                idle: Duration::ZERO,
                pace: Pace::default(),
                alarm: Alarm::default(),
            }),
            guard: None,
        }
    }

    /// Lets a client send up to `max` bytes, with at most `idle` between two pieces.
    pub(crate) fn limit(&mut self, max: u64, idle: Duration) {
        if let Kind::Request(body) = &mut self.kind {
            (body.remaining, body.idle) = (max, idle);
        }
    }

    /// Keeps `guard` until the body is sent or dropped, beside those it holds already.
    pub(crate) fn hold(&mut self, guard: impl Any + Send + Sync) {
        self.guard = Some(match self.guard.take() {
            None => Box::new(guard),
            Some(held) => Box::new((held, guard)),
        });
    }

    /// Puts a stream that a function makes inside another one.
    pub(crate) fn wrap(&mut self, wrap: impl FnOnce(Pieces) -> Pieces) {
        self.kind = match std::mem::take(&mut self.kind) {
            Kind::Stream(pieces) => {
                let pieces = pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
                Kind::Stream(Mutex::new(wrap(pieces)))
            }
            other => other,
        };
    }

    /// Whether some of it is still to be made.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self.kind, Kind::Empty | Kind::Whole(_))
    }

    /// The next piece, or `None` at the end.
    ///
    /// # Errors
    /// 413 once the client has sent more than `max_body`, 408 after the idle limit, and
    /// `CANCELLED` when the client is gone.
    pub async fn chunk(&mut self) -> Option<Result<Bytes>> {
        loop {
            let frame = std::future::poll_fn(|cx| self.poll_piece(cx)).await?;
            match frame {
                Ok(piece) if piece.is_empty() => {}
                other => return Some(other),
            }
        }
    }

    /// The whole body in memory; at most `max_body` bytes.
    ///
    /// # Errors
    /// As for [`Body::chunk`].
    pub async fn collect(mut self) -> Result<Bytes> {
        let Some(first) = self.chunk().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.chunk().await.transpose()? else {
            return Ok(first);
        };
        let mut whole = BytesMut::with_capacity(first.len() + second.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(piece) = self.chunk().await.transpose()? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// The pieces as a stream, for parsers that want one.
    pub fn into_stream(mut self) -> impl Stream<Item = Result<Bytes>> + Send {
        futures_util::stream::poll_fn(move |cx| self.poll_piece(cx))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Whole(_) => match std::mem::take(&mut self.kind) {
                Kind::Whole(bytes) => Poll::Ready(Some(Ok(bytes))),
                _ => Poll::Ready(None),
            },
            Kind::Request(body) => body.poll_piece(cx),
            Kind::Stream(stream) => stream
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .as_mut()
                .poll_next(cx)
                .map(|item| item.map(|piece| piece.map_err(Error::internal))),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self {
            kind: if bytes.is_empty() {
                Kind::Empty
            } else {
                Kind::Whole(bytes)
            },
            guard: None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.get_mut()
            .poll_piece(cx)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Request(body) => body.incoming.as_ref().is_none_or(Incoming::is_end_stream),
            Kind::Whole(_) | Kind::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Request(body) => body
                .incoming
                .as_ref()
                .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Empty => "Body::Empty",
            Kind::Whole(_) => "Body::Whole",
            Kind::Request(_) => "Body::Request",
            Kind::Stream(_) => "Body::Stream",
        })
    }
}

struct RequestBody {
    incoming: Option<Incoming>,
    lingers: bool,
    remaining: u64,
    idle: Duration,
    pace: Pace,
    alarm: Alarm,
}

impl RequestBody {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            ready!(self.poll_given_up(cx));
            return Poll::Ready(Some(Err(Error::new(
                ErrorCode::DeadlineExceeded,
                "The client stopped sending.",
            )
            .with_status(http::StatusCode::REQUEST_TIMEOUT))));
        };
        if self.pace.since().is_some() {
            let data = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.data_ref());
            self.pace.moved(data.map_or(0, Bytes::len), Instant::now());
        }
        match frame {
            None => {
                self.incoming = None;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                self.incoming = None;
                Poll::Ready(Some(Err(Error::new(
                    ErrorCode::Cancelled,
                    "The request ended early.",
                )
                .because(error))))
            }
            Some(Ok(frame)) => {
                // Trailers are read and passed over.
                let piece = frame.into_data().unwrap_or_default();
                match self.remaining.checked_sub(piece.len() as u64) {
                    Some(remaining) => {
                        self.remaining = remaining;
                        Poll::Ready(Some(Ok(piece)))
                    }
                    None => {
                        // Nothing of it is handed out any more.
                        self.remaining = 0;
                        Poll::Ready(Some(Err(Error::too_large())))
                    }
                }
            }
        }
    }

    /// Ready when the client has been silent, or too slow, for too long.
    fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let too_slow = self.pace.waiting(now);
        let silent = self.pace.since().unwrap_or(now) + self.idle;
        self.alarm.poll(cx, too_slow.min(silent))
    }
}

/// What a client goes on sending after it was refused is read and thrown away for a moment: closing
/// at once would reset the connection and could destroy the answer before the client has read it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 << 20;

impl Drop for RequestBody {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(|body| !body.is_end_stream());
        let Some(mut incoming) = unread.filter(|_| self.lingers) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let until = Instant::now() + LINGER;
            let mut read = 0;
            while read < LINGER_BYTES {
                let next = std::future::poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx));
                match timeout(until.saturating_duration_since(Instant::now()), next).await {
                    Ok(Some(Ok(frame))) => read += frame.data_ref().map_or(0, Bytes::len),
                    _ => return,
                }
            }
        });
    }
}
