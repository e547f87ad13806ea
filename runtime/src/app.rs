//! Everything that a request can meet, put together from a manifest, a registry and the backends: what
//! lasts as long as the process, and the [`Deployment`] that another manifest replaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use manifest::{FunctionSpec, Manifest};

use crate::context::{Backends, InvocationId};
use crate::forwarded::TrustedProxies;
use crate::function::Function;
use crate::health::Readiness;
use crate::hosting::Hosting;
use crate::identity::Verifiers;
use crate::policy::cors::CorsPolicy;
use crate::policy::rate::RateLimiter;
use crate::policy::slots::Slots;
use crate::route::RouteTable;
use crate::secrets::Secret;
use crate::storage::Storage;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::{Counter, Deliveries, Responses};
use crate::watchdog::Label;

/// Invocations in the whole process; beyond it, memory is the next thing to go.
const IN_FLIGHT: u32 = 10_000;

pub(crate) struct App {
    deployment: ArcSwap<Deployment>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) verifiers: Verifiers,
    pub(crate) storage: Storage,
    pub(crate) backends: Arc<Backends>,
    pub(crate) access_log: Arc<AccessLog>,
    pub(crate) in_flight: Slots,
    pub(crate) invocations: InvocationIds,
    pub(crate) readiness: Readiness,
    /// Whoever holds it may read the metrics; without one there are none.
    pub(crate) admin_token: Option<Secret>,
    /// To requests for URLs that belong to no function.
    pub(crate) responses: Responses,
}

/// What one manifest makes of the functions. Immutable; a request keeps the one that it began under.
pub(crate) struct Deployment {
    pub(crate) manifest: Manifest,
    pub(crate) routes: RouteTable,
    /// By name, as the manifest has them.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// For URLs that belong to no function.
    pub(crate) default_cors: Option<CorsPolicy>,
    pub(crate) hosting: Option<Hosting>,
}

impl Deployment {
    pub(crate) fn new(
        manifest: Manifest,
        entries: Vec<Arc<Entry>>,
        hosting: Option<Hosting>,
    ) -> Self {
        let default_cors = manifest.default_cors.as_ref();
        Self {
            routes: RouteTable::new(&manifest, entries.iter().map(|entry| &entry.spec)),
            entries,
            default_cors: default_cors.map(|cors| CorsPolicy::new(cors, None)),
            hosting,
            manifest,
        }
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        let found = self
            .entries
            .binary_search_by(|it| (*it.spec.name).cmp(name));
        Some(&self.entries[found.ok()?])
    }

    /// The same functions under another manifest. One that it does not name stays as it is.
    pub(crate) fn followed_by(&self, manifest: Manifest, hosting: Option<Hosting>) -> Self {
        let entries = self.entries.iter().map(|entry| {
            let spec = manifest.functions.get(&entry.spec.name);
            spec.map_or_else(|| entry.clone(), |spec| Arc::new(entry.under(spec.clone())))
        });
        let entries = entries.collect();
        Self::new(manifest, entries, hosting)
    }
}

/// One function, with everything about it that a request needs resolved.
pub(crate) struct Entry {
    pub(crate) spec: FunctionSpec,
    pub(crate) function: Function,
    pub(crate) cors: Option<CorsPolicy>,
    pub(crate) slots: Slots,
    pub(crate) rate_limiter: Option<Arc<RateLimiter>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) label: Label,
}

/// What happened to one function.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) responses: Responses,
    pub(crate) deliveries: Deliveries,
    pub(crate) panics: Counter,
}

impl Entry {
    pub(crate) fn new(spec: FunctionSpec, function: Function) -> Self {
        let cors = spec.cors.as_ref();
        Self {
            function,
            cors: cors.map(|cors| CorsPolicy::new(cors, Some(&spec.trigger))),
            slots: Slots::new(spec.limits.concurrency),
            rate_limiter: rate_limiter(&spec),
            counts: Arc::default(),
            label: Label::of(&spec.name),
            spec,
        }
    }

    /// The same function under other rules: what runs keeps its place, and what was counted stays, for
    /// the callers too unless their limit is another.
    fn under(&self, spec: FunctionSpec) -> Self {
        let rate_limiter = match spec.rate_limit == self.spec.rate_limit {
            true => self.rate_limiter.clone(),
            false => rate_limiter(&spec),
        };
        Self {
            slots: self.slots.limited_to(spec.limits.concurrency),
            rate_limiter,
            counts: self.counts.clone(),
            ..Self::new(spec, self.function.clone())
        }
    }
}

fn rate_limiter(spec: &FunctionSpec) -> Option<Arc<RateLimiter>> {
    let limit = spec.rate_limit.as_ref()?;
    Some(Arc::new(RateLimiter::new(limit)))
}

impl App {
    pub(crate) fn new(
        manifest: Manifest,
        functions: Vec<(FunctionSpec, Function)>,
        hosting: Option<Hosting>,
        (proxies, admin_token): (TrustedProxies, Option<Secret>),
        verifiers: Verifiers,
        (storage, backends): (Storage, Backends),
        access_log: Arc<AccessLog>,
    ) -> Self {
        let entries = functions
            .into_iter()
            .map(|(spec, function)| Arc::new(Entry::new(spec, function)));
        let deployment = Deployment::new(manifest, entries.collect(), hosting);
        Self {
            deployment: ArcSwap::from_pointee(deployment),
            proxies,
            verifiers,
            storage,
            backends: Arc::new(backends),
            access_log,
            in_flight: Slots::new(IN_FLIGHT),
            invocations: InvocationIds::new(),
            readiness: Readiness::default(),
            admin_token,
            responses: Responses::default(),
        }
    }

    /// The one in use now.
    pub(crate) fn deployment(&self) -> Arc<Deployment> {
        self.deployment.load_full()
    }

    /// For all that begins from now on.
    pub(crate) fn deploy(&self, deployment: Deployment) {
        self.deployment.store(Arc::new(deployment));
    }
}

/// Numbers invocations: 12 digits that differ between processes, 12 that count.
pub(crate) struct InvocationIds {
    process: [u8; 12],
    next: AtomicU64,
}

impl InvocationIds {
    fn new() -> Self {
        let (process, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self {
            process: hex(process),
            next: AtomicU64::new(1),
        }
    }

    pub(crate) fn next(&self) -> InvocationId {
        let mut digits = [0; 24];
        digits[..12].copy_from_slice(&self.process);
        digits[12..].copy_from_slice(&hex(self.next.fetch_add(1, Ordering::Relaxed)));
        InvocationId(digits)
    }
}

/// The last digits of a number.
fn hex(mut number: u64) -> [u8; 12] {
    let mut digits = [0; 12];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
    digits
}
