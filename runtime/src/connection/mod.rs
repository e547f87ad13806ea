//! One client's connection below HTTP: how long it may take, and what its heads look like before
//! they are parsed.
//!
//! The parser hides what it repairs and counts a slow head and an idle connection by one clock.
//! Here the bytes of each head are seen as they arrive. What is wrong with one is told to whoever
//! answers the request, so that the refusal is an ordinary response.

mod head;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub(crate) use self::head::Flaw;
use self::head::Head;
use crate::pace::{Alarm, Pace};

/// Until the first byte of a connection, and from the first byte of a head to its last.
const HEAD: Duration = Duration::from_secs(10);
/// Between two requests. The platform's edge keeps its connections open for up to two minutes, and
/// a server that closes first makes it answer 502.
const IDLE: Duration = Duration::from_secs(130);

pub(crate) struct Connection {
    stream: TcpStream,
    exchange: Arc<Exchange>,
    /// How many exchanges had ended when `head` began.
    ended: u32,
    head: Head,
    head_until: Instant,
    reading: Alarm,
    written: Pace,
    writing: Alarm,
}

/// How far the requests of a connection have come: what its two ends tell each other.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    begun: AtomicU32,
    ended: AtomicU32,
    /// Of the last head; 0 for none.
    flaw: AtomicU8,
}

/// One request under way; until it is dropped, the next head is not waited for.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Exchange>);

impl Exchange {
    /// A head was parsed. Returns what was wrong with it.
    pub(crate) fn begin(self: &Arc<Self>) -> (Answering, Option<Flaw>) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let flaw = Flaw::from_number(self.flaw.swap(0, Ordering::Relaxed));
        (Answering(self.clone()), flaw)
    }

    fn ended(&self) -> u32 {
        self.ended.load(Ordering::Relaxed)
    }

    fn is_awaited(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == self.ended()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            exchange: Arc::default(),
            ended: 0,
            head: Head::default(),
            head_until: Instant::now() + HEAD,
            reading: Alarm::default(),
            written: Pace::default(),
            writing: Alarm::default(),
        }
    }

    pub(crate) fn exchange(&self) -> Arc<Exchange> {
        self.exchange.clone()
    }

    /// Looks at what arrived, if it belongs to a head.
    fn look(&mut self, bytes: &[u8]) {
        if !self.exchange.is_awaited() || self.head.is_complete() {
            return;
        }
        let begins = self.head.is_empty();
        self.head.read(bytes);
        if begins && !self.head.is_complete() {
            self.head_until = Instant::now() + HEAD;
        }
        if let Some(flaw) = self.head.flaw() {
            self.exchange.flaw.store(flaw.number(), Ordering::Relaxed);
        }
    }

    /// Begins a new head when the exchange before has ended.
    fn next_head(&mut self) {
        let ended = self.exchange.ended();
        if self.ended != ended && self.exchange.is_awaited() {
            self.ended = ended;
            self.head = Head::default();
            self.head_until = Instant::now() + IDLE;
        }
    }

    /// Nothing to read: fails once a head is overdue.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Bodies have limits of their own.
        if !self.exchange.is_awaited() || self.head.is_complete() {
            return Poll::Pending;
        }
        self.reading
            .poll(cx, self.head_until)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(bytes)) if self.written.since().is_some() => {
                self.written.moved(*bytes, Instant::now());
            }
            Poll::Ready(_) => {}
            Poll::Pending => {
                let until = self.written.waiting(Instant::now());
                if self.writing.poll(cx, until).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        result
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.next_head();
        if polled.is_pending() {
            return this.poll_overdue(cx);
        }
        this.look(&buffer.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.after_write(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.after_write(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
