//! Everything that a request can meet, put together once from a manifest, a registry and the
//! backends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::{Counter, Deliveries, Responses};
use crate::watchdog::Label;

/// Invocations in the whole process; beyond it, memory is the next thing to go.
const IN_FLIGHT: u32 = 10_000;

pub(crate) struct App {
    pub(crate) routes: RouteTable,
    pub(crate) entries: Vec<Arc<Entry>>,
    /// For URLs that belong to no function.
    pub(crate) default_cors: Option<CorsPolicy>,
    pub(crate) hosting: Option<Hosting>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) verifiers: Verifiers,
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

/// One function, with everything about it that a request needs resolved.
pub(crate) struct Entry {
    pub(crate) spec: FunctionSpec,
    pub(crate) function: Function,
    pub(crate) cors: Option<CorsPolicy>,
    pub(crate) slots: Slots,
    pub(crate) rate_limiter: Option<RateLimiter>,
    pub(crate) counts: Counts,
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
            rate_limiter: spec.rate_limit.as_ref().map(RateLimiter::new),
            counts: Counts::default(),
            label: Label::of(&spec.name),
            spec,
        }
    }
}

impl App {
    pub(crate) fn new(
        manifest: &Manifest,
        functions: Vec<(FunctionSpec, Function)>,
        hosting: Option<Hosting>,
        (proxies, admin_token): (TrustedProxies, Option<Secret>),
        verifiers: Verifiers,
        backends: Backends,
        access_log: Arc<AccessLog>,
    ) -> Self {
        let entries: Vec<_> = functions
            .into_iter()
            .map(|(spec, function)| Arc::new(Entry::new(spec, function)))
            .collect();
        Self {
            routes: RouteTable::new(manifest, entries.iter().map(|entry| &entry.spec)),
            entries,
            default_cors: manifest
                .default_cors
                .as_ref()
                .map(|cors| CorsPolicy::new(cors, None)),
            hosting,
            proxies,
            verifiers,
            backends: Arc::new(backends),
            access_log,
            in_flight: Slots::new(IN_FLIGHT),
            invocations: InvocationIds::new(),
            readiness: Readiness::default(),
            admin_token,
            responses: Responses::default(),
        }
    }
}

/// Numbers invocations: 12 digits that differ between processes, 12 that count.
pub(crate) struct InvocationIds {
    process: u64,
    next: AtomicU64,
}

impl InvocationIds {
    fn new() -> Self {
        let (process, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self {
            process,
            next: AtomicU64::new(1),
        }
    }

    pub(crate) fn next(&self) -> InvocationId {
        let mut digits = [0; 24];
        hex(self.process, &mut digits[..12]);
        hex(self.next.fetch_add(1, Ordering::Relaxed), &mut digits[12..]);
        InvocationId(digits)
    }
}

fn hex(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}
