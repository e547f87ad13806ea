//! `router serve`: everything opened in order, then the server until a signal stops it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use manifest::{Manifest, Origins};
use tokio::net::TcpListener;

use crate::config::{self, Config, Mode, Overrides};
use crate::function::Registry;
use crate::process::{self, Runtimes};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::{self, Format};
use crate::{open, reload, run};

#[derive(Args)]
pub(super) struct Options {
    /// Keep root's rights when started as root
    #[arg(long)]
    stay_root: bool,
}

pub(super) fn run(registry: &Registry, options: &Options) -> anyhow::Result<()> {
    let config = Config::from_environment(Mode::Serve)?;
    telemetry::start(Format::Json, &config.log_level);
    let manifest = manifest_of(registry.manifest, &config.overrides)?;
    process::prepare_folder(&config.base_path, options.stay_root)?;
    serve(registry, &config, &manifest, |_| {})
}

/// Serves until a signal. `listening` is called once with the bound address.
pub(super) fn serve(
    registry: &Registry,
    config: &Config,
    manifest: &Manifest,
    listening: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let format = match config.mode {
        Mode::Serve => Format::Json,
        Mode::Dev => Format::Text,
    };
    let mut runtimes = Runtimes::start().context("cannot start the threads")?;
    let access_log = AccessLog::start(format).context("cannot start the access log")?;
    let services = runtimes.services.handle().clone();
    let (compiled_in, overrides) = (registry.manifest, config.overrides.clone());
    let served = runtimes.functions.block_on(async {
        // Of a terminal that is closed, it is what ends `router dev`.
        let hangups = (config.mode == Mode::Serve).then(process::hangups);
        let hangups = hangups.transpose().context("cannot listen to SIGHUP")?;
        let app = open::app(registry, config, manifest, services, access_log.clone()).await?;
        let app = Arc::new(app);
        let listener = TcpListener::bind(config.address)
            .await
            .with_context(|| format!("cannot listen on {}", config.address))?;
        let address = listener.local_addr()?;
        tracing::info!("listening on http://{address}");
        listening(address);
        if let Some(hangups) = hangups {
            let read = move || manifest_of(compiled_in, &overrides);
            let folder = config.manifest_folder.clone();
            tokio::spawn(reload::at_each(hangups, app.clone(), folder, read));
        }
        tokio::select! {
            () = run::until(process::stop_signal(), listener, app, config.h2c) => Ok(()),
            () = runtimes.watchdog.stuck() => bail!("functions that do not yield hold all workers"),
        }
    });
    access_log.flush();
    // What still runs was cut off by the server; nobody waits for it here.
    runtimes.end();
    served
}

/// The manifest in use, with what the environment overrules.
///
/// # Errors
/// The report of its faults.
pub(super) fn manifest_of(compiled_in: &str, overrides: &Overrides) -> anyhow::Result<Manifest> {
    let (name, text) = config::manifest_text(compiled_in)?;
    let parsed = manifest::parse(&text);
    // Warnings are for `router check`.
    let mut manifest = parsed
        .manifest
        .with_context(|| manifest::render(&parsed.faults, &name, &text))?;
    if let Some(project) = &overrides.project_id {
        manifest.project.id.clone_from(project);
    }
    if let Some(target) = &overrides.function_target {
        if !manifest.functions.contains_key(target) {
            bail!("FUNCTION_TARGET is {target:?}, and {name} has no such function");
        }
        manifest.target = Some(target.clone());
    }
    if overrides.any_origin {
        let functions = manifest.functions.values_mut();
        for cors in functions
            .flat_map(|spec| &mut spec.cors)
            .chain(&mut manifest.default_cors)
        {
            cors.origins = Origins::Any;
        }
    }
    Ok(manifest)
}
