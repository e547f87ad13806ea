//! The real binary as a child process: started, asked, stopped.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::event::EVENT_TOKEN;
use super::postgres::Database;
use super::{Call, Engine, KeyServer, PATIENCE, Reply, Wire, disk, eventually, form, manifest};

const LISTENING: &str = "listening on http://";

/// A router that has not been started yet.
pub(crate) struct Launch {
    arguments: &'static [&'static str],
    environment: Vec<(String, String)>,
    manifest: String,
    /// Of hosting's index.html, when there is hosting.
    page: Option<&'static str>,
    engine: Engine,
    database: Option<Database>,
}

impl Launch {
    /// `router serve` with the product's own manifest, on SQLite.
    pub(crate) fn new() -> Self {
        Self {
            arguments: &["serve"],
            environment: Vec::new(),
            manifest: manifest::text(),
            page: None,
            engine: Engine::Sqlite,
            database: None,
        }
    }

    /// Another command than `serve`.
    pub(crate) fn arguments(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    pub(crate) fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// A database of PostgreSQL that is prepared already.
    pub(crate) fn database(mut self, database: Database) -> Self {
        self.database = Some(database);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Serves under an edited copy of the manifest: `key = value` in `[section]`.
    pub(crate) fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.manifest = manifest::set(&self.manifest, section, key, value);
        self
    }

    /// Shows the files of a folder `public` beside the manifest: index.html with this content.
    pub(crate) fn hosting(mut self, page: &'static str) -> Self {
        self.manifest.push_str("\n[hosting]\npublic = \"public\"\n");
        self.page = Some(page);
        self
    }

    /// # Panics
    /// When the router does not say that it listens.
    pub(crate) async fn start(mut self) -> Router {
        if self.engine == Engine::Postgres && self.database.is_none() {
            self.database = Some(Database::new().await);
        }
        if let Some(database) = &self.database {
            let url = database.url();
            self = self.env("NEON_DATABASE_URL", url);
        }
        self.start_in(folder(), KeyServer::start().await).await
    }

    async fn start_in(self, folder: TempDir, keys: KeyServer) -> Router {
        let mut child = self.command(&folder, &keys).spawn().expect("the binary");
        let log = Arc::<Mutex<String>>::default();
        let printed = Arc::<Mutex<String>>::default();
        let (announce, address) = oneshot::channel();
        let stderr = child.stderr.take().expect("a pipe");
        tokio::spawn(collect(stderr, Arc::clone(&log), Some(announce)));
        let stdout = child.stdout.take().expect("a pipe");
        tokio::spawn(collect(stdout, Arc::clone(&printed), None));
        let address = timeout(PATIENCE, address).await;
        let Ok(Ok(address)) = address else {
            panic!("the router did not start:\n{}", log.lock().expect("log"));
        };
        Router {
            launch: self,
            keys,
            address,
            folder,
            child,
            log,
            printed,
        }
    }

    /// Runs what is expected to end by itself; its output and exit status.
    pub(crate) async fn output(self) -> Output {
        let keys = KeyServer::start().await;
        let folder = folder();
        let running = self.command(&folder, &keys).output();
        let ended = timeout(PATIENCE, running).await;
        ended.expect("an end in time").expect("the binary")
    }

    fn command(&self, folder: &TempDir, keys: &KeyServer) -> Command {
        let written = folder.path().join("edited-manifest.toml");
        std::fs::write(&written, &self.manifest).expect("a copy of the manifest");
        if let Some(page) = self.page {
            let public = folder.path().join("public");
            std::fs::create_dir_all(&public).expect("a folder");
            std::fs::write(public.join("index.html"), page).expect("a page");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_router"));
        command
            .args(self.arguments)
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("RENDER_DISK_BASE_PATH", disk_of(folder))
            .env("FIREBASE_JWKS_URL", keys.url())
            .env("GOOGLE_JWKS_URL", keys.url())
            .env("APP_CHECK_JWKS_URL", keys.url())
            .env("EVENT_TOKEN", EVENT_TOKEN)
            .env("MANIFEST", written)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, value) in &self.environment {
            // An empty value stands for a variable that is not there.
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        command
    }
}

/// A router that listens; killed when it is dropped.
pub(crate) struct Router {
    pub(crate) keys: KeyServer,
    pub(crate) address: SocketAddr,
    launch: Launch,
    folder: TempDir,
    child: Child,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
}

impl Router {
    pub(crate) async fn start() -> Self {
        Launch::new().start().await
    }

    /// Another process on the same disk, after this one has ended.
    pub(crate) async fn restart(self) -> Self {
        self.launch.start_in(self.folder, self.keys).await
    }

    /// Where the functions' rows are, if not on the disk.
    pub(crate) fn database(&self) -> Option<&Database> {
        self.launch.database.as_ref()
    }

    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self.address, method, target)
    }

    pub(crate) fn get(&self, target: &str) -> Call {
        self.call("GET", target)
    }

    pub(crate) fn post(&self, target: &str) -> Call {
        self.call("POST", target)
    }

    /// What apiService.js sends.
    pub(crate) async fn sync(&self, token: &str) -> Reply {
        let call = self.post("/auth_sync").bearer(token);
        let call = call.header("content-type", "application/json");
        call.body("{}").send().await
    }

    /// Sends a file to the seed's endpoint.
    pub(crate) async fn upload(&self, uid: &str, token: &str, name: &str, file: &[u8]) -> Reply {
        let call = self.post(&upload_url(uid)).bearer(token);
        call.form(form::file(name, file)).send().await
    }

    /// An upload half of which is being written, and what its connection has still to send.
    pub(crate) async fn begin_upload(
        &self,
        uid: &str,
        token: &str,
        name: &str,
        file: &[u8],
    ) -> (Wire, Vec<u8>) {
        let mut body = form::file(name, file);
        let rest = body.split_off(body.len() / 2);
        let length = (body.len() + rest.len()).to_string();
        let call = self.post(&upload_url(uid)).bearer(token).form_type();
        let mut wire = Wire::open(self.address).await;
        wire.send(call.header("content-length", length).body("").head())
            .await;
        wire.send(&body).await;
        eventually("the upload is being written", async || {
            !self.staged().is_empty()
        })
        .await;
        (wire, rest)
    }

    /// `name` as it stands in the URL, escapes and all.
    pub(crate) async fn download(&self, uid: &str, token: &str, name: &str) -> Reply {
        self.get(&download_url(uid, name))
            .bearer(token)
            .send()
            .await
    }

    /// RENDER_DISK_BASE_PATH
    pub(crate) fn disk(&self) -> PathBuf {
        disk_of(&self.folder)
    }

    /// Every file on the disk and around it; see [`disk::files`].
    pub(crate) fn files(&self) -> Vec<String> {
        disk::files(self.folder.path())
    }

    /// The files of uploads under way; see [`disk::staged`].
    pub(crate) fn staged(&self) -> Vec<String> {
        disk::staged(self.folder.path())
    }

    /// Waits until no unfinished file is left: one is removed after its caller has the answer.
    pub(crate) async fn nothing_staged(&self) {
        eventually("unfinished files are removed", async || {
            self.staged().is_empty()
        })
        .await;
    }

    /// Everything it has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("log").clone()
    }

    /// Everything it has written to stdout so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().expect("output").clone()
    }

    /// The folder it was started in, with the disk in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its id among the processes of the machine.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().expect("a running router")
    }

    /// What it needs of memory now (`VmRSS`), or needed at most (`VmHWM`), in KiB.
    pub(crate) fn memory(&self, line: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process()));
        let status = status.expect("a running router");
        let line = status.lines().find_map(|found| found.strip_prefix(line));
        let size = line.and_then(|line| line.strip_prefix(':')?.trim().strip_suffix(" kB"));
        size.expect("a size").parse().expect("a number")
    }

    /// Asks it to stop, as the platform does.
    pub(crate) async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Asks it to read its manifest again.
    pub(crate) async fn hang_up(&self) {
        self.signal("-HUP").await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.process().to_string();
        let kill = Command::new("kill").args([signal, &id]).status().await;
        assert!(kill.expect("kill").success());
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("a running router");
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("an exit in time").expect("an exit status")
    }
}

pub(crate) fn upload_url(uid: &str) -> String {
    format!("/api/v1/chunks/upload_chunk/{uid}")
}

pub(crate) fn download_url(uid: &str, name: &str) -> String {
    format!("/api/v1/chunks/download_chunk/{uid}/{name}")
}

/// Reachable for the user that a router started as root becomes.
fn folder() -> TempDir {
    let reachable = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new()
        .prefix("router-test-")
        .permissions(reachable)
        .tempdir()
        .expect("a folder");
    std::fs::create_dir(disk_of(&folder)).expect("a disk");
    folder
}

fn disk_of(folder: &TempDir) -> PathBuf {
    Path::join(folder.path(), "disk")
}

async fn collect(
    output: impl AsyncRead + Unpin,
    log: Arc<Mutex<String>>,
    mut announce: Option<oneshot::Sender<SocketAddr>>,
) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = listening(&line)
            && let Some(announce) = announce.take()
        {
            // Nobody waits any more when the test has given up.
            let _ = announce.send(address);
        }
        let mut log = log.lock().expect("log");
        log.push_str(&line);
        log.push('\n');
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(LISTENING)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// What auth_sync answers when it refuses, `{"status":"error","message":…}`.
pub(crate) fn refused(message: &str) -> Value {
    serde_json::json!({"status": "error", "message": message})
}
