//! Opens everything that a server needs, in order, from its configuration and its manifest.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use manifest::{FunctionSpec, Manifest, Trigger};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::app::App;
use crate::config::{self, Config, Mode};
use crate::context::Backends;
use crate::database::{Database, DatabaseError, Settings};
use crate::function::{Function, Registry};
use crate::hosting::Hosting;
use crate::identity::{
    Accounts, AccountsSettings, AppVerifier, KeySource, KeySourceSettings, SenderVerifier,
    ServiceAccount, Verifier, Verifiers,
};
use crate::isolation::{self, Launch};
use crate::ledger::{Announcer, Subscription, Topic};
use crate::secrets::Secrets;
use crate::storage::Storage;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Causes;
use crate::{outbound, tls};

/// # Errors
/// A text for the operator: what cannot be opened, and why.
pub(crate) async fn app(
    registry: &Registry,
    config: &Config,
    manifest: &Manifest,
    services: Handle,
    access_log: Arc<AccessLog>,
) -> anyhow::Result<App> {
    let mut functions = functions(registry, manifest)?;
    if config.mode == Mode::Dev {
        // Its users are made up: nobody has their accounts.
        for (spec, _) in &mut functions {
            spec.check_revoked = false;
        }
    }
    let (storage, backends) = backends(registry, config, manifest, &services).await?;
    isolate(
        &mut functions,
        config,
        manifest,
        &backends.secrets,
        &services,
    );
    let verifiers = verifiers(config, manifest, &functions, &services)?;
    Ok(App::new(
        manifest.clone(),
        functions,
        hosting(&config.manifest_folder, manifest)?,
        (config.proxies.clone(), config.admin_token.clone()),
        verifiers,
        (storage, backends),
        access_log,
    ))
}

/// Puts the functions that ask for it into processes of their own.
fn isolate(
    functions: &mut [(FunctionSpec, Function)],
    config: &Config,
    manifest: &Manifest,
    secrets: &Secrets,
    services: &Handle,
) {
    for (spec, function) in functions {
        let Some(isolation) = spec.isolation else {
            continue;
        };
        let own = spec.secrets.iter().filter_map(|secret| {
            let value = secrets.get(&secret.name)?;
            Some((secret.name.clone(), value.to_owned()))
        });
        let launch = Launch {
            services: services.clone(),
            manifest: manifest.text.clone(),
            function: spec.name.clone(),
            memory: isolation.memory,
            base_path: config.base_path.clone(),
            database_url: database_url(config),
            secrets: own.collect(),
            log_level: config.log_level.clone(),
            log_is_json: config.mode == Mode::Serve,
        };
        *function = isolation::isolated(function, launch);
    }
}

/// `base`: the folder of the manifest.
///
/// # Errors
/// When the folder of the files is not there, or a file that a rewrite leads to.
pub(crate) fn hosting(base: &Path, manifest: &Manifest) -> anyhow::Result<Option<Hosting>> {
    let Some(spec) = &manifest.hosting else {
        return Ok(None);
    };
    let folder = base.join(&spec.public);
    let hosting = Hosting::open(&folder, spec, &manifest.rewrites)
        .with_context(|| format!("[hosting] public: the files in {}", folder.display()))?;
    Ok(Some(hosting))
}

/// The functions of the manifest, each with its code.
///
/// # Errors
/// The names for which one side has nothing: the manifest in use is not the one compiled in.
pub(crate) fn functions(
    registry: &Registry,
    manifest: &Manifest,
) -> anyhow::Result<Vec<(FunctionSpec, Function)>> {
    manifest
        .functions
        .values()
        .map(|spec| {
            let function = registry.functions.get(&*spec.name).with_context(|| {
                format!(
                    "E002: [functions.{}] has no code in this binary; build again with this manifest",
                    spec.name
                )
            })?;
            Ok((spec.clone(), function.clone()))
        })
        .collect()
}

pub(crate) async fn backends(
    registry: &Registry,
    config: &Config,
    manifest: &Manifest,
    services: &Handle,
) -> anyhow::Result<(Storage, Backends)> {
    let secrets = config::secrets(manifest)?;
    let storage = Storage::open(&config.base_path, &manifest.buckets, announcer(manifest)).await;
    let storage = storage
        .with_context(|| format!("cannot open the storage in {}", config.base_path.display()))?;
    let settings = Settings {
        url: database_url(config),
        data_dir: config.base_path.clone(),
        migrations: registry.migrations,
    };
    let backends = Backends {
        http: outbound::client(manifest, &secrets)?,
        secrets,
        storage: Some(storage.clone()),
        database: database(settings, services.clone()).await?,
        causes: Causes::default(),
    };
    Ok((storage, backends))
}

fn database_url(config: &Config) -> Option<String> {
    let url = config.database_url.as_ref();
    url.map(|url| url.expose().to_owned())
}

/// How long a start waits for the database: every second of it is downtime.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// A database that is down now may be up later, so it does not keep the process from starting; one
/// that holds something else does.
pub(crate) async fn database(settings: Settings, services: Handle) -> anyhow::Result<Database> {
    let database = Database::open(settings, services).context("NEON_DATABASE_URL")?;
    match timeout(DATABASE_PATIENCE, database.migrate()).await {
        Ok(Ok(())) => {}
        Ok(Err(DatabaseError::Refused(reason))) => anyhow::bail!("the database: {reason}"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database is not ready; trying again at first use");
        }
        Err(_) => tracing::warn!("the database does not answer; trying again at first use"),
    }
    Ok(database)
}

fn verifiers(
    config: &Config,
    manifest: &Manifest,
    functions: &[(FunctionSpec, Function)],
    services: &Handle,
) -> anyhow::Result<Verifiers> {
    let client = tls::http_client()?;
    let keys = |url: &str| {
        KeySource::new(KeySourceSettings {
            url: url.to_owned(),
            client: client.clone(),
            services: services.clone(),
        })
    };
    let unsigned = config.mode == Mode::Dev;
    let project = &manifest.project.id;
    let accounts = |account| {
        let settings = AccountsSettings {
            project: project.clone(),
            url: config.identity_toolkit_url.clone(),
            client: client.clone(),
            services: services.clone(),
        };
        Accounts::new(settings, account)
    };
    Ok(Verifiers {
        users: Verifier::new(project, keys(&config.jwks_url), unsigned),
        senders: SenderVerifier::new(config.event_token.clone(), keys(&config.oidc_jwks_url)),
        apps: AppVerifier::new(project, keys(&config.app_check_jwks_url), unsigned),
        accounts: service_account(config, functions)?.map(accounts),
    })
}

/// Who looks accounts up; `None` when no function asks for it.
///
/// # Errors
/// What is wrong with the service account that such a function needs.
pub(crate) fn service_account(
    config: &Config,
    functions: &[(FunctionSpec, Function)],
) -> anyhow::Result<Option<ServiceAccount>> {
    let asks = |(spec, _): &&(FunctionSpec, Function)| spec.enabled && spec.check_revoked;
    let Some((function, _)) = functions.iter().find(asks) else {
        return Ok(None);
    };
    let key = config.service_account_key.as_ref();
    let key = key.map_err(|error| anyhow!("{error}"))?;
    let key = key.as_ref().with_context(|| {
        format!(
            "E008: [functions.{}] says `check_revoked = true`, for which a service account looks accounts \
             up, and there is none. Set GOOGLE_APPLICATION_CREDENTIALS to the path of its key file, or \
             FIREBASE_SERVICE_ACCOUNT_BASE64 to the file in base64",
            function.name
        )
    })?;
    ServiceAccount::new(&key.file)
        .context(key.variable)
        .map(Some)
}

fn announcer(manifest: &Manifest) -> Announcer {
    let only_bucket = manifest.buckets.len() == 1;
    let public_name = manifest.project.bucket.clone().filter(|_| only_bucket);
    Announcer::new(subscriptions(manifest), public_name)
}

/// Which functions are told of which events.
pub(crate) fn subscriptions(manifest: &Manifest) -> Vec<Subscription> {
    let enabled = manifest.functions.values().filter(|spec| spec.enabled);
    let subscriptions = enabled.filter_map(|spec| {
        let topic = match &spec.trigger {
            Trigger::Storage(storage) => Topic::Objects {
                bucket: storage.bucket.clone(),
                event: storage.event,
                prefix: storage.prefix.clone(),
            },
            Trigger::Event(event) => Topic::Published {
                kind: event.kind.clone()?,
            },
            Trigger::Http(_) | Trigger::Callable(_) => return None,
        };
        Some(Subscription {
            function: spec.name.clone(),
            topic,
        })
    });
    subscriptions.collect()
}
