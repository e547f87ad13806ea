//! Another manifest for a process that runs: all of it, or nothing of it.
//!
//! What only says how requests and events are treated can change between two of them. What needs other
//! code, another disk or another secret is opened at the start and needs another one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use manifest::{
    BucketSpec, Egress, FunctionSpec, Hosting, Limits, Manifest, Project, Rewrite, Trigger,
};
use tokio::signal::unix::Signal;

use crate::app::App;
use crate::open;
use crate::secrets::Secrets;

/// Reads the manifest again at each SIGHUP, for as long as it is polled.
pub(crate) async fn at_each(
    mut hangup: Signal,
    app: Arc<App>,
    folder: PathBuf,
    read: impl Fn() -> anyhow::Result<Manifest> + Clone + Send + 'static,
) {
    while hangup.recv().await.is_some() {
        let (app, folder, read) = (app.clone(), folder.clone(), read.clone());
        let done = tokio::task::spawn_blocking(move || replace(&app, &folder, read()?)).await;
        match done.map_err(anyhow::Error::from).flatten() {
            Ok(changed) if changed.is_empty() => tracing::info!("manifest read again: the same"),
            Ok(changed) => tracing::info!(changed = changed.join("; "), "manifest read again"),
            Err(error) => tracing::error!("manifest not taken, the old one stays: {error:#}"),
        }
    }
}

/// Puts `manifest` in the place of the one in use. What runs now ends under the one it began under.
/// Returns what is different, key by key. `folder`: the one of the manifest.
///
/// # Errors
/// Nothing was changed.
pub(crate) fn replace(app: &App, folder: &Path, manifest: Manifest) -> anyhow::Result<Vec<String>> {
    let current = app.deployment();
    let opened = Opened {
        secrets: &app.backends.secrets,
        accounts: app.verifiers.accounts.is_some(),
    };
    let difference = Difference::between(&current.manifest, &manifest, &opened);
    if !difference.refused.is_empty() {
        bail!("these need a restart: {}", difference.refused.join("; "));
    }
    let hosting = open::hosting(folder, &manifest)?;
    let storage = &app.storage;
    for spec in manifest.buckets.values() {
        if let Some(bucket) = storage.bucket(&spec.name) {
            bucket.govern(spec.access.clone());
        }
    }
    storage.ledger().subscribe(open::subscriptions(&manifest));
    app.deploy(current.followed_by(manifest, hosting));
    // A function that is enabled again has events waiting, or more slots for them.
    storage.ledger().wake();
    Ok(difference.changed)
}

/// What the start opened, because some function asked for it then.
struct Opened<'a> {
    secrets: &'a Secrets,
    /// Whether accounts can be looked up.
    accounts: bool,
}

/// In the manifest's words.
#[derive(Default)]
struct Difference {
    changed: Vec<String>,
    refused: Vec<String>,
}

impl Difference {
    fn between(old: &Manifest, new: &Manifest, opened: &Opened<'_>) -> Self {
        // Whole, so that whoever adds a key says here what becomes of it.
        let Manifest {
            text: _,
            project,
            default_cors,
            buckets,
            functions,
            rewrites,
            hosting,
            // The environment's, which is the process's.
            target: _,
        } = old;
        let mut difference = Self::default();
        difference.project(project, &new.project);
        difference.change("[defaults]", &[("cors", *default_cors != new.default_cors)]);
        let shown = |rewrite: &Rewrite| (rewrite.source.to_string(), rewrite.target.clone());
        if !rewrites
            .iter()
            .map(shown)
            .eq(new.rewrites.iter().map(shown))
        {
            difference.changed.push("[[rewrites]]".to_owned());
        }
        let shown = |hosting: &Option<Hosting>| format!("{hosting:?}");
        if shown(hosting) != shown(&new.hosting) {
            difference.changed.push("[hosting]".to_owned());
        }
        difference.names("buckets", buckets, &new.buckets);
        for spec in new.buckets.values() {
            if let Some(before) = buckets.get(&spec.name) {
                difference.bucket(before, spec);
            }
        }
        difference.names("functions", functions, &new.functions);
        for spec in new.functions.values() {
            if let Some(before) = functions.get(&spec.name) {
                difference.function(before, spec);
                difference.secrets(old, spec, opened.secrets);
                difference.egress(old, spec);
            }
            // Nobody whose account is disabled gets in because nobody could look.
            let asks = spec.enabled && spec.check_revoked && !opened.accounts;
            let table = format!("[functions.{}]", spec.name);
            difference.refuse(&table, &[("check_revoked", asks)]);
        }
        difference
    }

    fn project(&mut self, old: &Project, new: &Project) {
        let Project {
            id,
            regions,
            bucket,
        } = old;
        self.change("[project]", &[("regions", *regions != new.regions)]);
        self.refuse(
            "[project]",
            &[("id", *id != new.id), ("bucket", *bucket != new.bucket)],
        );
    }

    fn bucket(&mut self, old: &BucketSpec, new: &BucketSpec) {
        let BucketSpec {
            name,
            root,
            object_name,
            max_object,
            quota_per_user,
            min_free,
            access,
        } = old;
        let table = format!("[buckets.{name}]");
        self.change(&table, &[("access", *access != new.access)]);
        self.refuse(
            &table,
            &[
                ("root", *root != new.root),
                ("object_name", *object_name != new.object_name),
                ("max_object", *max_object != new.max_object),
                ("quota_per_user", *quota_per_user != new.quota_per_user),
                ("min_free", *min_free != new.min_free),
            ],
        );
    }

    fn function(&mut self, old: &FunctionSpec, new: &FunctionSpec) {
        let FunctionSpec {
            name,
            line: _,
            trigger,
            aliases,
            auth,
            app_check,
            check_revoked,
            senders,
            cors,
            limits,
            secrets,
            egress,
            bucket,
            error_format,
            rate_limit,
            flags,
            isolation,
            examples,
            enabled,
        } = old;
        let Limits {
            timeout,
            idle_timeout,
            max_body,
            concurrency,
        } = limits;
        let table = format!("[functions.{name}]");
        let is_the_same_kind = key(trigger) == key(&new.trigger);
        self.refuse(&table, &[(key(&new.trigger), !is_the_same_kind)]);
        self.refuse(&table, &[("isolation", *isolation != new.isolation)]);
        // Its process was told when it started.
        let told = [
            ("flags", *flags != new.flags),
            ("secrets", *secrets != new.secrets),
            ("egress", *egress != new.egress),
        ];
        if isolation.is_some() {
            self.refuse(&table, &told);
        }
        let times = (*timeout, *idle_timeout);
        let new_times = (new.limits.timeout, new.limits.idle_timeout);
        self.change(
            &table,
            &[
                (key(trigger), *trigger != new.trigger),
                ("aliases", *aliases != new.aliases),
                ("auth", *auth != new.auth),
                ("app_check", *app_check != new.app_check),
                ("check_revoked", *check_revoked != new.check_revoked),
                ("senders", *senders != new.senders),
                ("cors", *cors != new.cors),
                ("timeout", times != new_times),
                ("max_body", *max_body != new.limits.max_body),
                ("concurrency", *concurrency != new.limits.concurrency),
                ("secrets", *secrets != new.secrets),
                ("egress", *egress != new.egress),
                ("bucket", *bucket != new.bucket),
                ("error_format", *error_format != new.error_format),
                ("rate_limit", *rate_limit != new.rate_limit),
                ("flags", *flags != new.flags),
                ("examples", *examples != new.examples),
                ("enabled", *enabled != new.enabled),
            ],
        );
    }

    /// Secrets were read at the start: those that some function listed then.
    fn secrets(&mut self, old: &Manifest, spec: &FunctionSpec, secrets: &Secrets) {
        for secret in &spec.secrets {
            let listed = old
                .functions
                .values()
                .flat_map(|function| &function.secrets)
                .any(|listed| listed.name == secret.name);
            let is_there = secrets.get(&secret.name).is_some();
            if !is_there && (secret.required || !listed) {
                self.refused.push(format!(
                    "[functions.{}] secrets: {} was not read",
                    spec.name, secret.name
                ));
            }
        }
    }

    /// Which servers may be of the local network was settled when the client was made.
    fn egress(&mut self, old: &Manifest, spec: &FunctionSpec) {
        let known = || old.functions.values().flat_map(|known| &known.egress);
        for entry in &spec.egress {
            let may_be_local = match entry {
                Egress::Host { host, .. } => !host.contains('.'),
                Egress::Variable(_) => true,
            };
            if may_be_local && !known().any(|known| known == entry) {
                let table = format!("[functions.{}]", spec.name);
                return self.refuse(&table, &[("egress", true)]);
            }
        }
    }

    /// Tables that only one of the two has.
    fn names<T>(&mut self, kind: &str, old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) {
        let only_in = |one: &BTreeMap<String, T>, other: &BTreeMap<String, T>, word| {
            let missing = one.keys().filter(|name| !other.contains_key(*name));
            let tables = missing.map(|name| format!("[{kind}.{name}] {word}"));
            tables.collect::<Vec<_>>()
        };
        self.refused.extend(only_in(new, old, "is new"));
        self.refused.extend(only_in(old, new, "is gone"));
    }

    fn change(&mut self, table: &str, keys: &[(&str, bool)]) {
        self.changed.extend(listed(table, keys));
    }

    fn refuse(&mut self, table: &str, keys: &[(&str, bool)]) {
        self.refused.extend(listed(table, keys));
    }
}

/// `[table] key, key`, of the keys that differ.
fn listed(table: &str, keys: &[(&str, bool)]) -> Option<String> {
    let differ: Vec<_> = keys.iter().filter(|key| key.1).map(|key| key.0).collect();
    (!differ.is_empty()).then(|| format!("{table} {}", differ.join(", ")))
}

/// The key of the manifest that makes the trigger.
fn key(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Http(_) => "http",
        Trigger::Callable(_) => "callable",
        Trigger::Storage(_) => "storage",
        Trigger::Event(_) => "event",
    }
}

#[cfg(test)]
mod tests;
