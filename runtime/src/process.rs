//! The process around the server: its threads, its signals, its user.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::watchdog::{Watchdog, Workers};

/// The least number of worker threads: one function that computes must not be alone with all
/// connections.
const WORKERS: usize = 4;
/// The user of distroless images, and of ours.
pub(crate) const UNPRIVILEGED: u32 = 65532;

/// The runtime of connections and functions, and a second one for what all of them share (database
/// connections, keys): a task of that kind that a function woke just before it span would otherwise
/// wait for the function's end.
pub(crate) struct Runtimes {
    pub(crate) functions: Runtime,
    pub(crate) services: Runtime,
    /// Over the first.
    pub(crate) watchdog: Watchdog,
}

impl Runtimes {
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers::default();
        let joining = workers.clone();
        let functions = Builder::new_multi_thread()
            .worker_threads(cores.max(WORKERS))
            .thread_name("functions")
            .on_thread_start(move || joining.join())
            .enable_all()
            .build()?;
        let services = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("services")
            .enable_all()
            .build()?;
        let watchdog = Watchdog::start(functions.handle().clone(), workers)?;
        Ok(Self {
            functions,
            services,
            watchdog,
        })
    }

    /// Ends both and waits for nothing: one that is simply dropped waits for its threads, which no async
    /// code may.
    pub(crate) fn end(self) {
        self.functions.shutdown_background();
        self.services.shutdown_background();
    }
}

/// SIGHUP, which from now on does not end the process.
///
/// # Errors
/// When the system takes no handler.
pub(crate) fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Ends at SIGTERM or SIGINT.
pub(crate) async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Folders that nobody may hand over to one program.
const SHARED: [&str; 11] = [
    "/", "/bin", "/etc", "/home", "/lib", "/opt", "/root", "/srv", "/tmp", "/usr", "/var",
];

/// Raises the number of files that may be open to what the system allows: every connection is one.
/// Returns it.
pub(crate) fn raise_file_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// Prepares the folder of all data and, when started as root, becomes an unprivileged user for good.
///
/// A mounted disk belongs to root at first: its files are handed over once, and then the folder's
/// own owner says that this is done. Must run before any thread starts: on Linux each thread has its
/// user.
///
/// # Errors
/// A text for the operator, when the folder cannot be made or written.
pub(crate) fn prepare_folder(base: &Path, stay_root: bool) -> anyhow::Result<()> {
    if SHARED.iter().any(|shared| base == Path::new(shared)) {
        bail!(
            "{} is not a folder of the router's own; name one below it",
            base.display()
        );
    }
    std::fs::create_dir_all(base).with_context(|| {
        format!(
            "cannot make the data folder {}. Make it and give it to user {UNPRIVILEGED}, or start \
             as root, which hands it over",
            base.display()
        )
    })?;
    if Uid::effective().is_root() && !stay_root {
        let (user, group) = (Uid::from_raw(UNPRIVILEGED), Gid::from_raw(UNPRIVILEGED));
        hand_over(base, user, group)
            .with_context(|| format!("cannot hand {} over", base.display()))?;
        become_user(user, group)?;
    }
    let probe = base.join(format!(".probe-{}", std::process::id()));
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .with_context(|| {
            format!(
                "cannot write to the data folder {} as user {}. Run `chown -R {UNPRIVILEGED} {}`, \
                 or start as root, which does so and then drops root's rights",
                base.display(),
                Uid::effective(),
                base.display()
            )
        })
}

/// When root, becomes the owner of a file for good: what it makes beside the file (a lock, a log)
/// must not shut the owner out. Must run before any thread starts.
///
/// # Errors
/// A text for the operator.
pub(crate) fn become_owner(file: &Metadata) -> anyhow::Result<()> {
    if !Uid::effective().is_root() || file.uid() == 0 {
        return Ok(());
    }
    become_user(Uid::from_raw(file.uid()), Gid::from_raw(file.gid()))
}

fn become_user(user: Uid, group: Gid) -> anyhow::Result<()> {
    nix::unistd::setgroups(&[group]).context("cannot leave root's groups")?;
    nix::unistd::setresgid(group, group, group).context("cannot change the group")?;
    nix::unistd::setresuid(user, user, user).context("cannot change the user")
}

fn hand_over(folder: &Path, user: Uid, group: Gid) -> anyhow::Result<()> {
    if std::fs::metadata(folder)?.uid() == user.as_raw() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => hand_over(&entry.path(), user, group)?,
            false => own(&entry.path(), user, group)?,
        }
    }
    // Last, because it says that all below is done.
    own(folder, user, group)?;
    Ok(())
}

/// Of a symlink, the link itself.
fn own(path: &Path, user: Uid, group: Gid) -> std::io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user.as_raw()), Some(group.as_raw()))
}
