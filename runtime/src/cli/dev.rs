//! `router dev`: nothing configured, everything embedded, and lines to paste.

use std::net::SocketAddr;

use manifest::Manifest;

use super::{print, routes, serve, token};
use crate::config::{Config, Mode};
use crate::function::Registry;
use crate::process;
use crate::telemetry::{self, Format};

pub(super) fn run(registry: &Registry) -> anyhow::Result<()> {
    let config = Config::from_environment(Mode::Dev)?;
    telemetry::start(Format::Text, &config.log_level);
    let manifest = serve::manifest_of(registry.manifest, &config.overrides)?;
    process::prepare_folder(&config.base_path, true)?;
    serve::serve(registry, &config, &manifest, |address| {
        print(&format!("{}\n", routes::table(&manifest)));
        print(&examples(&manifest, address));
    })
}

/// The user that the printed token is of.
const DEMO: &str = "demo";

/// The manifest's examples, as commands that run as they stand.
fn examples(manifest: &Manifest, address: SocketAddr) -> String {
    let token = token::unsigned(&manifest.project.id, DEMO, Some("demo@example.com"));
    let mut text = format!(
        "Try it (the token is of the user {DEMO:?} and unsigned: only `router dev` accepts it):\n\n\
         BASE=http://{address}\nTOKEN={token}\n"
    );
    for line in manifest.functions.values().flat_map(|spec| &spec.examples) {
        text.push_str(line);
        text.push('\n');
    }
    text
}
