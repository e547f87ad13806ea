//! The router and what it is compared with, each as the command that starts it.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use nix::unistd::{Uid, User, chown};
use tempfile::TempDir;

use crate::identity::Identity;
use crate::process::{Server, free_address, pinned};

/// Where programs find a disk: /tmp may be memory, which syncs at no cost.
const DISK: &str = "/var/tmp";
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
const PRODUCT_MANIFEST: &str = include_str!("../manifest.toml");

/// On which cores a server may run.
#[derive(Clone, Copy)]
pub(crate) enum Cores {
    /// On one, which the load leaves to it.
    One(&'static str),
    All,
}

impl Cores {
    fn command(self, program: &Path) -> Command {
        let mut command = match self {
            Self::One(core) => pinned(core, program),
            Self::All => Command::new(program),
        };
        // What is set for somebody else must not reach a server.
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

/// A server that can be started.
pub(crate) struct Launch {
    command: Command,
    address: SocketAddr,
    ready_path: &'static str,
}

impl Launch {
    /// Returns when it has answered.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn start(self) -> anyhow::Result<Server> {
        Server::start(self.command, self.address, self.ready_path)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }
}

pub(crate) struct Peers {
    installed: PathBuf,
    folder: TempDir,
    rounds: Option<usize>,
    folders: AtomicUsize,
    pub(crate) identity: Identity,
}

impl Peers {
    /// # Errors
    /// When there is no place for what they write.
    pub(crate) fn new(installed: &Path, rounds: Option<usize>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(DISK)?;
        // The servers become other users when they are started as root.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        Ok(Self {
            installed: std::path::absolute(installed)?,
            identity: Identity::new(folder.path())?,
            folder,
            rounds,
            folders: AtomicUsize::new(0),
        })
    }

    /// How often a row measures whose own number is `usual`.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }

    /// What image/test.sh measured, when it has run on this machine.
    pub(crate) fn image_bytes(&self) -> Option<f64> {
        let file = self.installed.with_file_name("image_bytes");
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// An empty one on the disk, which goes with the benchmark.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn new_folder(&self) -> anyhow::Result<PathBuf> {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(number.to_string());
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// A file beside the servers' folders.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The product, with data in `folder`.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn router_in(&self, folder: &Path, cores: Cores) -> anyhow::Result<Launch> {
        Ok(Launch {
            ready_path: "/hello_world",
            ..self.runtime("router", folder, cores)?
        })
    }

    /// The product, with its manifest and an empty folder.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn router(&self, cores: Cores) -> anyhow::Result<Launch> {
        self.router_in(&self.new_folder()?, cores)
    }

    /// The product, with a manifest in which a user may keep as much as the rows upload.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn roomy_router(&self, folder: &Path, cores: Cores) -> anyhow::Result<Launch> {
        let quota = PRODUCT_MANIFEST
            .lines()
            .filter(|line| line.starts_with("quota_per_user"));
        ensure!(quota.count() == 1, "the manifest has another quota");
        let lines = PRODUCT_MANIFEST
            .lines()
            .filter(|line| !line.starts_with("quota_per_user"));
        let roomy: Vec<&str> = lines.collect();
        let manifest = self.write("roomy.toml", &roomy.join("\n"))?;
        Ok(self.router_in(folder, cores)?.env("MANIFEST", manifest))
    }

    /// The runtime with the functions of bench/functions, and an empty folder.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn measured(&self, cores: Cores) -> anyhow::Result<Launch> {
        self.runtime("measured", &self.new_folder()?, cores)
    }

    fn runtime(&self, program: &str, folder: &Path, cores: Cores) -> anyhow::Result<Launch> {
        let address = free_address()?;
        let mut command = cores.command(&built(program)?);
        command
            .arg("serve")
            // Without a manifest.toml, so that it takes the one compiled in.
            .current_dir(folder)
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .env("RENDER_DISK_BASE_PATH", folder)
            .env("FIREBASE_JWKS_URL", self.identity.keys_url())
            // As the image sets it.
            .env("MALLOC_ARENA_MAX", "2")
            .stderr(Stdio::null());
        Ok(Launch {
            command,
            address,
            ready_path: "/healthz",
        })
    }

    /// hyper alone.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn bare(&self, arguments: &[&str], cores: Cores) -> anyhow::Result<Launch> {
        let address = free_address()?;
        let mut command = cores.command(&built("bare")?);
        command
            .args(arguments)
            .env("PORT", address.port().to_string());
        Ok(Launch {
            command,
            address,
            ready_path: "/hello_world",
        })
    }

    /// FastAPI on uvicorn, with one process for the core it gets, on uvloop and httptools.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn fastapi(&self, cores: Cores) -> anyhow::Result<Launch> {
        let address = free_address()?;
        let folder = self.new_folder()?;
        let mut command = cores.command(&self.installed.join("python/bin/python"));
        command
            .args([
                "-m",
                "uvicorn",
                "app:app",
                "--loop",
                "uvloop",
                "--http",
                "httptools",
            ])
            .args(["--no-access-log", "--log-level", "warning", "--app-dir"])
            .arg(Path::new(SOURCES).join("fastapi"))
            .args(["--port", &address.port().to_string()])
            .env("ID_TOKEN_CERT_URI", self.identity.certificates_url())
            .env(
                "GOOGLE_APPLICATION_CREDENTIALS",
                self.identity.account_file(),
            )
            .env("RENDER_DISK_BASE_PATH", &folder)
            // So that nothing is written into the checkout; what is installed is compiled already.
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(Launch {
            command,
            address,
            ready_path: "/hello_world",
        })
    }

    /// Google's Functions Framework for Node.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn framework(&self, cores: Cores) -> anyhow::Result<Launch> {
        let address = free_address()?;
        let folder = self.installed.join("functions-framework");
        let program = "node_modules/@google-cloud/functions-framework/build/src/main.js";
        let mut command = cores.command(&self.installed.join("node"));
        command
            .arg(folder.join(program))
            .args([
                "--target",
                "hello_world",
                "--port",
                &address.port().to_string(),
            ])
            .current_dir(&folder)
            .env("NODE_ENV", "production");
        Ok(Launch {
            command,
            address,
            ready_path: "/",
        })
    }

    /// nginx, whose files are in `folder/files`.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub(crate) fn nginx(&self, folder: &Path, cores: Cores) -> anyhow::Result<Launch> {
        let address = free_address()?;
        let mut user = String::new();
        for name in ["files", "temp"] {
            let below = folder.join(name);
            std::fs::create_dir(&below)?;
            // Its workers are nobody when it is started as root.
            if Uid::effective().is_root() {
                let nobody = User::from_name("nobody")?.context("there is no user nobody")?;
                chown(&below, Some(nobody.uid), Some(nobody.gid))?;
                user = "user nobody nogroup;".to_owned();
            }
        }
        std::fs::write(folder.join("files/ready"), "ready")?;
        let template = std::fs::read_to_string(Path::new(SOURCES).join("nginx.conf"))?;
        let configuration = template
            .replace("{folder}", &folder.to_string_lossy())
            .replace("{port}", &address.port().to_string())
            .replace("{user}", &user);
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let mut command = cores.command(Path::new("nginx"));
        command.arg("-e").arg("stderr").arg("-c").arg(file);
        Ok(Launch {
            command,
            address,
            ready_path: "/ready",
        })
    }
}

/// A program of this workspace: beside this one.
///
/// # Errors
/// When it is not built.
pub(crate) fn built(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(program);
    ensure!(path.is_file(), "{} is not built", path.display());
    Ok(path)
}
