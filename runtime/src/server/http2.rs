//! HTTP/2 without TLS, for clients that know beforehand that it is spoken (RFC 9113 §3.3): its limits, its
//! requests in the form of HTTP/1.1, which is what everything behind the server reads, and the pace at
//! which a client takes its responses.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body::{Body as _, Frame, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use tokio::time::Instant;

use crate::body::Body;
use crate::connection::{Answering, Flaw};
use crate::error::Error;
use crate::function::Response;
use crate::pace::{Alarm, Pace};

/// Requests under way on one connection.
const STREAMS: u32 = 100;
/// What a client may send of a request that nobody reads yet, and of all requests of its connection.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of a head, each field counted with 32 more (RFC 9113 §6.5.2), and its fields.
const HEAD: u32 = 32 << 10;
const FIELDS: usize = 100;
/// What is kept of a response that its client does not take yet.
const SEND_BUFFER: usize = 64 << 10;
/// The largest part of it that is handed over at once.
const PIECE: usize = 16 << 10;
/// The largest that may stay there for as long as its client likes.
const LAST_PIECE: usize = 1 << 10;
/// Streams that a client resets before anything has looked at them, at one time; and those that it makes us
/// reset while its connection lives, which for one that a proxy shares is long. One more ends the connection.
const RESETS: usize = 20;
const ERRORS: usize = 1024;
/// Without a request, or a part of one, for so long, a client is asked for a sign of life, and how long that
/// may take: the question waits behind what a slow client has still to read. It finds out who is gone while
/// nothing is to be written; otherwise the connection does, and sooner.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(120);

pub(super) fn builder() -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(ERRORS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    builder
}

/// Gives a request the form that it has in HTTP/1.1: the host in a field, a target without one, one field
/// of cookies. What is wrong with it is noted for whoever answers.
pub(super) fn translate<B>(request: &mut Request<B>) {
    let authority = request.uri().authority().cloned();
    let headers = request.headers_mut();
    if let Some(authority) = authority {
        let authority = authority.as_str();
        let is_other =
            |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
        // RFC 9113 §8.3.1: a Host says the same, or two servers could see two.
        let is_ambiguous = headers.get_all(HOST).iter().any(is_other);
        if let Ok(host) = HeaderValue::from_str(authority)
            && !headers.contains_key(HOST)
        {
            headers.insert(HOST, host);
        }
        if is_ambiguous {
            request.extensions_mut().insert(Flaw::Ambiguous);
        }
    }
    let headers = request.headers_mut();
    join_cookies(headers);
    if headers.len() > FIELDS {
        request.extensions_mut().insert(Flaw::TooLong);
    }
    if let Some(target) = request.uri().path_and_query() {
        *request.uri_mut() = Uri::from(target.clone());
    }
}

/// RFC 9113 §8.2.3: what was split so that it could be compressed is one field again.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().collect();
    if cookies.len() < 2 {
        return;
    }
    let cookies: Vec<_> = cookies.into_iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Takes the body from a response that is to have none (RFC 9110 §6.4.1), and tells the length of what HEAD does
/// not get. hyper does it in HTTP/1.1 alone.
pub(super) fn strip(method: &Method, response: &mut Response) {
    let is_head = method == Method::HEAD;
    let has_none = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if !is_head && !has_none {
        return;
    }
    let body = std::mem::take(response.body_mut());
    if !has_none
        && !body.is_end_stream()
        && let Some(length) = body.size_hint().exact()
    {
        let headers = response.headers_mut();
        headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
}

tokio::task_local! {
    /// How fast the client of this task's stream takes the response. The socket does not tell: a client
    /// that reads it may keep the window of one stream closed.
    static TAKEN: RefCell<Pace>;
}

/// Runs each stream in a task of its own, for as long as its client takes what it asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let stream = async move {
            let mut stream = pin!(stream);
            let mut alarm = Alarm::default();
            poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                match TAKEN.with(|taken| taken.borrow().until()) {
                    Some(until) => alarm.poll(cx, until),
                    None => Poll::Pending,
                }
            })
            .await;
            // What is dropped now is reset.
        };
        tokio::spawn(TAKEN.scope(RefCell::default(), stream));
    }
}

/// A response's body on its way, in pieces. hyper asks for one ahead, and keeps it until the client's window has
/// a byte for it behind all that was handed over.
pub(super) struct Sent {
    body: Body,
    /// The rest of a piece that was too large.
    rest: Bytes,
    /// The length of the last piece.
    sent: usize,
    _answering: Answering,
}

impl Sent {
    pub(super) fn new(body: Body, answering: Answering) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            sent: 0,
            _answering: answering,
        }
    }
}

/// How much of so many bytes is handed over first. What is handed over last is kept for its client without a
/// deadline: it may be the end of the body. So the last byte goes alone: it waits until the rest is taken.
fn first_piece(length: usize) -> usize {
    if length <= LAST_PIECE {
        length
    } else {
        PIECE.min(length - 1)
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        TAKEN.with(|taken| taken.borrow_mut().moved(this.sent, Instant::now()));
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => this.rest = frame.into_data().unwrap_or_default(),
                end => return Poll::Ready(end),
            }
        }
        let piece = this.rest.split_to(first_piece(this.rest.len()));
        this.sent = piece.len();
        TAKEN.with(|taken| taken.borrow_mut().waiting(Instant::now()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for before the first piece.
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(url: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        translate(&mut request);
        request
    }

    #[test]
    fn a_request_gets_the_form_that_it_has_in_http_1() {
        let cookies = [("cookie", "a=1"), ("cookie", "b=2; c=3")];
        let request = translated("http://us.example:81/a%2F..//b?c", &cookies);
        assert_eq!(request.uri(), "/a%2F..//b?c");
        assert_eq!(request.headers()[HOST], "us.example:81");
        let cookies: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
        assert_eq!(request.extensions().get::<Flaw>(), None);
    }

    #[test]
    fn what_is_to_have_no_body_gets_none() {
        let stripped = |method: Method, status: u16, length: Option<&str>| {
            let mut response = Response::new("content".into());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(length) = length {
                let length = HeaderValue::from_str(length).unwrap();
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
            strip(&method, &mut response);
            let length = response.headers().get(CONTENT_LENGTH).cloned();
            (response.body().is_end_stream(), length)
        };
        let length = |length: &'static str| Some(HeaderValue::from_static(length));
        assert_eq!(stripped(Method::GET, 200, None), (false, None));
        assert_eq!(stripped(Method::HEAD, 200, None), (true, length("7")));
        assert_eq!(stripped(Method::HEAD, 200, Some("9")), (true, length("9")));
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(stripped(method.clone(), 204, None), (true, None));
            assert_eq!(stripped(method, 304, None), (true, None));
        }
    }

    #[test]
    fn little_is_left_to_a_client_without_a_deadline() {
        for length in (1..PIECE + 3).chain([3 * PIECE]) {
            let mut rest = length;
            let mut last = 0;
            while rest > 0 {
                last = first_piece(rest);
                assert!((1..=PIECE.min(rest)).contains(&last), "{length}: {last}");
                rest -= last;
            }
            assert!(last <= LAST_PIECE, "{length}: {last}");
        }
    }

    #[test]
    fn a_host_says_what_the_authority_says() {
        let flaw = |hosts: &[(&str, &str)]| {
            let request = translated("http://us.example/", hosts);
            request.extensions().get().copied()
        };
        assert_eq!(flaw(&[("host", "us.example")]), None);
        assert_eq!(flaw(&[("host", "US.Example")]), None);
        for other in ["them.example", "us.example:81", ""] {
            assert_eq!(flaw(&[("host", other)]), Some(Flaw::Ambiguous), "{other}");
        }
    }
}
