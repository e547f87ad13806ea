//! A server as a process: started, watched through /proc, and gone when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::client;

/// The core of the servers where they are measured by what they use of one, and that of the load.
pub(crate) const SERVER: &str = "0";
pub(crate) const LOAD: &str = "1";

const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a server that starts: less than any of them needs, and long enough to leave it the core.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

/// A free port, of this moment.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// When its first 200 came after it was started.
    pub(crate) ready_after: Duration,
    child: Child,
}

impl Server {
    /// Starts a program that listens at `address`, and returns when it has answered for `path`.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn start(
        mut command: Command,
        address: SocketAddr,
        path: &str,
    ) -> anyhow::Result<Self> {
        let program = command.get_program().to_owned();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| program.to_string_lossy().into_owned())?;
        let mut server = Self {
            address,
            ready_after: Duration::ZERO,
            child,
        };
        while !client::get(address, path, None).is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended: {status}", program.display());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{} does not answer",
                program.display()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
        server.ready_after = started.elapsed();
        Ok(server)
    }

    /// What all its threads have used of the processor.
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(clock_gettime(clock_getcpuclockid(self.pid())?)?.into())
    }

    /// Its resident memory, in MiB.
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        self.status("VmRSS:")
    }

    /// The most that it has been since [`Self::forget_peak`].
    ///
    /// # Errors
    /// When the process has ended.
    pub(crate) fn peak(&self) -> anyhow::Result<f64> {
        self.status("VmHWM:")
    }

    /// # Errors
    /// When the process has ended.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").context("clear_refs")
    }

    fn status(&self, key: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: f64 = kib.context("a process without memory")?.parse()?;
        Ok(kib / 1024.0)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // As a platform ends it; one that does not go is killed. What has ended already is fine.
        let _ = kill(self.pid(), Signal::SIGTERM);
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > Duration::from_secs(30) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// On that core only.
pub(crate) fn pinned(core: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(program.as_ref());
    command
}
