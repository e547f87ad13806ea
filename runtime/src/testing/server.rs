//! A server in the test's own process, on a free port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Environment, Folder, config};
use crate::app::App;
use crate::cli::unsigned_token;
use crate::function::Registry;
use crate::process::Runtimes;
use crate::telemetry::Format;
use crate::telemetry::access_log::AccessLog;
use crate::{open, reload, run};

/// Serves a registry's functions, on threads of its own as the product does, until it is dropped.
pub struct TestServer {
    address: SocketAddr,
    project: String,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    runtimes: Option<Runtimes>,
    /// `None` once it is killed: whoever holds it holds the disk.
    app: Option<Arc<App>>,
    manifest_folder: PathBuf,
    folder: Arc<Folder>,
}

/// How long [`TestServer::restart`] waits for threads that do not yield.
const LAST_BREATH: Duration = Duration::from_secs(10);

impl TestServer {
    /// # Errors
    /// What keeps a server from starting, such as the faults of the manifest.
    pub async fn start(registry: &Registry) -> anyhow::Result<Self> {
        Self::start_with(registry, &Environment::default()).await
    }

    /// # Errors
    /// As [`Self::start`], and what is wrong with the environment.
    pub async fn start_with(
        registry: &Registry,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        Self::start_on(Arc::new(Folder::new()?), registry, environment).await
    }

    async fn start_on(
        folder: Arc<Folder>,
        registry: &Registry,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let config = config(&folder, environment)?;
        let parsed = manifest::parse(registry.manifest);
        let manifest = parsed.manifest.with_context(|| {
            manifest::render(&parsed.faults, "manifest.toml", registry.manifest)
        })?;
        let access_log = AccessLog::start(Format::Json)?;
        let runtimes = Runtimes::start()?;
        let services = runtimes.services.handle().clone();
        let app = match open::app(registry, &config, &manifest, services, access_log).await {
            Ok(app) => Arc::new(app),
            Err(error) => {
                runtimes.end();
                return Err(error);
            }
        };
        let serving = app.clone();
        let listener = std::net::TcpListener::bind(config.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let h2c = config.h2c;
        let (stop, stopped) = oneshot::channel();
        let served = runtimes.functions.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener of this runtime");
            let stopped = async {
                // A dropped sender stops too.
                let _ = stopped.await;
            };
            run::until(stopped, listener, serving, h2c).await;
        });
        Ok(Self {
            address,
            project: manifest.project.id,
            stop: Some(stop),
            served: Some(served),
            runtimes: Some(runtimes),
            app: Some(app),
            manifest_folder: config.manifest_folder,
            folder,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `path` starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where the buckets, the ledger and the embedded database are.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// A token of that user, as `router dev` accepts it.
    pub fn token(&self, uid: &str) -> String {
        unsigned_token(&self.project, uid, None)
    }

    /// Puts another manifest in place, as SIGHUP does.
    ///
    /// # Errors
    /// Its faults, or what of it needs a restart; then the one in use stays.
    pub fn reload(&self, manifest: &str) -> anyhow::Result<()> {
        let parsed = manifest::parse(manifest);
        let report = || manifest::render(&parsed.faults, "manifest.toml", manifest);
        let manifest = parsed.manifest.clone().with_context(report)?;
        let app = self.app.as_ref().context("the server runs")?;
        reload::replace(app, &self.manifest_folder, manifest)?;
        Ok(())
    }

    /// Stops as SIGTERM would, and returns when the server has ended.
    ///
    /// # Errors
    /// When the server panicked.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.await?;
        }
        Ok(())
    }

    /// Ends as SIGKILL would, with everything cut off where it waits, and starts again on the same
    /// disk, at another address.
    ///
    /// # Errors
    /// As [`TestServer::start`].
    pub async fn restart(mut self, registry: &Registry) -> anyhow::Result<Self> {
        let folder = self.folder.clone();
        drop(self.app.take());
        if let Some(runtimes) = self.runtimes.take() {
            let killed = tokio::task::spawn_blocking(move || {
                runtimes.functions.shutdown_timeout(LAST_BREATH);
                runtimes.services.shutdown_timeout(LAST_BREATH);
            });
            killed.await?;
        }
        Self::start_on(folder, registry, &Environment::default()).await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(runtimes) = self.runtimes.take() {
            runtimes.end();
        }
    }
}
