//! Bursts of load at one server, and what a request cost it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::process::{LOAD, Server, pinned};

const CONNECTIONS: &str = "64";
/// Long enough that the ends of a burst do not count, short enough that a round is over before the machine's
/// mood changes.
const LENGTH: &str = "1s";

/// What is asked for.
pub(crate) struct Load {
    pub(crate) path: String,
    /// wrk's own, in Lua, when it is more than a GET of the path.
    pub(crate) script: Option<PathBuf>,
}

impl Load {
    pub(crate) fn get(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            script: None,
        }
    }
}

/// What one burst told.
pub(crate) struct Burst {
    pub(crate) requests_per_second: f64,
    /// Of the server's processor, in microseconds.
    pub(crate) cpu: f64,
}

/// # Errors
/// When a request fails.
pub(crate) fn burst(server: &Server, load: &Load) -> anyhow::Result<Burst> {
    // Patient: what is slow counts, and what fails ends the row.
    let mut wrk = pinned(LOAD, "wrk");
    wrk.args(["--timeout", "30s"]);
    wrk.args([
        "--threads",
        "1",
        "--connections",
        CONNECTIONS,
        "--duration",
        LENGTH,
    ]);
    if let Some(script) = &load.script {
        wrk.arg("--script").arg(script);
    }
    wrk.arg(format!("http://{}{}", server.address, load.path));
    let before = server.cpu()?;
    let output = wrk.output().context("wrk")?;
    let used = server.cpu()? - before;
    let report = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "wrk: {report}");
    let failed = ["Non-2xx", "Socket errors"]
        .iter()
        .any(|sign| report.contains(sign));
    ensure!(!failed, "{} failed: {report}", load.path);
    let requests = requests(&report).context("wrk's report")?;
    ensure!(requests > 0.0, "{} is not answered: {report}", load.path);
    Ok(Burst {
        requests_per_second: requests_per_second(&report).context("wrk's report")?,
        cpu: microseconds(used) / requests,
    })
}

/// Of `  123456 requests in 1.00s, 12.34MB read`.
fn requests(report: &str) -> Option<f64> {
    let line = report.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Of `Requests/sec: 123456.78`.
fn requests_per_second(report: &str) -> Option<f64> {
    let number = report
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"))?;
    number.trim().parse().ok()
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// One column of many bursts.
pub(crate) fn column(bursts: &[Burst], of: impl Fn(&Burst) -> f64) -> Vec<f64> {
    bursts.iter().map(of).collect()
}
