//! What the figures were measured on and with.

use std::process::Command;

use anyhow::Context as _;

/// In one line each, for the table's foot.
///
/// # Errors
/// When the system does not tell.
pub(crate) fn description() -> anyhow::Result<Vec<String>> {
    let cpu = value("/proc/cpuinfo", "model name")?;
    let cores = std::thread::available_parallelism()?;
    let memory: f64 = value("/proc/meminfo", "MemTotal")?
        .trim_end_matches(" kB")
        .parse()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(", ");
    Ok(vec![
        format!(
            "{cpu}, {cores} cores, {:.0} GiB, Linux {}; load average at the end {load}",
            memory / 1024.0 / 1024.0,
            kernel.trim()
        ),
        [
            said("rustc", "--version")?,
            said("nginx", "-v")?,
            said("wrk", "-v")?,
            format!("Node {}", said("node", "--version")?),
            said("python3", "--version")?,
        ]
        .join("; "),
    ])
}

fn value(file: &str, key: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(key));
    let value = line
        .and_then(|line| line.split_once(':'))
        .context(key.to_owned())?;
    Ok(value.1.trim().to_owned())
}

/// The first line that a program says of itself; some say it on stderr, or end with a failure.
fn said(program: &str, argument: &str) -> anyhow::Result<String> {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .context(program.to_owned())?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said)?;
    let line = said.lines().next().unwrap_or_default();
    // wrk goes on with its copyright.
    Ok(line.split(" [").next().unwrap_or_default().to_owned())
}
