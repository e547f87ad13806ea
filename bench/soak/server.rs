//! The router under test: a process on a disk that outlives it, and what it takes of the machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::borrowed::manifest;

const PATIENCE: Duration = Duration::from_secs(120);

/// A disk, and what every process on it is started with.
pub(crate) struct Server {
    binary: PathBuf,
    /// Its manifest.
    text: String,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    pub(crate) address: SocketAddr,
    running: tokio::sync::Mutex<Option<Child>>,
    log: Arc<Log>,
    /// Which process runs now.
    process: watch::Sender<Option<u32>>,
}

/// What the processes said that was not of the usual.
#[derive(Default)]
struct Log {
    /// How often, by severity and message.
    lines: Mutex<BTreeMap<String, usize>>,
    listening: watch::Sender<usize>,
    reloaded: watch::Sender<usize>,
}

impl Server {
    pub(crate) fn new(
        binary: &Path,
        text: String,
        environment: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        // Reachable for the user that a router started as root becomes.
        let reachable = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new()
            .prefix("soak-")
            .permissions(reachable)
            .tempdir()?;
        std::fs::create_dir(folder.path().join("disk"))?;
        let server = Self {
            binary: std::path::absolute(binary)?,
            text,
            folder,
            environment,
            address: (Ipv4Addr::LOCALHOST, free_port()?).into(),
            running: tokio::sync::Mutex::default(),
            log: Arc::default(),
            process: watch::Sender::new(None),
        };
        server.write_manifest("[]")?;
        Ok(server)
    }

    /// With these `aliases` of hello_world.
    fn write_manifest(&self, aliases: &str) -> anyhow::Result<()> {
        let text = manifest::set(&self.text, "functions.hello_world", "aliases", aliases);
        // In one step, so that nobody reads half of it.
        let new = self.folder.path().join("new.toml");
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.manifest())?)
    }

    fn manifest(&self) -> PathBuf {
        self.folder.path().join("manifest.toml")
    }

    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        let mut listening = self.log.listening.subscribe();
        listening.mark_unchanged();
        let mut child = Command::new(&self.binary)
            .arg("serve")
            .env_clear()
            // As in the image.
            .env("MALLOC_ARENA_MAX", "2")
            .env("HOST", self.address.ip().to_string())
            .env("PORT", self.address.port().to_string())
            .env("RENDER_DISK_BASE_PATH", self.folder.path().join("disk"))
            .env("MANIFEST", self.manifest())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be run", self.binary.display()))?;
        let stderr = child.stderr.take().context("its stderr")?;
        tokio::spawn(read(stderr, Arc::clone(&self.log)));
        self.process.send_replace(child.id());
        *self.running.lock().await = Some(child);
        timeout(PATIENCE, listening.changed())
            .await
            .with_context(|| format!("the router did not start: {:?}", self.oddities()))??;
        Ok(())
    }

    /// Asks it to stop, as a platform does, and waits for the end.
    pub(crate) async fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.end().await?;
        anyhow::ensure!(status.success(), "SIGTERM ended the router with {status}");
        Ok(())
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.end().await?;
        Ok(())
    }

    /// Has it read a manifest with these aliases of hello_world, and waits until it has.
    pub(crate) async fn reload(&self, aliases: &str) -> anyhow::Result<()> {
        let mut reloaded = self.log.reloaded.subscribe();
        reloaded.mark_unchanged();
        self.write_manifest(aliases)?;
        self.signal(Signal::SIGHUP)?;
        timeout(PATIENCE, reloaded.changed())
            .await
            .context("the manifest was not read again")??;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let Some(id) = *self.process.borrow() else {
            bail!("no router runs");
        };
        Ok(kill(Pid::from_raw(i32::try_from(id)?), signal)?)
    }

    async fn end(&self) -> anyhow::Result<ExitStatus> {
        let mut running = self.running.lock().await;
        let mut child = running.take().context("no router runs")?;
        let status = timeout(PATIENCE, child.wait()).await;
        self.process.send_replace(None);
        Ok(status.context("the router does not end")??)
    }

    /// The id of the process that runs, unless it ended by itself.
    pub(crate) fn process(&self) -> Option<u32> {
        *self.process.borrow()
    }

    /// Lines of the log above INFO, with how often each came.
    pub(crate) fn oddities(&self) -> BTreeMap<String, usize> {
        self.log.lines.lock().expect("lines").clone()
    }
}

/// Resident KiB and open descriptors of a process; `None` when it is gone.
pub(crate) fn taken(process: u32) -> Option<(u64, usize)> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .strip_suffix(" kB")?;
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    Some((resident.parse().ok()?, open.count()))
}

async fn read(stderr: ChildStderr, log: Arc<Log>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains("listening on http://") {
            log.listening.send_modify(|starts| *starts += 1);
        }
        if line.contains("manifest read again") {
            log.reloaded.send_modify(|times| *times += 1);
        }
        // Most lines tell of a request that went as it should.
        if line.contains(r#""INFO""#) {
            continue;
        }
        let parsed: Value = serde_json::from_str(&line).unwrap_or_default();
        let text = |key: &str| parsed[key].as_str().map(str::to_owned);
        let severity = text("severity").or_else(|| text("level"));
        let said = match (severity, text("message")) {
            (Some(severity), Some(message)) => format!("{severity} {message}"),
            _ => line,
        };
        *log.lines
            .lock()
            .expect("lines")
            .entry(alike(&said))
            .or_default() += 1;
    }
}

/// The beginning of a line without its numbers, but for a status at the end.
fn alike(line: &str) -> String {
    let line: String = line.chars().take(160).collect();
    let (front, last) = line.rsplit_once(' ').unwrap_or(("", &line));
    let mut text = String::new();
    for letter in front.chars() {
        match letter {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            other => text.push(other),
        }
    }
    format!("{text} {last}")
}

/// Below the range from which the system gives ports to the sockets that ask for any: none of them comes by this
/// one while no router runs.
fn free_port() -> anyhow::Result<u16> {
    let first = u16::try_from(std::process::id() % 2_000)?;
    (0..2_000)
        .map(|step| 30_000 + (first + step) % 2_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("a free port")
}
