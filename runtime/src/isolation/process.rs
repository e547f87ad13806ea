//! The process of one isolated function: started when it is needed, replaced when it has ended.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::wire::Boot;
use super::{END, unavailable};
use crate::error::{Error, Result};

/// How long a start may take.
const START: Duration = Duration::from_secs(10);
/// The wait before a replacement doubles with each process that did not live long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const LONG_LIFE: Duration = Duration::from_secs(60);
/// What an invocation waits for a replacement; beyond it, its caller is told to.
const PATIENCE: Duration = Duration::from_secs(1);

/// How to start it.
#[derive(Clone)]
pub(crate) struct Launch {
    /// Its threads live as long as the process.
    pub(crate) services: Handle,
    pub(crate) manifest: Arc<str>,
    pub(crate) function: String,
    pub(crate) memory: u64,
    pub(crate) base_path: PathBuf,
    pub(crate) database_url: Option<String>,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) log_level: String,
    pub(crate) log_is_json: bool,
}

/// The process that runs now, if any, and when there may be another.
pub(super) struct Process {
    launch: Launch,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<(Instant, Arc<Running>)>,
    /// Processes in a row that did not live long.
    short_lives: u32,
    not_before: Option<Instant>,
}

impl Process {
    pub(super) fn new(launch: Launch) -> Self {
        Self {
            launch,
            state: Mutex::default(),
        }
    }

    /// The one that runs, or a new one.
    ///
    /// # Errors
    /// 503 while it waits to be started again, internal when it cannot be started.
    pub(super) async fn running(&self) -> Result<Arc<Running>> {
        let mut state = self.state.lock().await;
        if let Some((started, running)) = &state.running {
            let Some(ended) = running.has_ended() else {
                return Ok(running.clone());
            };
            let lived = ended.saturating_duration_since(*started);
            state.ended(lived, ended);
        }
        if let Some(at) = state.not_before {
            let wait = at.saturating_duration_since(Instant::now());
            if wait > PATIENCE {
                return Err(unavailable(wait));
            }
            sleep_until(at).await;
        }
        let launch = self.launch.clone();
        // There, because the child ends with the thread that started it.
        let start = self
            .launch
            .services
            .spawn(async move { launch.start().await });
        let started = start.await.map_err(Error::internal)?;
        match started {
            Ok(running) => {
                let running = Arc::new(running);
                state.running = Some((Instant::now(), running.clone()));
                Ok(running)
            }
            Err(error) => {
                state.ended(Duration::ZERO, Instant::now());
                let name = &self.launch.function;
                let cause = format!("the process of [functions.{name}] cannot start: {error:#}");
                Err(Error::internal(cause))
            }
        }
    }
}

impl State {
    fn ended(&mut self, lived: Duration, at: Instant) {
        self.running = None;
        self.short_lives = match lived < LONG_LIFE {
            true => self.short_lives + 1,
            false => 0,
        };
        self.not_before = Some(at + wait(self.short_lives));
    }
}

/// After so many short lives in a row.
fn wait(short_lives: u32) -> Duration {
    match short_lives {
        0 => Duration::ZERO,
        lives => LONGEST_WAIT.min(FIRST_WAIT * 2u32.saturating_pow((lives - 1).min(20))),
    }
}

impl Launch {
    async fn start(&self) -> anyhow::Result<Running> {
        // A name that no file has, so that nothing is left behind. Others may connect to it; the child
        // hangs up on whoever is not its parent.
        let name = format!("router-{}", uuid::Uuid::new_v4().simple());
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        // Also when the file has been replaced by now.
        let child = Command::new("/proc/self/exe")
            .arg("child")
            .args(["--parent", &std::process::id().to_string()])
            .args(["--memory", &self.memory.to_string()])
            .env_clear()
            // The arenas of glibc reserve more memory than they use, and reservations count.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            // What a terminal sends to its foreground is for the router alone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id();
        let running = Running::new(child, format!("\0{name}"), self.function.clone());
        timeout(START, self.boot(&running))
            .await
            .context("it takes too long")??;
        tracing::info!(function = self.function, process = id, "process started");
        Ok(running)
    }

    /// Tells it what to be, and waits until it is.
    async fn boot(&self, running: &Running) -> anyhow::Result<()> {
        let boot = Boot {
            manifest: self.manifest.to_string(),
            function: self.function.clone(),
            base_path: self.base_path.clone(),
            database_url: self.database_url.clone(),
            secrets: self.secrets.clone(),
            log_level: self.log_level.clone(),
            log_is_json: self.log_is_json,
        };
        let boot = serde_json::to_vec(&boot)?;
        match running.ask(&boot).await.as_deref() {
            Ok(READY) => Ok(()),
            // It also hangs up where the kernel does not tell it who connects.
            Ok("") | Err(_) => match timeout(END, running.ended()).await {
                Ok(how) => bail!("it ended: {how}"),
                Err(_) => bail!("it hung up"),
            },
            Ok(fault) => bail!("{fault}"),
        }
    }
}

/// What the child says when it can run its function; anything else is why it cannot.
pub(super) const READY: &str = "ready";

/// A process that was started. Killed when nobody holds it any more.
pub(super) struct Running {
    /// In the abstract namespace, hence with a leading NUL.
    address: String,
    kill: mpsc::UnboundedSender<&'static str>,
    ended: watch::Receiver<Option<(Instant, String)>>,
}

impl Running {
    fn new(mut child: Child, address: String, function: String) -> Self {
        let (kill, mut killed) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(None);
        tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                // Or nobody needs it any more.
                reason = killed.recv() => {
                    if let Some(reason) = reason {
                        tracing::warn!(function, reason, "process killed");
                    }
                    // It may have ended by itself just now.
                    let _ = child.start_kill();
                    child.wait().await
                }
            };
            let how = how(&status);
            tracing::warn!(function, "process ended: {how}");
            // Nobody may be interested any more.
            let _ = end.send(Some((Instant::now(), how)));
        });
        Self {
            address,
            kill,
            ended,
        }
    }

    /// # Errors
    /// When it has ended, or accepts nobody any more.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        loop {
            match UnixStream::connect(&self.address).await {
                // Its queue of connections is full.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(Duration::from_millis(5)).await;
                }
                connected => return connected,
            }
        }
    }

    /// Everything it answers to all of this.
    async fn ask(&self, question: &[u8]) -> io::Result<String> {
        let mut stream = self.connect().await?;
        stream.write_all(question).await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// When it ended.
    fn has_ended(&self) -> Option<Instant> {
        self.ended.borrow().as_ref().map(|(at, _)| *at)
    }

    /// Ends with the process; how it did.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some((_, how))) => how.clone(),
            Ok(None) | Err(_) => "nobody knows how".to_owned(),
        }
    }

    pub(super) fn kill(&self, reason: &'static str) {
        // Otherwise it has ended.
        let _ = self.kill.send(reason);
    }
}

/// In the words of the standard library: `signal: 9 (SIGKILL)`.
fn how(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ends_again_and_again_is_started_less_and_less_often() {
        for (short_lives, milliseconds) in [
            (0, 0),
            (1, 100),
            (2, 200),
            (3, 400),
            (9, 25_600),
            (10, 30_000),
            (u32::MAX, 30_000),
        ] {
            assert_eq!(wait(short_lives), Duration::from_millis(milliseconds));
        }
    }

    #[test]
    fn a_long_life_is_forgiven() {
        let mut state = State::default();
        let now = Instant::now();
        for expected in [100, 200, 400] {
            state.ended(Duration::from_secs(1), now);
            assert_eq!(
                state.not_before,
                Some(now + Duration::from_millis(expected))
            );
        }
        state.ended(LONG_LIFE, now);
        assert_eq!(state.not_before, Some(now));
        state.ended(Duration::ZERO, now);
        assert_eq!(state.not_before, Some(now + FIRST_WAIT));
    }
}
