//! The program as a child process.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use runtime::testing::http_client;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of whoever sends events or reads the metrics.
pub(crate) const TOKEN: &str = "the token of these tests";
const LISTENING: &str = "listening on http://";

/// Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_faulty"))
            .args(["serve", "--stay-root"])
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("RENDER_DISK_BASE_PATH", folder.path().join("disk"))
            .env("ADMIN_TOKEN", TOKEN)
            .env("EVENT_TOKEN", TOKEN)
            .env("OWN", "a secret of its own")
            .env("OTHER", "another's secret")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (announce, address) = oneshot::channel();
        tokio::spawn(collect(child.stderr.take().unwrap(), log.clone(), announce));
        let Ok(Ok(address)) = timeout(PATIENCE, address).await else {
            panic!("it does not start:\n{}", log.lock().unwrap());
        };
        Self {
            child,
            address,
            log,
            _folder: folder,
        }
    }

    /// The status of `GET path`, on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> u16 {
        self.send(Method::GET, path, |call| call).await.0
    }

    /// Status and body of a call, on a connection of its own.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        prepare: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> (u16, String) {
        let call = http_client().request(method, self.url(path));
        let answer = async {
            let response = prepare(call).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        timeout(PATIENCE, answer).await.expect("it hangs")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends `GET path` and waits for nothing.
    pub(crate) fn begin(&self, path: &str) {
        let call = http_client().get(self.url(path));
        tokio::spawn(call.send());
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The first line of the log that says all of this.
    pub(crate) async fn logged(&self, words: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let mut lines = log.lines();
            if let Some(line) = lines.find(|line| words.iter().all(|word| line.contains(word))) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no {words:?} in\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it goes on").unwrap()
    }
}

async fn collect(
    stderr: ChildStderr,
    log: Arc<Mutex<String>>,
    announce: oneshot::Sender<SocketAddr>,
) {
    let mut announce = Some(announce);
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once(LISTENING)
            && let Some(announce) = announce.take()
        {
            let end = rest.find('"').unwrap_or(rest.len());
            // Nobody waits any more when the test has given up.
            let _ = announce.send(rest[..end].parse().unwrap());
        }
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}
