//! What tests of functions and of the runtime stand on: a server in the test's own process, and a
//! [`Context`] without one. Nothing in the product refers to this module.

mod context;
pub mod parsing;
mod pooler;
mod postgres;
mod proxy;
mod server;

pub use crate::database::Settings as DatabaseSettings;
pub use context::TestContext;
pub use postgres::Postgres;
pub use proxy::{Fault, FaultProxy};
pub use server::TestServer;

use std::path::PathBuf;

use crate::config::{Config, Mode, Overrides, proxies};
use crate::secrets::Secret;

/// What a [`TestServer`] takes events with.
pub const EVENT_TOKEN: &str = "the test server's event token";

/// A client that follows no redirects, so that a test would see one.
///
/// # Panics
/// When the TLS library cannot start.
pub fn http_client() -> reqwest::Client {
    crate::tls::http_client().expect("a client")
}

/// A folder of its own for one test, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("router-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is no reason to fail a test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the environment of a [`TestServer`] says beside the defaults; by default nothing.
#[derive(Default)]
pub struct Environment {
    /// RENDER
    pub on_render: bool,
    /// H2C
    pub h2c: bool,
    /// TRUSTED_PROXIES
    pub trusted_proxies: Option<&'static str>,
    /// ADMIN_TOKEN
    pub admin_token: Option<&'static str>,
    /// The folder of MANIFEST, where the hosting folder is.
    pub manifest_folder: PathBuf,
}

/// As `router dev` would be configured, on a free port, with its data in `folder`.
fn config(folder: &Folder, environment: &Environment) -> anyhow::Result<Config> {
    Ok(Config {
        mode: Mode::Dev,
        address: ([127, 0, 0, 1], 0).into(),
        h2c: environment.h2c,
        proxies: proxies(environment.on_render, environment.trusted_proxies)?,
        base_path: folder.0.clone(),
        database_url: None,
        jwks_url: "http://127.0.0.1:1/no-keys".to_owned(),
        oidc_jwks_url: "http://127.0.0.1:1/no-keys".to_owned(),
        app_check_jwks_url: "http://127.0.0.1:1/no-keys".to_owned(),
        identity_toolkit_url: "http://127.0.0.1:1".to_owned(),
        service_account_key: Ok(None),
        event_token: Some(Secret::new(EVENT_TOKEN.to_owned())),
        admin_token: environment
            .admin_token
            .map(|token| Secret::new(token.to_owned())),
        manifest_folder: environment.manifest_folder.clone(),
        overrides: Overrides::default(),
        log_level: "info".to_owned(),
    })
}
