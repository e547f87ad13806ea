//! What a valid manifest means, with every default filled in and every name resolved.
//!
//! Nothing here can be wrong: values of these types only come out of [`crate::parse`], which reports
//! the faults of the text instead. Durations and byte counts are already numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

/// What work in flight gets when the process is asked to stop; then it is cut. Less than the 30 s after
/// which platforms kill.
pub const DRAIN: Duration = Duration::from_secs(25);

/// The whole of manifest.toml.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What it was read from.
    pub text: Arc<str>,
    pub project: Project,
    /// The policy of URLs that belong to no function: `[defaults] cors`.
    pub default_cors: Option<Cors>,
    pub buckets: BTreeMap<String, BucketSpec>,
    pub functions: BTreeMap<String, FunctionSpec>,
    /// In the order of the file: the first match wins.
    pub rewrites: Vec<Rewrite>,
    pub hosting: Option<Hosting>,
    /// The function that runs for every path which no explicit route takes. No text says it: it is for
    /// whoever runs one function alone.
    pub target: Option<String>,
}

/// `[project]`: what the old URLs and the audience of ID tokens are built from.
#[derive(Debug, Clone)]
pub struct Project {
    pub id: String,
    pub regions: Vec<String>,
    /// The name under which Firebase clients know the default bucket.
    pub bucket: Option<String>,
}

/// `[functions.NAME]`
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    pub name: String,
    /// The line of `[functions.NAME]`, from 1.
    pub line: usize,
    pub trigger: Trigger,
    /// Further names that run the same function, in every URL form.
    pub aliases: Vec<String>,
    /// For a storage function [`Auth::Required`]: whoever POSTs an event to its URL is a sender.
    pub auth: Auth,
    /// Whether a request must come from an app that Firebase App Check vouches for.
    pub app_check: bool,
    /// Whether a valid token still counts for nothing once its account is disabled, deleted, or had its
    /// tokens revoked.
    pub check_revoked: bool,
    /// Who may POST an event beside the holder of EVENT_TOKEN; `None` for `http`, and when nobody else may.
    pub senders: Option<Senders>,
    /// `None` (written `"none"`): the runtime adds nothing and OPTIONS reaches the function.
    pub cors: Option<Cors>,
    pub limits: Limits,
    pub secrets: Vec<Secret>,
    /// The servers that `context.http()` calls; empty: none.
    pub egress: Vec<Egress>,
    /// The bucket that `context.bucket()` opens, by its key in [`Manifest::buckets`]. For a storage function
    /// it is the bucket of the event, unless the entry names another.
    pub bucket: Option<String>,
    pub error_format: ErrorFormat,
    /// How often each caller may call; `None`: as often as they like.
    pub rate_limit: Option<RateLimit>,
    /// Switches of the function's own, by name; one that is not written is off.
    pub flags: BTreeMap<String, bool>,
    /// `None`: it runs in the router's process.
    pub isolation: Option<Isolation>,
    /// Shell lines that call the function, with `$BASE` and `$TOKEN` set: `router dev` prints them.
    pub examples: Vec<String>,
    /// `false`: every URL of the function answers 404 and no event reaches it.
    pub enabled: bool,
}

/// What causes an invocation. A closed set: a new kind is a new variant, and the compiler then names
/// every place that has to know it. `schedule` is a reserved word until it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    Http(HttpTrigger),
    Callable(CallableTrigger),
    Storage(StorageTrigger),
    Event(EventTrigger),
}

/// `http = { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTrigger {
    /// URLs beside those that follow from the function's name.
    pub routes: Vec<Route>,
    /// Whether `/NAME/anything` runs the function too (as Cloud Functions does; the default).
    pub subpaths: bool,
}

/// `callable = { … }`: what `httpsCallable` of the Firebase SDKs calls. Sub-paths always run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallableTrigger {}

/// One explicit route: `"POST /api/v1/upload_chunk/{uid}"`, or without a method for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub method: Option<String>,
    /// In matchit's syntax: `{name}` is one segment, `{*name}` the rest.
    pub path: String,
}

/// `storage = { bucket = "…", event = "finalized", prefix = "…" }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageTrigger {
    pub bucket: String,
    pub event: StorageEvent,
    pub prefix: String,
    pub retry: Retry,
}

/// `event = { … }`: any CloudEvent that is POSTed to the function's URL, whose sender delivers it again;
/// and those that functions publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTrigger {
    /// As for [`HttpTrigger`].
    pub subpaths: bool,
    /// The type of the events that functions publish and this one is told of; `None`: of none.
    pub kind: Option<String>,
    /// How a published event is delivered again.
    pub retry: Retry,
}

/// The events of an object, by the last word of their CloudEvent type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageEvent {
    Finalized,
    Deleted,
    MetadataUpdated,
}

/// `retry = { attempts = 8, backoff = "1s..10m", window = "24h" }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    pub attempts: u32,
    pub first_backoff: Duration,
    pub last_backoff: Duration,
    pub window: Duration,
}

/// Who may call. There is no default: an open door is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// The router answers 401 without a valid token: of a user for `http`, of a sender for an event.
    Required,
    /// The router verifies; the function decides and words the refusal. For `http`; and for a callable, to
    /// which no token is fine and a bad one is not.
    Function,
    /// Nobody looks at tokens.
    None,
}

/// `senders = { audience = "https://…", emails = ["…"] }`: the service accounts whose OIDC tokens, signed by
/// Google, let an event in, as Pub/Sub and Eventarc send them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders {
    /// What the claim `aud` must be.
    pub audience: String,
    /// One of them the claim `email` must be; in lower case, never empty.
    pub emails: Vec<String>,
}

/// `[cors.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    pub name: String,
    pub origins: Origins,
    pub max_age: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Written `["*"]`.
    Any,
    /// Scheme, host and port, as a browser sends them.
    Listed(Vec<String>),
}

#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first byte of the request to the return of the function.
    pub timeout: Duration,
    /// The longest silence of a client that is sending a body.
    pub idle_timeout: Duration,
    /// Bytes of one request body.
    pub max_body: u64,
    /// Invocations of this function at the same time.
    pub concurrency: u32,
}

/// `rate_limit = "30/min per caller"`: so many requests at once, and then as many per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// From 1.
    pub requests: u32,
    pub period: Duration,
    pub per: RateKey,
}

/// As the manifest writes it.
impl fmt::Display for RateLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.period.as_secs() {
            1 => "s",
            60 => "min",
            _ => "h",
        };
        let per = match self.per {
            RateKey::Caller => "caller",
            RateKey::Address => "address",
        };
        write!(formatter, "{}/{period} per {per}", self.requests)
    }
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateKey {
    /// One user's; without a valid token, one address's.
    Caller,
    /// One address's.
    Address,
}

/// `isolation = "process"`: a process of the function's own, which it may break without breaking another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isolation {
    /// Bytes of that process.
    pub memory: u64,
}

/// `"NAME"`, or `"NAME?"` for one that may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    pub required: bool,
}

/// One of `egress = ["api.mistral.ai", "ollama:11434", "$MISTRAL_API_URL"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Egress {
    /// A name in lower case, or an address, as URLs are written after they were parsed.
    Host {
        host: String,
        /// `None`: https on its own port. With a port, http as well.
        port: Option<u16>,
    },
    /// The scheme, host and port of the URL in a secret that the function lists; nothing while it is unset.
    Variable(String),
}

/// The shape of the refusals that the router words itself (413, 429, 500, 503, 504 …), so that old
/// clients find the text where they look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorFormat {
    /// `{"error":{"status":"NOT_FOUND","message":"…"}}`
    Firebase,
    /// `{"error":{"code":404,"message":"…"}}`, as Google's JSON APIs word it
    Google,
    /// `{"detail":"…"}`
    Detail,
    /// `{"status":"error","message":"…"}`
    Message,
    /// `{"error":"…"}`
    Error,
}

/// `[buckets.NAME]`
#[derive(Debug, Clone)]
pub struct BucketSpec {
    pub name: String,
    /// A folder below the disk's base path.
    pub root: String,
    /// `user_uploads/{uid}/{path}`: a literal prefix, one segment that names the owner, the rest.
    pub object_name: ObjectNameTemplate,
    /// Bytes of one object.
    pub max_object: u64,
    /// Bytes of all objects of one owner; `None`: unlimited.
    pub quota_per_user: Option<u64>,
    /// Bytes of the disk that an upload must leave free.
    pub min_free: u64,
    /// In the order of the file: the first rule whose objects match decides; none: nobody may.
    pub access: Vec<AccessRule>,
}

/// One of `access = [{ objects = "user_uploads/{uid}/**", read = "owner", write = "owner" }]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRule {
    /// `{uid}` is one segment, the owner's; `*` one segment; a last `**` one or more.
    pub objects: String,
    /// Get and list.
    pub read: Access,
    /// Create, update and delete.
    pub write: Access,
}

/// Who may do something with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever has a token whose uid is the segment `{uid}` of the object's name.
    Owner,
    /// Whoever has a valid token.
    SignedIn,
    Anyone,
    Nobody,
}

impl Access {
    /// As the manifest writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::SignedIn => "signed_in",
            Self::Anyone => "anyone",
            Self::Nobody => "nobody",
        }
    }
}

/// `user_uploads/{uid}/{path}` taken apart: objects are `{prefix}{owner}/{path}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectNameTemplate {
    /// With its trailing slash: `user_uploads/`; may be empty.
    pub prefix: String,
}

/// `[hosting]`: files that are served beside the functions, to GET and HEAD.
#[derive(Debug, Clone)]
pub struct Hosting {
    /// A folder below the one of the manifest.
    pub public: String,
    /// In the order of the file: each that matches a file's path sets its headers, the last one wins.
    pub headers: Vec<HostingHeaders>,
}

/// One of `headers = [{ source = "**/*.js", headers = { "Cache-Control" = "max-age=31536000" } }]`.
#[derive(Debug, Clone)]
pub struct HostingHeaders {
    pub source: RewriteSource,
    /// Names as they are written, and values; each valid in HTTP.
    pub headers: Vec<(String, String)>,
}

/// `[[rewrites]]`: paths that run a function, which sees them whole, or that show one file.
#[derive(Debug, Clone)]
pub struct Rewrite {
    pub source: RewriteSource,
    pub target: RewriteTarget,
    pub line: usize,
}

/// Which paths a rewrite is for: `source = "…"`, a glob, or `regex = "…"`.
#[derive(Debug, Clone)]
pub enum RewriteSource {
    /// One path.
    Path(String),
    /// A folder, without the `/**` it is written with: itself and all below it. Empty: every path.
    Below(String),
    /// Any other glob.
    Glob {
        text: String,
        regex: Regex,
        /// Written with a `!` before it: the paths that it does not match.
        negated: bool,
    },
    /// Found anywhere in the path.
    Regex(Regex),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RewriteTarget {
    /// By its name.
    Function(String),
    /// A file of the hosting folder, by its path there: `/index.html`.
    Destination(String),
}

impl RewriteSource {
    /// `path` as it was sent, with single slashes. As in firebase.json a glob matches a path that has one
    /// slash more at its end.
    pub fn matches(&self, path: &str) -> bool {
        let shorter = path.strip_suffix('/').filter(|path| !path.is_empty());
        match self {
            Self::Path(own) => own == path || shorter == Some(own),
            Self::Below(folder) => path
                .strip_prefix(&**folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Glob { regex, negated, .. } => {
                let matches =
                    regex.is_match(path) || shorter.is_some_and(|path| regex.is_match(path));
                matches != *negated
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

impl fmt::Display for RewriteSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => formatter.write_str(path),
            Self::Below(folder) => write!(formatter, "{folder}/**"),
            Self::Glob { text, .. } => formatter.write_str(text),
            Self::Regex(regex) => write!(formatter, "regex {regex}"),
        }
    }
}
