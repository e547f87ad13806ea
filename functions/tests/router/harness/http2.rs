//! HTTP/2 with prior knowledge: a client that does as it should, and one that writes its frames by hand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{PATIENCE, Reply, eventually};

/// One connection of a client that does as it should.
#[derive(Clone)]
pub(crate) struct Http2 {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Http2 {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .expect("HTTP/2");
        tokio::spawn(connection);
        Self { address, sender }
    }

    /// A request to this address, to be added to.
    pub(crate) fn request(&self, method: &str, target: &str) -> http::request::Builder {
        let url = format!("http://{}{target}", self.address);
        Request::builder().method(method).uri(url)
    }

    /// # Panics
    /// When there is no answer.
    pub(crate) async fn send(&self, request: http::request::Builder, body: Vec<u8>) -> Reply {
        let answer = self.try_send(request, body).await;
        answer.expect("an answer")
    }

    /// # Errors
    /// When the stream or the connection ends without a whole answer.
    pub(crate) async fn try_send(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> hyper::Result<Reply> {
        let request = request.body(Full::from(body)).expect("a request");
        let mut sender = self.sender.clone();
        let exchange = async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok(Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.collect().await?.to_bytes(),
            })
        };
        let exchange = timeout(PATIENCE, exchange).await;
        exchange.expect("an end within the test's patience")
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.send(self.request("GET", target), Vec::new()).await
    }

    /// Whether the server has ended the connection, or said that it will.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kinds of frames (RFC 9113 §6), and flags of theirs.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// Of DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 1;
/// Of SETTINGS and PING.
pub(crate) const ACK: u8 = 1;
/// What no flood asks.
const LAST: &[u8] = b"the last";
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field as HPACK has it without compression (RFC 7541 §6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// A text as HPACK has it without compression (RFC 7541 §5.2).
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut written = Vec::new();
    match text.len().checked_sub(127) {
        None => written.push(u8::try_from(text.len()).expect("a length")),
        Some(mut rest) => {
            written.push(127);
            while rest >= 128 {
                written.push(u8::try_from(rest % 128).expect("seven bits") | 128);
                rest /= 128;
            }
            written.push(u8::try_from(rest).expect("seven bits"));
        }
    }
    written.extend(text.as_bytes());
    written
}

/// The fields that begin a request.
pub(crate) fn request(method: &str, target: &str) -> Vec<u8> {
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":path", target),
        (":authority", "h"),
    ];
    fields.map(|(name, value)| field(name, value)).concat()
}

/// A request without a body, whole.
pub(crate) fn get(stream: u32, target: &str) -> Vec<u8> {
    frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        stream,
        &request("GET", target),
    )
}

/// What a server has sent.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// By their kinds.
    pub(crate) frames: [usize; 10],
    /// Heads of responses without a body.
    pub(crate) bodiless: usize,
    /// Acknowledgements of SETTINGS and of PING.
    pub(crate) settings_acks: usize,
    pub(crate) pongs: usize,
    /// Those of [`Frames::settled`].
    last_pongs: usize,
    /// The error of its last GOAWAY.
    pub(crate) goaway: Option<u32>,
    /// The connection has ended.
    pub(crate) ended: bool,
}

/// One connection of a client that writes what it is told and reads everything.
pub(crate) struct Frames {
    writer: Arc<AsyncMutex<OwnedWriteHalf>>,
    seen: Arc<Mutex<Seen>>,
    reading: JoinHandle<()>,
}

impl Frames {
    /// Nothing is sent until it is told to, not even what the protocol demands.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::start(address, false).await
    }

    /// With the preface and settings of nothing. It answers settings and pings.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::open_with(address, b"").await
    }

    pub(crate) async fn open_with(address: SocketAddr, settings: &[u8]) -> Self {
        let mut frames = Self::start(address, true).await;
        frames.send(PREFACE).await;
        frames.send(frame(SETTINGS, 0, 0, settings)).await;
        frames
    }

    async fn start(address: SocketAddr, answers: bool) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let (reader, writer) = stream.into_split();
        let writer = Arc::new(AsyncMutex::new(writer));
        let seen = Arc::<Mutex<Seen>>::default();
        let answering = answers.then(|| Arc::clone(&writer));
        let reading = tokio::spawn(read(reader, answering, Arc::clone(&seen)));
        Self {
            writer,
            seen,
            reading,
        }
    }

    /// Whether it could be written.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let writing = async { self.writer.lock().await.write_all(bytes.as_ref()).await };
        matches!(timeout(PATIENCE, writing).await, Ok(Ok(())))
    }

    /// Sends pieces in large writes, until there are no more or the server takes none.
    pub(crate) async fn flood(&mut self, pieces: impl Iterator<Item = Vec<u8>>) {
        let mut written = Vec::new();
        for piece in pieces {
            written.extend(piece);
            if written.len() >= 64 << 10 {
                if !self.send(&written).await {
                    return;
                }
                written.clear();
            }
        }
        self.send(&written).await;
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().expect("what was seen").clone()
    }

    /// Waits for the end of the connection, or until all that was sent has been dealt with.
    ///
    /// # Panics
    /// When neither comes.
    pub(crate) async fn settled(&mut self) -> Seen {
        let before = self.seen().last_pongs;
        self.send(frame(PING, 0, 0, LAST)).await;
        eventually("it ends, or answers the last frame", async || {
            let seen = self.seen();
            seen.ended || seen.last_pongs > before
        })
        .await;
        self.seen()
    }

    /// Waits for the end of the connection.
    pub(crate) async fn end(&mut self) -> Seen {
        let ended = timeout(PATIENCE, &mut self.reading).await;
        ended.expect("an end in time").expect("a reader");
        self.seen()
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    answering: Option<Arc<AsyncMutex<OwnedWriteHalf>>>,
    seen: Arc<Mutex<Seen>>,
) {
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 9];
        if reader.read_exact(&mut head).await.is_err() {
            break;
        }
        let [a, b, c, kind, flags, ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        payload.resize(length as usize, 0);
        if reader.read_exact(&mut payload).await.is_err() {
            break;
        }
        seen.lock()
            .expect("what was seen")
            .count(kind, flags, &payload);
        let answer = match (kind, flags) {
            (SETTINGS, 0) => frame(SETTINGS, ACK, 0, b""),
            (PING, 0) => frame(PING, ACK, 0, &payload),
            _ => continue,
        };
        // While a flood is written there is no place for it.
        if let Some(Ok(mut writer)) = answering.as_ref().map(|writer| writer.try_lock()) {
            let _ = writer.write_all(&answer).await;
        }
    }
    seen.lock().expect("what was seen").ended = true;
}

impl Seen {
    fn count(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        if let Some(count) = self.frames.get_mut(usize::from(kind)) {
            *count += 1;
        }
        match (kind, flags) {
            (HEADERS, _) if flags & END_STREAM != 0 => self.bodiless += 1,
            (SETTINGS, ACK) => self.settings_acks += 1,
            (PING, ACK) if payload == LAST => self.last_pongs += 1,
            (PING, ACK) => self.pongs += 1,
            (GOAWAY, _) => {
                let error = payload[4..8].try_into().expect("four bytes");
                self.goaway = Some(u32::from_be_bytes(error));
            }
            _ => {}
        }
    }
}
