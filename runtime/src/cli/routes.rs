//! `router routes`: every concrete URL of every function, as a table.

use manifest::{Auth, FunctionSpec, Manifest, StorageEvent, Trigger};

use super::{align, print, serve};
use crate::config::Overrides;
use crate::function::Registry;

pub(super) fn run(registry: &Registry) -> anyhow::Result<()> {
    print(&table(&serve::manifest_of(
        registry.manifest,
        &Overrides::from_environment(),
    )?));
    Ok(())
}

pub(super) fn table(manifest: &Manifest) -> String {
    let heading = ["METHOD", "URL", "FUNCTION", "AUTH", "CORS", "LIMITS"].map(str::to_owned);
    let mut rows = vec![heading];
    for spec in manifest.functions.values() {
        for (method, url) in urls(manifest, spec) {
            rows.push([
                method,
                url,
                spec.name.clone(),
                auth(spec.auth).to_owned(),
                spec.cors
                    .as_ref()
                    .map_or("none", |cors| &cors.name)
                    .to_owned(),
                limits(spec),
            ]);
        }
    }
    align(&rows)
}

/// Each form of URL, and for a storage function the event itself.
fn urls(manifest: &Manifest, spec: &FunctionSpec) -> Vec<(String, String)> {
    let (method, subpaths, routes) = match &spec.trigger {
        Trigger::Http(http) => ("*", http.subpaths, http.routes.as_slice()),
        Trigger::Callable(_) => ("POST", true, &[][..]),
        Trigger::Event(event) => ("POST", event.subpaths, &[][..]),
        Trigger::Storage(_) => ("POST", false, &[][..]),
    };
    let tail = if subpaths { "[/*]" } else { "" };
    let project = &manifest.project;
    let names: Vec<&String> = std::iter::once(&spec.name).chain(&spec.aliases).collect();
    let mut urls = Vec::new();
    if let Trigger::Storage(storage) = &spec.trigger {
        let objects = format!(
            "{} of {}/{}*",
            event(storage.event),
            storage.bucket,
            storage.prefix
        );
        urls.push(("EVENT".to_owned(), objects));
    }
    let mut add = |url: String| urls.push((method.to_owned(), url));
    for name in &names {
        for region in &project.regions {
            add(format!(
                "//{region}-{}.cloudfunctions.net/{name}{tail}",
                project.id
            ));
        }
        let service = name.to_ascii_lowercase().replace('_', "-");
        add(format!("//{service}-*.run.app/*"));
    }
    for rewrite in &manifest.rewrites {
        if names.contains(&&rewrite.function) {
            add(rewrite.source.clone());
        }
    }
    for name in &names {
        add(format!("/{name}{tail}"));
    }
    for name in &names {
        for region in &project.regions {
            add(format!("/{}/{region}/{name}{tail}", project.id));
        }
    }
    for route in routes {
        let method = route.method.clone().unwrap_or_else(|| method.to_owned());
        urls.push((method, route.path.clone()));
    }
    urls
}

fn event(event: StorageEvent) -> &'static str {
    match event {
        StorageEvent::Finalized => "finalized",
        StorageEvent::Deleted => "deleted",
        StorageEvent::MetadataUpdated => "metadataUpdated",
    }
}

fn auth(auth: Auth) -> &'static str {
    match auth {
        Auth::Required => "required",
        Auth::Function => "function",
        Auth::None => "none",
    }
}

fn limits(spec: &FunctionSpec) -> String {
    let limits = &spec.limits;
    format!(
        "{}, {}, {} at once",
        manifest::show_duration(limits.timeout),
        manifest::show_bytes(limits.max_body),
        limits.concurrency
    )
}
