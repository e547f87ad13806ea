//! An HTTP client that sends exactly what it is told: two Hosts, `//`, half a body, nothing tidied up.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::pending;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, form};

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The value of a header, or "" when it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("a header of ASCII"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        let media_type = self.header("content-type");
        assert!(media_type.starts_with("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// # Panics
    /// Unless this is `status` with exactly `body` as JSON.
    #[track_caller]
    pub(crate) fn must_be(&self, status: u16, body: &Value) {
        assert_eq!((self.status, &self.json()), (status, body), "{self:?}");
    }

    /// The text of a `{"detail": "…"}` refusal.
    ///
    /// # Panics
    /// Unless the status is `status` and `detail` is the only key and a string.
    #[track_caller]
    pub(crate) fn detail(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        let keys: Vec<_> = body.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["detail"], "{self:?}");
        let detail = body["detail"].as_str().expect("detail is a string");
        detail.to_owned()
    }

    /// The text of the router's own refusal, `{"error":{"status":"…","message":"…"}}`.
    ///
    /// # Panics
    /// Unless both the HTTP status and the canonical code are the expected ones.
    #[track_caller]
    pub(crate) fn refusal(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["error"]["status"], code, "{self:?}");
        let message = body["error"]["message"].as_str().expect("a message");
        message.to_owned()
    }
}

enum Body {
    Absent,
    /// With Content-Length.
    Declared(Vec<u8>),
    /// In chunks, without a length.
    Chunked(Vec<u8>),
}

/// One request on a connection of its own.
pub(crate) struct Call {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Call {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        Self {
            address,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Body::Absent,
        }
    }

    /// A `host` given here takes the place of the socket's address.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Declared(body.into());
        self
    }

    pub(crate) fn chunked(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Chunked(body.into());
        self
    }

    /// Announces a body of [`form`]'s making.
    pub(crate) fn form_type(self) -> Self {
        self.header("content-type", form::content_type())
    }

    /// A multipart body with a declared length.
    pub(crate) fn form(self, body: impl Into<Vec<u8>>) -> Self {
        self.form_type().body(body)
    }

    pub(crate) async fn send(self) -> Reply {
        let mut wire = Wire::open(self.address).await;
        let mut request = self.head();
        match &self.body {
            Body::Absent => {}
            Body::Declared(body) => request.extend_from_slice(body),
            Body::Chunked(body) => {
                for chunk in body.chunks(16 * 1024) {
                    request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    request.extend_from_slice(chunk);
                    request.extend_from_slice(b"\r\n");
                }
                request.extend_from_slice(b"0\r\n\r\n");
            }
        }
        wire.exchange(&request, self.method == "HEAD").await
    }

    /// The request up to its body, for a test that sends the rest by hand.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let has = |name: &str| self.headers.iter().any(|(given, _)| given == name);
        if !has("host") {
            let _ = write!(head, "host: {}\r\n", self.address);
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = match &self.body {
            Body::Absent => Ok(()),
            Body::Declared(_) if has("content-length") => Ok(()),
            Body::Declared(body) => write!(head, "content-length: {}\r\n", body.len()),
            Body::Chunked(_) => write!(head, "transfer-encoding: chunked\r\n"),
        };
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// One connection, byte by byte.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    /// The beginning of what was sent last, for the report of a failure.
    sent: String,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        Self {
            stream,
            unread: Vec::new(),
            sent: String::new(),
        }
    }

    /// A server may answer and close before it has read everything, so a failed write is not a
    /// failure yet: the missing answer is.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.remember(bytes.as_ref());
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    pub(crate) async fn answer(&mut self) -> Reply {
        self.exchange(&[], false).await
    }

    /// `None`: the other side ended the connection without an answer.
    pub(crate) async fn last_answer(&mut self) -> Option<Reply> {
        let mut reader = &mut self.stream;
        let reading = answer(&mut reader, &mut self.unread, false);
        let answer = timeout(PATIENCE, reading).await;
        answer.expect("an answer or an end")
    }

    /// Writes and reads at once, as the answer may come before the end of the request.
    async fn exchange(&mut self, request: &[u8], to_head: bool) -> Reply {
        self.remember(request);
        let (mut reader, mut writer) = self.stream.split();
        let writing = async {
            let _ = writer.write_all(request).await;
            pending::<Infallible>().await
        };
        let reading = timeout(PATIENCE, answer(&mut reader, &mut self.unread, to_head));
        tokio::select! {
            reply = reading => match reply {
                Ok(Some(reply)) => reply,
                Ok(None) => panic!("the connection ended without an answer: {}", self.sent),
                Err(_) => panic!("no answer within {PATIENCE:?}: {}", self.sent),
            },
            never = writing => match never {},
        }
    }

    fn remember(&mut self, sent: &[u8]) {
        if !sent.is_empty() {
            self.sent = String::from_utf8_lossy(&sent[..sent.len().min(200)]).into_owned();
        }
    }

    /// Whether the other side ends the connection without a further byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = timeout(PATIENCE, self.stream.read(&mut byte)).await;
        // A reset is an end too: it is what becomes of a close before unread bytes.
        self.unread.is_empty() && matches!(read, Ok(Ok(0) | Err(_)))
    }
}

async fn answer(
    reader: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    to_head: bool,
) -> Option<Reply> {
    let head = until(reader, unread, b"\r\n\r\n").await?;
    let head = String::from_utf8(head).expect("a head of text");
    let mut lines = head.trim_end().split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a header name");
            let value: HeaderValue = value.trim().parse().expect("a header value");
            (name, value)
        })
        .collect();

    let length = headers
        .get("content-length")
        .map(|length| length.to_str().ok().and_then(|length| length.parse().ok()));
    let body = if to_head || status < 200 || status == 204 || status == 304 {
        Vec::new()
    } else if headers.contains_key("transfer-encoding") {
        dechunked(reader, unread).await?
    } else if let Some(length) = length {
        take(reader, unread, length.expect("a length")).await?
    } else {
        while more(reader, unread).await.is_some() {}
        std::mem::take(unread)
    };
    Some(Reply {
        status,
        headers,
        body: body.into(),
    })
}

async fn dechunked(reader: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = until(reader, unread, b"\r\n").await?;
        let size = std::str::from_utf8(&size).ok()?.trim_end();
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        let chunk = take(reader, unread, size + 2).await?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// Everything up to and with `end`; `None` when the connection ends before it.
async fn until(
    reader: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    end: &[u8],
) -> Option<Vec<u8>> {
    loop {
        let found = unread.windows(end.len()).position(|window| window == end);
        if let Some(at) = found {
            return Some(unread.drain(..at + end.len()).collect());
        }
        more(reader, unread).await?;
    }
}

async fn take(
    reader: &mut (impl AsyncRead + Unpin),
    unread: &mut Vec<u8>,
    count: usize,
) -> Option<Vec<u8>> {
    while unread.len() < count {
        more(reader, unread).await?;
    }
    Some(unread.drain(..count).collect())
}

async fn more(reader: &mut (impl AsyncRead + Unpin), unread: &mut Vec<u8>) -> Option<()> {
    match reader.read_buf(unread).await {
        Ok(count) if count > 0 => Some(()),
        _ => None,
    }
}
