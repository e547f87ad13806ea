//! Where the process runs: every environment variable it reads, read once, here and nowhere else.
//! What it does is in manifest.toml. `docs` of each variable: the README's table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use manifest::Manifest;

use crate::forwarded::TrustedProxies;
use crate::secrets::{Secret, Secrets};

const FIREBASE_KEYS: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
const APP_CHECK_KEYS: &str = "https://firebaseappcheck.googleapis.com/v1/jwks";
const IDENTITY_TOOLKIT: &str = "https://identitytoolkit.googleapis.com";
const SECRET_FILES: &str = "/etc/secrets";

pub(crate) struct Config {
    pub(crate) mode: Mode,
    pub(crate) address: SocketAddr,
    /// Whether HTTP/2 is spoken beside HTTP/1.1.
    pub(crate) h2c: bool,
    pub(crate) proxies: TrustedProxies,
    /// The folder that holds buckets, ledger and the embedded database.
    pub(crate) base_path: PathBuf,
    pub(crate) database_url: Option<Secret>,
    /// What the hosting folder is relative to: the folder of the manifest in use.
    pub(crate) manifest_folder: PathBuf,
    pub(crate) overrides: Overrides,
    pub(crate) jwks_url: String,
    /// Where the keys of Google's OIDC tokens are, with which Pub/Sub and Eventarc send events.
    pub(crate) oidc_jwks_url: String,
    /// Where the keys of App Check's tokens are.
    pub(crate) app_check_jwks_url: String,
    /// Where accounts are looked up, without a path.
    pub(crate) identity_toolkit_url: String,
    /// Read at once, with the rights that the process starts with; what is wrong with it concerns only
    /// whoever needs it.
    pub(crate) service_account_key: Result<Option<ServiceAccountKey>, String>,
    /// Whoever holds it may send events.
    pub(crate) event_token: Option<Secret>,
    /// Whoever holds it may read the metrics.
    pub(crate) admin_token: Option<Secret>,
    pub(crate) log_level: String,
}

/// The key file of a service account.
pub(crate) struct ServiceAccountKey {
    /// Which variable it comes from.
    pub(crate) variable: &'static str,
    pub(crate) file: Secret,
}

/// What the environment says in place of the manifest.
#[derive(Clone, Default)]
pub(crate) struct Overrides {
    /// `[project] id`
    pub(crate) project_id: Option<String>,
    /// The function that every path runs, as in the Functions Framework.
    pub(crate) function_target: Option<String>,
    /// Pages of every origin may call where those of some may: under `router dev`, whose pages come from a
    /// server on some port of this machine. Google's emulators do so too.
    pub(crate) any_origin: bool,
}

impl Overrides {
    pub(crate) fn from_environment() -> Self {
        Self {
            project_id: variable("FIREBASE_PROJECT_ID"),
            function_target: variable("FUNCTION_TARGET"),
            any_origin: false,
        }
    }
}

/// Under which command the process runs: `router dev` needs nothing to be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Serve,
    Dev,
}

impl Config {
    /// # Errors
    /// A text for the operator: which variable is wrong or missing, and what it should be.
    pub(crate) fn from_environment(mode: Mode) -> anyhow::Result<Self> {
        if mode == Mode::Serve && variable("FIREBASE_AUTH_EMULATOR_HOST").is_some() {
            bail!(
                "FIREBASE_AUTH_EMULATOR_HOST is set: it would make forged tokens valid. Unset it, \
                 or use `router dev`"
            );
        }
        Ok(Self {
            mode,
            address: address(mode)?,
            h2c: h2c()?,
            proxies: proxies(on_render(), variable("TRUSTED_PROXIES").as_deref())?,
            base_path: base_path(mode)?,
            database_url: match mode {
                Mode::Serve => secret("NEON_DATABASE_URL"),
                // Unsigned tokens must not write to a real database.
                Mode::Dev => None,
            },
            manifest_folder: manifest_folder(),
            overrides: Overrides {
                any_origin: mode == Mode::Dev,
                ..Overrides::from_environment()
            },
            jwks_url: url("FIREBASE_JWKS_URL", FIREBASE_KEYS)?,
            oidc_jwks_url: url("GOOGLE_JWKS_URL", GOOGLE_KEYS)?,
            app_check_jwks_url: url("APP_CHECK_JWKS_URL", APP_CHECK_KEYS)?,
            identity_toolkit_url: url("IDENTITY_TOOLKIT_URL", IDENTITY_TOOLKIT)?,
            service_account_key: service_account_key().map_err(|error| format!("{error:#}")),
            event_token: token("EVENT_TOKEN")?,
            admin_token: token("ADMIN_TOKEN")?,
            log_level: log_level()?,
        })
    }
}

fn address(mode: Mode) -> anyhow::Result<SocketAddr> {
    let port = match variable("PORT") {
        None => 8080,
        Some(port) => port
            .parse()
            .with_context(|| format!("PORT is {port:?}; write a number from 0 to 65535"))?,
    };
    let host = match (variable("HOST"), mode) {
        (Some(host), _) => host
            .parse()
            .with_context(|| format!("HOST is {host:?}; write an address such as 0.0.0.0"))?,
        (None, Mode::Serve) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        (None, Mode::Dev) => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    if mode == Mode::Dev && !is_loopback(host) {
        bail!(
            "HOST is {host}: `router dev` accepts unsigned tokens and serves only on a loopback \
             address. Unset HOST, or use `router serve`"
        );
    }
    Ok(SocketAddr::new(host, port))
}

fn h2c() -> anyhow::Result<bool> {
    match variable("H2C").as_deref() {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => bail!("H2C is {other:?}; write 1 for HTTP/2 beside HTTP/1.1, or unset it"),
    }
}

/// Whose `X-Forwarded-*` to believe: TRUSTED_PROXIES is `listed`.
///
/// # Errors
/// A text that names what is wrong with it.
pub(crate) fn proxies(on_render: bool, listed: Option<&str>) -> anyhow::Result<TrustedProxies> {
    match (on_render, listed) {
        (true, None) => Ok(TrustedProxies::Render),
        (true, Some(_)) => {
            bail!("TRUSTED_PROXIES is set, but on Render the proxies are known. Unset it")
        }
        (false, None) => Ok(TrustedProxies::Listed(Vec::new())),
        (false, Some(list)) => list.parse().map_err(|reason| {
            anyhow!(
                "TRUSTED_PROXIES: {reason}; write addresses and networks such as \
                 \"10.0.0.0/8, 192.0.2.7\""
            )
        }),
    }
}

fn on_render() -> bool {
    variable("RENDER").is_some()
}

fn url(name: &str, default: &str) -> anyhow::Result<String> {
    let url = variable(name).unwrap_or_else(|| default.to_owned());
    // It may hold a password, so it is not quoted.
    reqwest::Url::parse(&url)
        .with_context(|| format!("{name} is no URL; write an http or https URL"))?;
    Ok(url)
}

/// Short enough to guess is as good as none.
const SHORTEST_TOKEN: usize = 16;

fn token(name: &str) -> anyhow::Result<Option<Secret>> {
    match secret(name) {
        Some(token) if token.expose().len() < SHORTEST_TOKEN => {
            bail!("{name} has fewer than {SHORTEST_TOKEN} characters; write a random one")
        }
        token => Ok(token),
    }
}

/// A filter such as `info` or `warn,runtime=debug`. A word that is no level would be taken for a module
/// and switch everything off.
fn log_level() -> anyhow::Result<String> {
    let level = variable("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for part in level.split(',').filter(|part| !part.contains('=')) {
        if !levels.contains(&part.trim().to_ascii_lowercase().as_str()) {
            bail!("LOG_LEVEL is {level:?}; write one of {}", levels.join(", "));
        }
    }
    Ok(level)
}

fn is_loopback(host: IpAddr) -> bool {
    host.is_loopback() || host == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

/// The folder of all data, without the rest of the configuration: for commands that look at it.
///
/// # Errors
/// `serve` needs it to be set.
pub(crate) fn base_path(mode: Mode) -> anyhow::Result<PathBuf> {
    match (variable("RENDER_DISK_BASE_PATH"), mode) {
        (Some(path), _) => Ok(PathBuf::from(path)),
        (None, Mode::Dev) => Ok(PathBuf::from(".data")),
        (None, Mode::Serve) if on_render() => bail!(
            "RENDER_DISK_BASE_PATH is not set: on Render, uploads would vanish at the next deploy. \
             Set it to the mount path of a disk, as render.yaml does"
        ),
        (None, Mode::Serve) => bail!(
            "RENDER_DISK_BASE_PATH is not set. Set it to the folder that keeps uploads, or use \
             `router dev`, which keeps them in ./.data"
        ),
    }
}

/// The manifest to use: the file that `MANIFEST` names, `./manifest.toml` when present, or else
/// the one compiled in. Its name, for messages, and its text.
pub(crate) fn manifest_text(compiled_in: &str) -> anyhow::Result<(String, String)> {
    let path = match variable("MANIFEST") {
        Some(path) => path,
        None if PathBuf::from("manifest.toml").is_file() => "manifest.toml".to_owned(),
        None => {
            return Ok((
                "manifest.toml (compiled in)".to_owned(),
                compiled_in.to_owned(),
            ));
        }
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok((path, text))
}

/// The folder of [`manifest_text`]'s file; that of the process for the one compiled in.
pub(crate) fn manifest_folder() -> PathBuf {
    let file = variable("MANIFEST").map(PathBuf::from);
    file.as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""))
        .to_owned()
}

/// The secrets that the functions list, from the environment or from `/etc/secrets/{name}`.
///
/// # Errors
/// Every required one that is missing, with the functions that need it.
pub(crate) fn secrets(manifest: &Manifest) -> anyhow::Result<Secrets> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for function in manifest.functions.values() {
        for secret in &function.secrets {
            match self::secret(&secret.name) {
                Some(value) => found.push((secret.name.clone(), value)),
                None if secret.required => missing.push(format!(
                    "{} (for [functions.{}])",
                    secret.name, function.name
                )),
                None => {}
            }
        }
    }
    if !missing.is_empty() {
        bail!(
            "E008: missing secrets: {}. Set each as an environment variable or as the file \
             {SECRET_FILES}/NAME",
            missing.join(", ")
        );
    }
    Ok(found.into_iter().collect())
}

/// # Errors
/// A file that cannot be read, or both variables.
fn service_account_key() -> anyhow::Result<Option<ServiceAccountKey>> {
    const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
    const ENCODED: &str = "FIREBASE_SERVICE_ACCOUNT_BASE64";
    let key = |variable, text| ServiceAccountKey {
        variable,
        file: Secret::new(text),
    };
    match (variable(FILE), secret(ENCODED)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => bail!("{FILE} and {ENCODED} are both set. Unset one of them"),
        (Some(path), None) => {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{FILE}: cannot read {path}"))?;
            Ok(Some(key(FILE, text)))
        }
        (None, Some(encoded)) => {
            // `base64` breaks its lines.
            let letters: String = encoded.expose().split_ascii_whitespace().collect();
            let text = BASE64_STANDARD.decode(letters).ok();
            let text = text.and_then(|text| String::from_utf8(text).ok());
            let text = text.with_context(|| format!("{ENCODED} is not a text in base64"))?;
            Ok(Some(key(ENCODED, text)))
        }
    }
}

/// A variable, or a secret file of the platform.
fn secret(name: &str) -> Option<Secret> {
    let file = || {
        let text = std::fs::read_to_string(PathBuf::from(SECRET_FILES).join(name)).ok()?;
        Some(text.trim_end().to_owned())
    };
    variable(name).or_else(file).map(Secret::new)
}

/// Where a test wants the process to fail; see [`crate::failpoint`].
#[cfg(feature = "failpoints")]
pub(crate) fn failpoints() -> Option<String> {
    variable("FAILPOINT")
}

/// Which step a test wants left out; see [`crate::failpoint`].
#[cfg(feature = "failpoints")]
pub(crate) fn left_out() -> Option<String> {
    variable("MUTATE")
}

/// A variable that is set to nothing counts as unset.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
