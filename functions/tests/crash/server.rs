//! A disk that outlives the processes on it, and a client that expects them to die.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::harness::router::{download_url, upload_url};
use crate::harness::{Call, KeyServer, PATIENCE, Reply, Token, disk, form, manifest};

/// Whose objects they all are.
pub(crate) const UID: &str = "U1";
const LISTENING: &str = "listening on http://";
const SIGKILL: i32 = 9;

/// A disk, and what every process on it is started with.
pub(crate) struct Site {
    folder: TempDir,
    keys: KeyServer,
    manifest: String,
    wrapper: Vec<String>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        // Reachable for the user that a router started as root becomes.
        let reachable = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new()
            .prefix("crash-test-")
            .permissions(reachable)
            .tempdir()
            .unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let keys = KeyServer::start().await;
        let site = Self {
            folder,
            keys,
            manifest: manifest::text(),
            wrapper: Vec::new(),
        };
        // These tests say how often an event fails; they have no time to wait for it.
        let retry = r#"{ attempts = 100, backoff = "10ms..50ms", window = "1h" }"#;
        site.set("functions.process_chunk", "retry", retry)
    }

    /// Serves under an edited copy of the manifest: `key = value` in `[section]`.
    pub(crate) fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.manifest = manifest::set(&self.manifest, section, key, value);
        self
    }

    /// Starts every process by this command, which gets the binary and its arguments at its end.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(ToString::to_string).collect();
        self
    }

    /// RENDER_DISK_BASE_PATH
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// A place for what a test writes down, beside the disk.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// # Panics
    /// When the process does not say that it listens.
    pub(crate) async fn start(&self, environment: &[(&str, &str)]) -> Server {
        let mut child = self.command(environment).spawn().expect("the binary");
        let log = Arc::<Mutex<String>>::default();
        let (announce, address) = oneshot::channel();
        let stderr = child.stderr.take().unwrap();
        tokio::spawn(collect(stderr, Arc::clone(&log), announce));
        let Ok(Ok(address)) = timeout(PATIENCE, address).await else {
            panic!("the router did not start:\n{}", log.lock().unwrap());
        };
        Server {
            address,
            token: Token::of(UID).signed(),
            child,
            log,
        }
    }

    fn command(&self, environment: &[(&str, &str)]) -> Command {
        let written = self.beside("manifest.toml");
        std::fs::write(&written, &self.manifest).unwrap();
        let mut words = self.wrapper.clone();
        words.extend([env!("CARGO_BIN_EXE_router"), "serve"].map(str::to_owned));
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("RENDER_DISK_BASE_PATH", self.disk())
            .env("FIREBASE_JWKS_URL", self.keys.url())
            .env("MANIFEST", written)
            .envs(environment.iter().copied())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// A process that listens, for now.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Server {
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("a running process")
    }

    /// Uploads an object of [`UID`] and returns the status; `None`: no whole answer came.
    pub(crate) async fn upload(&self, name: &str, bytes: &[u8]) -> Option<u16> {
        upload(self.address, &self.token, name, bytes).await
    }

    /// The same for an answer that is expected and looked into.
    pub(crate) async fn attempt(&self, name: &str, bytes: &[u8]) -> Reply {
        Call::new(self.address, "POST", &upload_url(UID))
            .bearer(&self.token)
            .form(form::file(name, bytes))
            .send()
            .await
    }

    pub(crate) async fn download(&self, name: &str) -> Reply {
        Call::new(self.address, "GET", &download_url(UID, name))
            .bearer(&self.token)
            .send()
            .await
    }

    /// Ends it as a power cut would, but for what the system has not written yet.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends it as the platform does.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let id = self.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(killed.unwrap().success());
        self.exit().await
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("an end in time").unwrap()
    }

    /// Waits for the fail point.
    ///
    /// # Panics
    /// When the process ends in another way, or goes on.
    pub(crate) async fn killed_itself(&mut self) {
        let status = self.exit().await;
        assert_eq!(status.signal(), Some(SIGKILL), "{}", self.log());
    }

    /// Whether it has ended already.
    pub(crate) fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// The files of uploads that are not finished.
pub(crate) fn staged(disk: &Path) -> Vec<String> {
    disk::staged(disk)
}

/// The files of objects, by their paths below the disk.
pub(crate) fn objects(disk: &Path) -> Vec<String> {
    let mut found = disk::files(disk);
    found.retain(|path| path.starts_with("user_chunks/"));
    found
}

/// See [`Server::upload`].
pub(crate) async fn upload(
    address: SocketAddr,
    token: &str,
    name: &str,
    bytes: &[u8],
) -> Option<u16> {
    let body = form::file(name, bytes);
    let head = Call::new(address, "POST", &upload_url(UID))
        .bearer(token)
        .header("connection", "close")
        .form_type()
        .header("content-length", body.len().to_string())
        .body("")
        .head();
    let mut stream = TcpStream::connect(address).await.ok()?;
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let sending = async {
        // An answer may come before the end of the request, and the connection end with it.
        let _ = writer.write_all(&head).await;
        let _ = writer.write_all(&body).await;
    };
    let reading = timeout(PATIENCE, reader.read_to_end(&mut answer));
    let ((), read) = tokio::join!(sending, reading);
    read.expect("an answer or an end in time").ok()?;
    status_of_whole(&answer)
}

/// The status of an answer, if it is there to its last byte.
fn status_of_whole(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let is_whole = body.len() == length.parse::<usize>().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    is_whole.then_some(status)
}

async fn collect(
    output: ChildStderr,
    log: Arc<Mutex<String>>,
    announce: oneshot::Sender<SocketAddr>,
) {
    let mut announce = Some(announce);
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once(LISTENING) {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
            let address = rest[..end.unwrap_or(rest.len())].parse();
            if let (Ok(address), Some(announce)) = (address, announce.take()) {
                // Nobody waits any more when the test has given up.
                let _ = announce.send(address);
            }
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}
