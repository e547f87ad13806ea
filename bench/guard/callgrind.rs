//! Counting instructions with callgrind: what a slow or a busy machine does not change, and what valgrind, which
//! shows every x86-64 processor with AVX2 as the same one, lets no newer processor change.
//!
//! What the kernel does is not counted; `rep movs` counts once for each byte.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

/// The instructions of a whole run of `program`, which is ended as a platform ends it when `drive` has had what
/// it wanted of it; one that ends by itself is waited for. The profile is written into `folder`.
pub(crate) fn count(
    program: &Command,
    folder: &Path,
    drive: impl FnOnce(&mut Child) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let profile = folder.join("callgrind.out");
    let mut running = under_callgrind(program, &profile)
        .spawn()
        .context("valgrind")?;
    let driven = drive(&mut running);
    // So that callgrind writes down what it counted.
    if running.try_wait()?.is_none() {
        let ended = Command::new("kill").arg(running.id().to_string()).status();
        ensure!(ended?.success(), "the program cannot be ended");
    }
    running.wait()?;
    driven?;
    total(&profile)
}

/// What one more costs: the difference between a run that does few and a run that does many, so that whatever a
/// start and an end cost is in neither.
pub(crate) fn slope(
    few: u64,
    many: u64,
    count: impl Fn(u64) -> anyhow::Result<u64>,
) -> anyhow::Result<u64> {
    let (least, most) = (count(few)?, count(many)?);
    let difference = most.checked_sub(least).context("more cost less")?;
    Ok(difference / (many - few))
}

fn under_callgrind(program: &Command, profile: &Path) -> Command {
    let mut option = OsString::from("--callgrind-out-file=");
    option.push(profile);
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--vgdb=no"])
        .arg(option)
        .arg(program.get_program())
        .args(program.get_args())
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// What a profile of callgrind ends with.
fn total(profile: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(profile).context("callgrind wrote nothing")?;
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(line.context("callgrind counted nothing")?.trim().parse()?)
}
