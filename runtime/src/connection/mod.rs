//! One client's connection below HTTP: how long it may take, and what its heads look like before
//! they are parsed.
//!
//! The parser hides what it repairs and counts a slow head and an idle connection by one clock.
//! Here the bytes of each head are seen as they arrive. What is wrong with one is told to whoever
//! answers the request, so that the refusal is an ordinary response. The heads of HTTP/2 are compressed: of them
//! only the time is looked at, which takes no more than to see where frames begin and end.

mod frames;
mod head;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use self::frames::{Frames, PREFACE};
pub(crate) use self::head::{Flaw, Head};
use crate::pace::{Alarm, Pace};

/// Until the first byte of a connection, and from the first byte of a head to its last.
const HEAD: Duration = Duration::from_secs(10);
/// Between two requests. The platform's edge keeps its connections open for up to two minutes, and
/// a server that closes first makes it answer 502.
const IDLE: Duration = Duration::from_secs(130);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read to learn the protocol, and not handed on yet.
    ahead: Vec<u8>,
    exchange: Arc<Exchange>,
    /// How many exchanges had ended when `head` began.
    ended: u32,
    head: Head,
    /// When the next head is overdue, in HTTP/1.1 to its end.
    head_until: Instant,
    /// Of HTTP/2.
    frames: Option<Frames>,
    /// When what they are amid of is overdue; `None` until somebody waits for it.
    frame_until: Option<Instant>,
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
        // The connection's task alone writes these two, and most heads have no flaw.
        let begun = self.begun.load(Ordering::Relaxed);
        self.begun.store(begun + 1, Ordering::Relaxed);
        let flaw = Flaw::from_number(self.flaw.load(Ordering::Relaxed));
        if flaw.is_some() {
            self.flaw.store(0, Ordering::Relaxed);
        }
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
        let head_until = Instant::now() + HEAD;
        Self {
            stream,
            ahead: Vec::new(),
            exchange: Arc::default(),
            ended: 0,
            head: Head::default(),
            head_until,
            frames: None,
            frame_until: Some(head_until),
            reading: Alarm::default(),
            written: Pace::default(),
            writing: Alarm::default(),
        }
    }

    pub(crate) fn exchange(&self) -> Arc<Exchange> {
        self.exchange.clone()
    }

    /// Waits until the client has sent enough to tell which protocol it speaks.
    ///
    /// # Errors
    /// When it has not within the time of a head.
    pub(crate) async fn begin(&mut self) -> io::Result<Protocol> {
        let mut bytes = [0; PREFACE.len()];
        let mut length = 0;
        while length < PREFACE.len() && PREFACE.starts_with(&bytes[..length]) {
            let read = self.stream.read(&mut bytes[length..]);
            match timeout_at(self.head_until, read).await?? {
                0 => break,
                read => length += read,
            }
        }
        self.ahead = bytes[..length].to_vec();
        if self.ahead != PREFACE {
            return Ok(Protocol::Http1);
        }
        self.frames = Some(Frames::new());
        self.head_until = Instant::now() + IDLE;
        Ok(Protocol::Http2)
    }

    /// Hands on what was read ahead.
    fn poll_ahead(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..length]);
        self.ahead.drain(..length);
        Poll::Ready(Ok(()))
    }

    /// Looks at what arrived, if it belongs to a head.
    fn look(&mut self, bytes: &[u8]) {
        if let Some(frames) = &mut self.frames {
            if frames.read(bytes) {
                // While a client that does not read is written to, what it sent lies unread.
                self.frame_until = None;
            }
            return;
        }
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
        let until = match &self.frames {
            Some(frames) if frames.is_amid() => {
                let until = &mut self.frame_until;
                *until.get_or_insert_with(|| Instant::now() + HEAD)
            }
            // Bodies have limits of their own.
            _ if !self.exchange.is_awaited() || self.head.is_complete() => return Poll::Pending,
            _ => self.head_until,
        };
        self.reading
            .poll(cx, until)
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
        let polled = match this.ahead.is_empty() {
            true => Pin::new(&mut this.stream).poll_read(cx, buffer),
            false => this.poll_ahead(buffer),
        };
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

    /// A connection whose client has sent so much, and the client's end.
    async fn connected(bytes: &[u8]) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(bytes).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Connection::new(stream), client)
    }

    /// Reads on; returns after how long the client is given up.
    async fn waited_for(connection: &mut Connection) -> Duration {
        let started = Instant::now();
        loop {
            match connection.read(&mut [0; 7]).await {
                Ok(read) => assert!(read > 0, "the client has gone"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return started.elapsed();
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_waited_for_as_long_as_what_it_has_begun_allows() {
        let settled = [PREFACE, SETTINGS].concat();
        let half = [&*settled, b"\0\0\x20\x01"].concat();
        for (bytes, protocol, patience) in [
            (&b"GET / HTTP/1.1\r\n"[..], Protocol::Http1, HEAD),
            (PREFACE, Protocol::Http2, HEAD),
            (&*half, Protocol::Http2, HEAD),
            (&*settled, Protocol::Http2, IDLE),
        ] {
            let (mut connection, _client) = connected(bytes).await;
            assert_eq!(connection.begin().await.unwrap(), protocol, "{bytes:?}");
            let waited = waited_for(&mut connection).await;
            let difference = waited.abs_diff(patience);
            assert!(difference < Duration::from_secs(1), "{bytes:?}: {waited:?}");
        }
        for bytes in [&b""[..], b"P", &PREFACE[..18]] {
            let (mut connection, _client) = connected(bytes).await;
            let started = Instant::now();
            assert!(connection.begin().await.is_err(), "{bytes:?}");
            assert!(started.elapsed() <= HEAD + Duration::from_secs(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_nobody_reads_does_not_count_for_a_frame() {
        let beginning = [PREFACE, SETTINGS, b"\0\0\x20\x01"].concat();
        let (mut connection, _client) = connected(&beginning).await;
        connection.begin().await.unwrap();
        let mut read = vec![0; beginning.len()];
        connection.read_exact(&mut read).await.unwrap();
        tokio::time::sleep(3 * HEAD).await;
        let waited = waited_for(&mut connection).await;
        let difference = waited.abs_diff(HEAD);
        assert!(difference < Duration::from_secs(1), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_waited_for_and_pings_are_no_request() {
        let (mut connection, mut client) = connected(&[PREFACE, SETTINGS].concat()).await;
        connection.begin().await.unwrap();
        let (answering, _) = connection.exchange().begin();
        let hour = Duration::from_secs(3600);
        assert!(timeout(hour, waited_for(&mut connection)).await.is_err());
        drop(answering);

        let ping = b"\0\0\x08\x06\0\0\0\0\0question";
        let pinging = tokio::spawn(async move {
            loop {
                client.write_all(ping).await.unwrap();
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        });
        let waited = waited_for(&mut connection).await;
        assert!(
            waited.abs_diff(IDLE) < Duration::from_secs(30),
            "{waited:?}"
        );
        pinging.abort();
    }
}
