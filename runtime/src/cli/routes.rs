//! `router routes`: every concrete URL of every function, the files beside them, and who may do what
//! in which bucket, as tables.

use manifest::{
    Auth, BucketSpec, FunctionSpec, Manifest, RewriteSource, RewriteTarget, StorageEvent, Trigger,
};

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
    let heading = ["METHOD", "URL", "RUNS", "TRIGGER", "AUTH", "CORS", "LIMITS"];
    let mut rows = vec![heading.map(str::to_owned)];
    for spec in manifest.functions.values() {
        for (method, url) in urls(manifest, spec) {
            rows.push([
                method,
                url,
                spec.name.clone(),
                trigger(&spec.trigger).to_owned(),
                auth(spec.auth).to_owned(),
                cors(spec.cors.as_ref()),
                limits(spec),
            ]);
        }
    }
    for (url, file) in files(manifest) {
        let cors = cors(manifest.default_cors.as_ref());
        let cells = ["GET".to_owned(), url, file, "file".to_owned()];
        let [method, url, file, kind] = cells;
        rows.push([method, url, file, kind, String::new(), cors, String::new()]);
    }
    let routes = align(&rows);
    match manifest.buckets.is_empty() {
        true => routes,
        false => format!("{routes}\n\n{}", access(manifest.buckets.values())),
    }
}

/// Each form of URL, and the events that the router itself delivers.
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
    let mut urls: Vec<(String, String)> = delivered(&spec.trigger)
        .map(|event| ("EVENT".to_owned(), event))
        .into_iter()
        .collect();
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
    if manifest.target.as_ref() == Some(&spec.name) {
        add(RewriteSource::Below(String::new()).to_string());
    }
    for rewrite in &manifest.rewrites {
        if rewrite.target == RewriteTarget::Function(spec.name.clone()) {
            add(rewrite.source.to_string());
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

/// What happens inside the router that runs a function.
fn delivered(trigger: &Trigger) -> Option<String> {
    match trigger {
        Trigger::Http(_) | Trigger::Callable(_) => None,
        Trigger::Storage(storage) => Some(format!(
            "{} of {}/{}*",
            event(storage.event),
            storage.bucket,
            storage.prefix
        )),
        Trigger::Event(event) => event.kind.clone(),
    }
}

/// What is shown where no function runs, and whence.
fn files(manifest: &Manifest) -> Vec<(String, String)> {
    let Some(hosting) = &manifest.hosting else {
        return Vec::new();
    };
    let mut files = vec![("/*".to_owned(), format!("{}/*", hosting.public))];
    for rewrite in &manifest.rewrites {
        if let RewriteTarget::Destination(file) = &rewrite.target {
            files.push((
                rewrite.source.to_string(),
                format!("{}{file}", hosting.public),
            ));
        }
    }
    files
}

fn access<'b>(buckets: impl Iterator<Item = &'b BucketSpec>) -> String {
    let mut rows = vec![["BUCKET", "OBJECTS", "READ", "WRITE"].map(str::to_owned)];
    for bucket in buckets {
        for rule in &bucket.access {
            rows.push([
                bucket.name.clone(),
                rule.objects.clone(),
                rule.read.as_str().to_owned(),
                rule.write.as_str().to_owned(),
            ]);
        }
        // What no rule speaks of.
        let rest = [&*bucket.name, "**", "nobody", "nobody"];
        rows.push(rest.map(str::to_owned));
    }
    align(&rows)
}

fn event(event: StorageEvent) -> &'static str {
    match event {
        StorageEvent::Finalized => "finalized",
        StorageEvent::Deleted => "deleted",
        StorageEvent::MetadataUpdated => "metadataUpdated",
    }
}

fn trigger(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Http(_) => "http",
        Trigger::Callable(_) => "callable",
        Trigger::Storage(_) => "storage",
        Trigger::Event(_) => "event",
    }
}

fn auth(auth: Auth) -> &'static str {
    match auth {
        Auth::Required => "required",
        Auth::Function => "function",
        Auth::None => "none",
    }
}

fn cors(cors: Option<&manifest::Cors>) -> String {
    cors.map_or("none", |cors| &cors.name).to_owned()
}

fn limits(spec: &FunctionSpec) -> String {
    let limits = &spec.limits;
    let rate = spec.rate_limit.map(|rate| format!(", {rate}"));
    format!(
        "{}, {}, {} at once{}",
        manifest::show_duration(limits.timeout),
        manifest::show_bytes(limits.max_body),
        limits.concurrency,
        rate.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
manifest = 1
[project]
id = "demo-1"
regions = ["europe-west1"]
[buckets.chunks]
root = "chunks"
object_name = "up/{uid}/{path}"
owner = "uid"
max_object = "1MiB"
access = [{ objects = "up/{uid}/public/*", read = "anyone", write = "owner" }]
[functions.ask]
callable = {}
auth = "function"
rate_limit = "30/min per caller"
[functions.learn]
event = { type = "media.holograms.chat.replied", subpaths = false }
auth = "required"
[functions.sweep]
storage = { bucket = "chunks", event = "finalized", prefix = "up/" }
[[rewrites]]
source = "/api/{ask,chat}"
function = "ask"
[[rewrites]]
source = "**"
destination = "/index.html"
[hosting]
public = "public"
"#;

    #[test]
    fn the_tables_show_everything_that_can_be_reached() {
        let parsed = manifest::parse(MANIFEST);
        let report = manifest::render(&parsed.faults, "manifest.toml", MANIFEST);
        let table = table(&parsed.manifest.expect(&report));
        let lines: Vec<String> = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for line in [
            "POST /ask[/*] ask callable function none 1m, 10MiB, 80 at once, 30/min per caller",
            "POST /api/{ask,chat} ask callable function none 1m, 10MiB, 80 at once, 30/min per caller",
            "EVENT media.holograms.chat.replied learn event required none 1m, 10MiB, 80 at once",
            "POST /learn learn event required none 1m, 10MiB, 80 at once",
            "EVENT finalized of chunks/up/* sweep storage required none 1m, 10MiB, 80 at once",
            "GET /* public/* file none",
            "GET /** public/index.html file none",
            "BUCKET OBJECTS READ WRITE",
            "chunks up/{uid}/public/* anyone owner",
            "chunks ** nobody nobody",
        ] {
            assert!(lines.iter().any(|l| l == line), "no {line} in {table}");
        }
    }
}
