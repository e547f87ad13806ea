//! Google's public keys: fetched when first needed, kept fresh, never waited for twice.
//!
//! - One flight at a time: whoever needs the keys meanwhile waits for the same fetch.
//! - Fresh for what `Cache-Control` says, within 5 minutes and 24 hours. Stale keys serve while a
//!   fetch is under way or fails, for 24 hours more.
//! - An unknown key id is worth a fetch at most once in 30 seconds, whoever asks.
//! - When no keys can be had, the answer is "cannot tell", never "refused".

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::AuthError;
use super::fetched::Fetched;

const SHORTEST_FRESHNESS: Duration = Duration::from_secs(5 * 60);
const LONGEST_FRESHNESS: Duration = Duration::from_secs(24 * 60 * 60);
const STALE_FOR: Duration = Duration::from_secs(24 * 60 * 60);
const BETWEEN_FETCHES: Duration = Duration::from_secs(30);
/// While there are no keys at all, a fetch is worth trying again this soon.
const BETWEEN_COLD_FETCHES: Duration = Duration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct KeySourceSettings {
    /// A JSON Web Key Set.
    pub(crate) url: String,
    /// Without redirects.
    pub(crate) client: reqwest::Client,
    /// Where the fetch runs, apart from the functions.
    pub(crate) services: Handle,
}

pub(crate) struct KeySource {
    settings: KeySourceSettings,
    current: ArcSwap<KeySet>,
    set: AtomicU64,
    flight: Mutex<LastFetch>,
}

#[derive(Default)]
struct KeySet {
    /// Counts the sets in which some key differed from the one before. 0: none was had yet.
    number: u64,
    keys: HashMap<String, Arc<DecodingKey>>,
    /// The raw answer's keys, to see whether anything changed.
    fingerprint: Vec<(String, String, String)>,
    times: Option<Times>,
}

#[derive(Clone, Copy)]
struct Times {
    fresh_until: Instant,
    stale_until: Instant,
}

/// When a fetch last ended, and whether it brought keys.
#[derive(Default)]
struct LastFetch {
    ended: Option<Instant>,
    failed: bool,
}

#[derive(Deserialize)]
struct Answer {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kid: String,
    kty: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

impl KeySource {
    pub(crate) fn new(settings: KeySourceSettings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            current: ArcSwap::default(),
            set: AtomicU64::new(0),
            flight: Mutex::default(),
        })
    }

    /// The number of the set of keys in force; it changes when a key comes or goes.
    pub(crate) fn current_set(&self) -> u64 {
        self.set.load(Ordering::Acquire)
    }

    /// Whether there are keys to check a token with.
    pub(crate) fn is_ready(&self) -> bool {
        self.current.load().usable(Instant::now())
    }

    /// The key of that id, and the number of its set.
    pub(super) async fn get(
        self: &Arc<Self>,
        kid: &str,
    ) -> Result<(Arc<DecodingKey>, u64), AuthError> {
        let now = Instant::now();
        let known = self.current.load();
        if known.usable(now)
            && let Some(key) = known.keys.get(kid)
        {
            if !known.fresh(now) {
                self.refresh_in_background();
            }
            return Ok((key.clone(), known.number));
        }
        let asked = Instant::now();
        drop(known);
        let reached = self.refresh(asked).await;
        let known = self.current.load();
        match known.keys.get(kid) {
            Some(key) if known.usable(Instant::now()) => Ok((key.clone(), known.number)),
            _ if reached => Err(AuthError::Rejected("no such key")),
            _ => Err(AuthError::Unavailable("the keys cannot be had")),
        }
    }

    fn refresh_in_background(self: &Arc<Self>) {
        // Whoever holds the flight is already fetching.
        let worth_it = self.flight.try_lock().is_ok_and(|last| {
            last.ended
                .is_none_or(|ended| ended.elapsed() >= BETWEEN_FETCHES)
        });
        if worth_it {
            let source = self.clone();
            self.settings.services.spawn(async move {
                source.refresh_in_turn(Instant::now()).await;
            });
        }
    }

    /// Fetches unless that was tried since `asked`, or too recently. Whether the last try succeeded.
    ///
    /// In a task of its own: a caller that goes away takes neither the fetch nor the pause after it
    /// along.
    async fn refresh(self: &Arc<Self>, asked: Instant) -> bool {
        let source = self.clone();
        let refreshed = self
            .settings
            .services
            .spawn(async move { source.refresh_in_turn(asked).await });
        refreshed.await.unwrap_or(false)
    }

    async fn refresh_in_turn(&self, asked: Instant) -> bool {
        let mut last = self.flight.lock().await;
        let pause = match self.is_ready() {
            true => BETWEEN_FETCHES,
            false => BETWEEN_COLD_FETCHES,
        };
        let recent = last
            .ended
            .is_some_and(|ended| ended >= asked || ended.elapsed() < pause);
        if !recent {
            let fetched = self.fetch().await;
            if let Err(error) = &fetched {
                tracing::warn!(error = %format!("{error:#}"), "cannot fetch the public keys");
            }
            last.failed = fetched.is_err();
            last.ended = Some(Instant::now());
        }
        !last.failed
    }

    async fn fetch(&self) -> anyhow::Result<()> {
        let request = self.settings.client.get(&self.settings.url);
        let answer = Fetched::from(request.timeout(FETCH_TIMEOUT)).await?;
        let fresh_for = max_age(&answer.headers)
            .unwrap_or(SHORTEST_FRESHNESS)
            .clamp(SHORTEST_FRESHNESS, LONGEST_FRESHNESS);
        self.install(answer.json()?, fresh_for)
    }

    fn install(&self, answer: Answer, fresh_for: Duration) -> anyhow::Result<()> {
        let rsa = answer.keys.into_iter().filter(|key| key.kty == "RSA");
        let mut fingerprint: Vec<_> = rsa.map(|key| (key.kid, key.n, key.e)).collect();
        fingerprint.sort();
        let mut keys = HashMap::new();
        for (kid, n, e) in &fingerprint {
            let key = DecodingKey::from_rsa_components(n, e)?;
            keys.insert(kid.clone(), Arc::new(key));
        }
        anyhow::ensure!(!keys.is_empty(), "the answer has no RSA key");
        let before = self.current.load();
        let number = before.number + u64::from(before.fingerprint != fingerprint);
        let fresh_until = Instant::now() + fresh_for;
        self.current.store(Arc::new(KeySet {
            number,
            keys,
            fingerprint,
            times: Some(Times {
                fresh_until,
                stale_until: fresh_until + STALE_FOR,
            }),
        }));
        self.set.store(number, Ordering::Release);
        Ok(())
    }
}

#[cfg(feature = "testing")]
impl KeySource {
    /// One that never fetches.
    pub(crate) fn of_answers(settings: KeySourceSettings) -> Arc<Self> {
        let never = Instant::now() + Duration::from_secs(u32::MAX.into());
        Arc::new(Self {
            settings,
            current: ArcSwap::default(),
            set: AtomicU64::new(0),
            flight: Mutex::new(LastFetch {
                ended: Some(never),
                failed: false,
            }),
        })
    }

    pub(crate) fn install_answer(&self, answer: &[u8]) -> anyhow::Result<()> {
        self.install(serde_json::from_slice(answer)?, LONGEST_FRESHNESS)
    }
}

impl KeySet {
    fn fresh(&self, now: Instant) -> bool {
        self.times.is_some_and(|times| now < times.fresh_until)
    }

    fn usable(&self, now: Instant) -> bool {
        self.times.is_some_and(|times| now < times.stale_until)
    }
}

fn max_age(headers: &http::HeaderMap) -> Option<Duration> {
    headers
        .get(http::header::CACHE_CONTROL)?
        .to_str()
        .ok()?
        .split(',')
        .find_map(|directive| directive.trim().strip_prefix("max-age="))
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs)
}
