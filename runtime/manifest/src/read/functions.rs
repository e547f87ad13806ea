//! `[functions.NAME]`

use std::collections::BTreeMap;

use super::limits::{self, CorsChoice, Defaults};
use super::proofs::{self, Proofs};
use super::trigger;
use super::{Defined, TriggerKind, auth, choice, egress, isolation, rate, resolve, senders};
use crate::fault::{Code, Faults};
use crate::literal::shown;
use crate::model::{
    Auth, BucketSpec, Cors, ErrorFormat, FunctionSpec, RateLimit, Route, Secret, Senders, Trigger,
};
use crate::names;
use crate::reader::{Table, Text};
use crate::spelling::one_of;

const KEYS: [&str; 24] = [
    "http",
    "callable",
    "storage",
    "event",
    "aliases",
    "auth",
    "public",
    "app_check",
    "check_revoked",
    "cors",
    "timeout",
    "max_body",
    "concurrency",
    "rate_limit",
    "flags",
    "secrets",
    "egress",
    "bucket",
    "error_format",
    "enabled",
    "examples",
    "retry",
    "senders",
    "isolation",
];

const BY_REQUEST: &[TriggerKind] = &[TriggerKind::Http, TriggerKind::Callable, TriggerKind::Event];
const BY_APP: &[TriggerKind] = &[TriggerKind::Http, TriggerKind::Callable];
const BY_EVENT: &[TriggerKind] = &[TriggerKind::Storage, TriggerKind::Event];

/// The keys that not every kind of trigger gives a meaning to.
const KEYS_OF_SOME_TRIGGERS: [(&str, &[TriggerKind]); 11] = [
    ("auth", BY_REQUEST),
    ("public", BY_REQUEST),
    ("app_check", BY_APP),
    ("check_revoked", BY_APP),
    ("cors", BY_APP),
    ("max_body", BY_REQUEST),
    ("rate_limit", BY_REQUEST),
    // A callable's refusals are Firebase's, or its SDKs would not read them.
    ("error_format", &[TriggerKind::Http, TriggerKind::Event]),
    ("retry", BY_EVENT),
    ("senders", BY_EVENT),
    // A storage function is about a bucket, which only the router's process has.
    ("isolation", BY_REQUEST),
];

const ERROR_FORMATS: [(&str, ErrorFormat); 5] = [
    ("firebase", ErrorFormat::Firebase),
    ("google", ErrorFormat::Google),
    ("detail", ErrorFormat::Detail),
    ("message", ErrorFormat::Message),
    ("error", ErrorFormat::Error),
];

/// What a function's entry may refer to.
pub(super) struct Scope<'s> {
    pub(super) project: Option<&'s str>,
    pub(super) cors: &'s Defined<Cors>,
    pub(super) buckets: &'s Defined<BucketSpec>,
    pub(super) defaults: &'s Defaults,
}

/// One entry, with the places of everything that may clash with another one.
pub(crate) struct Entry<'d> {
    pub(crate) name: Text<'d>,
    pub(crate) aliases: Vec<Text<'d>>,
    pub(crate) routes: Vec<RouteEntry<'d>>,
    pub(crate) trigger: Option<TriggerKind>,
    pub(super) inherits_timeout: bool,
    /// `None` when the entry has faults.
    pub(super) spec: Option<FunctionSpec>,
}

pub(crate) struct RouteEntry<'d> {
    pub(crate) route: Route,
    pub(crate) text: Text<'d>,
}

pub(super) fn read<'d>(
    name: &Text<'d>,
    table: &Table<'d>,
    scope: &Scope<'_>,
    faults: &mut Faults<'_>,
) -> Entry<'d> {
    table.check_keys_except(&KEYS, &trigger::PLANNED, faults);
    names::check_function(name, scope.project, faults);
    let aliases = table.distinct_texts("aliases", faults).unwrap_or_default();
    for alias in &aliases {
        names::check_alias(alias, scope.project, faults);
    }
    let kind = trigger::kind(table, faults);
    if let Some(kind) = kind {
        check_trigger_keys(table, kind, faults);
    }
    let (trigger, routes) = match kind {
        Some(TriggerKind::Http) => trigger::read_http(table, faults),
        Some(TriggerKind::Storage) => (
            trigger::read_storage(table, scope.buckets, faults),
            Vec::new(),
        ),
        Some(TriggerKind::Callable) => (trigger::read_callable(table, faults), Vec::new()),
        Some(TriggerKind::Event) => (trigger::read_event(table, faults), Vec::new()),
        None => (None, Vec::new()),
    };
    let spec = read_spec(name, table, scope, kind, trigger, &aliases, faults);
    Entry {
        name: name.clone(),
        aliases,
        routes,
        trigger: kind,
        inherits_timeout: table.value("timeout").is_none(),
        spec,
    }
}

fn read_spec(
    name: &Text<'_>,
    table: &Table<'_>,
    scope: &Scope<'_>,
    kind: Option<TriggerKind>,
    trigger: Option<Trigger>,
    aliases: &[Text<'_>],
    faults: &mut Faults<'_>,
) -> Option<FunctionSpec> {
    // Everything is read, so that every fault is found, before anything is given up.
    let callers = read_callers(table, scope, kind, faults);
    let kind = kind.unwrap_or(TriggerKind::Http);
    let limits = limits::read(name, table, kind, scope.defaults, faults);
    let flags = read_flags(table, faults);
    let secrets = read_secrets(table, faults);
    let egress = egress::read(table, &secrets, faults);
    let bucket = read_bucket(table, scope.buckets, faults);
    let error_format = choice(
        table,
        "error_format",
        "error format",
        &ERROR_FORMATS,
        faults,
    );
    let isolation = isolation::read(table, faults);
    let enabled = table.boolean("enabled", faults);
    let examples = table.texts("examples", faults).unwrap_or_default();

    let trigger = trigger?;
    let own_bucket = match &trigger {
        Trigger::Http(_) | Trigger::Callable(_) | Trigger::Event(_) => None,
        Trigger::Storage(storage) => Some(storage.bucket.clone()),
    };
    Some(FunctionSpec {
        name: name.value.to_owned(),
        line: faults.place(name.span.start).line,
        trigger,
        aliases: owned(aliases),
        auth: callers.auth?,
        app_check: callers.proofs.app_check,
        check_revoked: callers.proofs.check_revoked,
        senders: callers.senders,
        cors: callers.cors,
        limits,
        secrets,
        egress,
        bucket: bucket.or(own_bucket),
        error_format: error_format.unwrap_or(ErrorFormat::Firebase),
        rate_limit: callers.rate_limit,
        flags,
        isolation,
        enabled: enabled.unwrap_or(true),
        examples: owned(&examples),
    })
}

/// Who may call, from which pages, and how often.
struct Callers {
    auth: Option<Auth>,
    proofs: Proofs,
    senders: Option<Senders>,
    cors: Option<Cors>,
    rate_limit: Option<RateLimit>,
}

fn read_callers(
    table: &Table<'_>,
    scope: &Scope<'_>,
    kind: Option<TriggerKind>,
    faults: &mut Faults<'_>,
) -> Callers {
    let auth = match kind {
        Some(kind @ (TriggerKind::Http | TriggerKind::Callable | TriggerKind::Event)) => {
            auth::read(table, kind, faults)
        }
        // Beside the router itself only senders have its events.
        Some(TriggerKind::Storage) | None => Some(Auth::Required),
    };
    let kind = kind.unwrap_or(TriggerKind::Http);
    let cors = match kind {
        TriggerKind::Http | TriggerKind::Callable => limits::read_cors(table, scope.cors, faults)
            .as_ref()
            .or(scope.defaults.cors.as_ref())
            .and_then(CorsChoice::policy),
        TriggerKind::Storage | TriggerKind::Event => None,
    };
    let senders = match kind {
        TriggerKind::Http | TriggerKind::Callable => None,
        TriggerKind::Storage | TriggerKind::Event => senders::read(table, faults),
    };
    Callers {
        auth,
        proofs: proofs::read(table, kind, auth, faults),
        senders,
        cors,
        rate_limit: rate::read(table, kind, scope.defaults, faults),
    }
}

fn owned(texts: &[Text<'_>]) -> Vec<String> {
    texts.iter().map(|text| text.value.to_owned()).collect()
}

fn check_trigger_keys(table: &Table<'_>, kind: TriggerKind, faults: &mut Faults<'_>) {
    for (key, owners) in KEYS_OF_SOME_TRIGGERS {
        if owners.contains(&kind) {
            continue;
        }
        if let Some(span) = table.key(key) {
            let message = format!(
                "`{key}` is for functions with {}, and {} has `{}`",
                one_of(owners.iter().map(|owner| owner.key())),
                table.name,
                kind.key()
            );
            faults
                .add(Code::KeyOfOtherTrigger, span, message)
                .help(format!("remove `{key}`"));
        }
    }
}

fn read_secrets(table: &Table<'_>, faults: &mut Faults<'_>) -> Vec<Secret> {
    let texts = table.distinct_texts("secrets", faults).unwrap_or_default();
    let mut secrets: Vec<Secret> = Vec::new();
    for text in &texts {
        let name = text.value.strip_suffix('?').unwrap_or(text.value);
        if !names::is_variable(name) {
            let message = format!("{} is not the name of a secret", shown(text.value));
            faults
                .add(Code::Format, text.span.clone(), message)
                .help("an environment variable in capitals, `\"MISTRAL_API_KEY\"`, or with `?` when it may be missing");
        } else if secrets.iter().any(|secret| secret.name == name) {
            faults
                .add(
                    Code::Duplicate,
                    text.span.clone(),
                    format!("`{name}` stands in `secrets` both with and without `?`"),
                )
                .help("remove one of them");
        }
        secrets.push(Secret {
            name: name.to_owned(),
            required: name.len() == text.value.len(),
        });
    }
    secrets
}

/// `flags = { legacy_anonymous_chat = true }`
fn read_flags(table: &Table<'_>, faults: &mut Faults<'_>) -> BTreeMap<String, bool> {
    let Some(table) = table.table("flags", faults) else {
        return BTreeMap::new();
    };
    let mut flags = BTreeMap::new();
    for name in table.keys() {
        if !names::is_identifier(name.value) {
            let message = format!("{} cannot be the name of a flag", shown(name.value));
            faults
                .add(Code::Format, name.span.clone(), message)
                .help("ASCII letters, digits and `_`, not a digit first: `legacy_anonymous_chat`");
        }
        if let Some(on) = table.boolean(name.value, faults) {
            flags.insert(name.value.to_owned(), on);
        }
    }
    flags
}

fn read_bucket(
    table: &Table<'_>,
    buckets: &Defined<BucketSpec>,
    faults: &mut Faults<'_>,
) -> Option<String> {
    let name = table.text("bucket", faults)?;
    resolve(&name, "bucket", buckets, faults).map(|bucket| bucket.name.clone())
}
