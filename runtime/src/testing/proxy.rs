//! A network that misbehaves: a proxy before a server, which does to the bytes what a test says.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to a connection, from when it is said on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everything passes.
    None,
    /// Each piece is late, in either direction.
    Late(Duration),
    /// So many bytes a second, in either direction.
    Slow(u32),
    /// Half open: nothing passes, not even an end, and nothing is lost when that is over.
    Silent,
    Reset,
    /// What the client sends with this text in it is lost, and the connection reset. Then everything passes.
    LoseRequest(&'static str),
    /// The same reaches the server; when a server that speaks PostgreSQL's protocol is done with it, its answer is
    /// lost and the connection reset.
    LoseAnswer(&'static str),
}

/// A proxy on a port of its own. It lives as long as the runtime that it was made on.
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Where it leads.
    server: AtomicU16,
    accepted: AtomicUsize,
    faults: Mutex<Faults>,
}

struct Faults {
    /// Of connections that come.
    next: Fault,
    open: Vec<watch::Sender<Fault>>,
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self, fault: Fault) {
        let mut faults = self.faults();
        faults.next = fault;
        for open in &faults.open {
            open.send_replace(fault);
        }
    }
}

impl FaultProxy {
    /// Leads to a port of this machine, without a fault.
    ///
    /// # Panics
    /// When there is no port left.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            server: server.into(),
            accepted: AtomicUsize::new(0),
            faults: Mutex::new(Faults {
                next: Fault::None,
                open: Vec::new(),
            }),
        });
        tokio::spawn(accept(listener, shared.clone()));
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happens to all connections, those that are open and those that come.
    pub fn does(&self, fault: Fault) {
        self.shared.all(fault);
    }

    /// What happens to the connections that are open, and to no other.
    pub fn does_to_the_open(&self, fault: Fault) {
        for open in &self.shared.faults().open {
            open.send_replace(fault);
        }
    }

    /// What happens to all connections now. A loss that has happened is over.
    pub fn fault(&self) -> Fault {
        self.shared.faults().next
    }

    /// From now on connections that come lead there.
    pub fn leads_to(&self, server: u16) {
        self.shared.server.store(server, Ordering::Relaxed);
    }

    /// How many connections have come.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let (says, fault) = watch::channel(shared.faults().next);
        shared.faults().open.push(says);
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(carry(client, fault, shared.clone()));
    }
}

async fn carry(client: TcpStream, fault: watch::Receiver<Fault>, shared: Arc<Shared>) {
    let mut client = client;
    let ended = between(&mut client, fault, &shared).await;
    if ended.is_err() {
        // Without a goodbye; a connection that has ended already has none to say.
        let _ = client.set_zero_linger();
    }
}

/// # Errors
/// When the connection is to be reset.
async fn between(
    client: &mut TcpStream,
    fault: watch::Receiver<Fault>,
    shared: &Shared,
) -> io::Result<()> {
    let mut reset = fault.clone();
    let carrying = async {
        let port = shared.server.load(Ordering::Relaxed);
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let is_lost = AtomicBool::new(false);
        let link = Link {
            fault,
            is_lost: &is_lost,
            shared,
        };
        tokio::select! {
            ended = link.clone().requests(from_client, to_server) => ended,
            ended = link.answers(from_server, to_client) => ended,
        }
    };
    tokio::select! {
        biased;
        _ = reset.wait_for(|fault| *fault == Fault::Reset) => Err(io::ErrorKind::ConnectionReset.into()),
        ended = carrying => ended,
    }
}

/// One connection, in one direction.
#[derive(Clone)]
struct Link<'p> {
    fault: watch::Receiver<Fault>,
    /// Whether the answer to what was sent is to be lost.
    is_lost: &'p AtomicBool,
    shared: &'p Shared,
}

impl Link<'_> {
    async fn requests(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut piece = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut piece).await?;
            self.until_it_may_pass().await;
            if length == 0 {
                return Ok(());
            }
            let has = |text: &str| {
                let mut windows = piece[..length].windows(text.len());
                windows.any(|window| window == text.as_bytes())
            };
            let fault = *self.fault.borrow();
            match fault {
                Fault::LoseRequest(text) if has(text) => return Err(self.lose()),
                Fault::LoseAnswer(text) if has(text) => self.is_lost.store(true, Ordering::Relaxed),
                _ => {}
            }
            self.pass(&piece[..length], &mut to).await?;
        }
    }

    async fn answers(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        /// ReadyForQuery, outside of a transaction.
        const DONE: &[u8] = b"Z\0\0\0\x05I";
        let mut piece = vec![0; 16 << 10];
        loop {
            let length = from.read(&mut piece).await?;
            self.until_it_may_pass().await;
            if length == 0 {
                return Ok(());
            }
            if !self.is_lost.load(Ordering::Relaxed) {
                self.pass(&piece[..length], &mut to).await?;
            } else if piece[..length].ends_with(DONE) {
                return Err(self.lose());
            }
        }
    }

    async fn until_it_may_pass(&mut self) {
        // An error is the end of the proxy, which ends this too.
        let _ = self.fault.wait_for(|fault| *fault != Fault::Silent).await;
    }

    async fn pass(&mut self, piece: &[u8], to: &mut WriteHalf<'_>) -> io::Result<()> {
        let fault = *self.fault.borrow();
        if let Fault::Late(time) = fault {
            tokio::time::sleep(time).await;
        }
        let mut rest = piece;
        while !rest.is_empty() {
            let Fault::Slow(each_second) = *self.fault.borrow() else {
                return to.write_all(rest).await;
            };
            // A hundred times a second, or a byte at a time: timers are no finer.
            let length = rest.len().min((each_second as usize / 100).max(1));
            to.write_all(&rest[..length]).await?;
            rest = &rest[length..];
            let time = Duration::from_secs(1).mul_f64(length as f64 / f64::from(each_second));
            tokio::time::sleep(time).await;
        }
        Ok(())
    }

    /// The loss happens once.
    fn lose(&self) -> io::Error {
        self.shared.all(Fault::None);
        io::ErrorKind::ConnectionReset.into()
    }
}
