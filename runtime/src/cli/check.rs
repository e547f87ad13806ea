//! `router check`: the manifest's faults, all at once; and with `--env` what the process would meet
//! where it is going to run.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::{print, say};
use crate::config::{self, Config, Mode};
use crate::database::{Database, Settings};
use crate::function::Registry;
use crate::open;
use crate::process::Runtimes;

#[derive(Args)]
pub(super) struct Options {
    /// The manifest to check, in place of the one in use
    file: Option<String>,
    /// Print the faults as JSON, for editors
    #[arg(long)]
    json: bool,
    /// Check the environment too: variables, secrets and the files of hosting
    #[arg(long)]
    env: bool,
    /// Bring the database to the current schema, or say why that is refused
    #[arg(long)]
    migrate: bool,
}

pub(super) fn run(registry: &Registry, options: &Options) -> ExitCode {
    match check(registry, options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("router: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn check(registry: &Registry, options: &Options) -> anyhow::Result<bool> {
    let (name, text) = match &options.file {
        Some(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
            (file.clone(), text)
        }
        None => config::manifest_text(registry.manifest)?,
    };
    let parsed = manifest::parse(&text);
    if options.json {
        print(&manifest::to_json(&parsed.faults, &name));
    } else if !parsed.faults.is_empty() {
        say(&manifest::render(&parsed.faults, &name, &text));
    }
    let Some(manifest) = parsed.manifest else {
        return Ok(false);
    };
    let functions = open::functions(registry, &manifest)?;
    if options.env {
        let config = Config::from_environment(Mode::Serve)?;
        open::service_account(&config, &functions)?;
        config::secrets(&manifest)?;
        let folder = match &options.file {
            Some(file) => Path::new(file).parent().unwrap_or(Path::new("")).to_owned(),
            None => config::manifest_folder(),
        };
        open::hosting(&folder, &manifest)?;
    }
    if options.migrate {
        migrate(registry)?;
    }
    if !options.json {
        print(&format!(
            "{name}: {} functions, no errors",
            manifest.functions.len()
        ));
    }
    Ok(true)
}

fn migrate(registry: &Registry) -> anyhow::Result<()> {
    let config = Config::from_environment(Mode::Serve)?;
    let Some(url) = config.database_url else {
        print("NEON_DATABASE_URL is not set: the embedded database is migrated at start");
        return Ok(());
    };
    let runtimes = Runtimes::start()?;
    let settings = Settings {
        url: Some(url.expose().to_owned()),
        data_dir: config.base_path,
        migrations: registry.migrations,
    };
    let database = Database::open(settings, runtimes.services.handle().clone())?;
    runtimes
        .functions
        .block_on(database.migrate())
        .context("cannot migrate the database")?;
    print("the database has the current schema");
    Ok(())
}

pub(super) fn explain(code: &str) -> anyhow::Result<()> {
    let text = manifest::explain(code).with_context(|| format!("there is no fault {code}"))?;
    print(text);
    Ok(())
}
