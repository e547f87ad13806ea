//! The thread that keeps the workers looking at the network, and notices when a function does not let them.
//!
//! A function that computes without an `.await` has its thread for itself, and nothing can take it back.
//! So the function is named, and when all threads are held, the process ends for the platform to start
//! another: an answer is better than silence. This module knows threads and what they run; it knows
//! nothing of requests.
//!
//! Time is counted in heartbeats, not read from a clock: a process that was stopped for a minute, and goes
//! on, has held nobody up.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::context::InvocationId;

const HEARTBEAT: Duration = Duration::from_millis(100);
/// Heartbeats through which one poll goes on before it is told: a second.
const LONG: u32 = 10;
/// Heartbeats that no worker answers before the process is given up: ten seconds.
const STUCK: u32 = 100;
/// How long the process has to end by itself once it is given up.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// What a thread says of itself, written at every poll of a function and therefore cheap: plain stores,
/// to a cache line that nobody else writes.
#[derive(Default)]
#[repr(align(64))]
struct Bench {
    /// Odd while a function is polled; another number for each poll.
    poll: AtomicU64,
    function: AtomicU32,
    invocation: [AtomicU64; 3],
}

thread_local! {
    static BENCH: OnceCell<Arc<Bench>> = const { OnceCell::new() };
}

/// One invocation, as a thread can write it down.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) function: Label,
    pub(crate) invocation: InvocationId,
}

impl Running {
    /// Does some of its work on this thread.
    pub(crate) fn poll<T>(self, work: impl FnOnce() -> T) -> T {
        BENCH.with(|bench| {
            let Some(bench) = bench.get() else {
                return work();
            };
            bench.begin(self);
            let done = work();
            bench.end();
            done
        })
    }
}

impl Bench {
    fn begin(&self, running: Running) {
        self.function.store(running.function.0, Ordering::Relaxed);
        for (word, value) in self.invocation.iter().zip(running.invocation.words()) {
            word.store(value, Ordering::Relaxed);
        }
        let poll = self.poll.load(Ordering::Relaxed);
        self.poll.store((poll + 2) | 1, Ordering::Release);
    }

    fn end(&self) {
        let poll = self.poll.load(Ordering::Relaxed);
        self.poll.store((poll + 2) & !1, Ordering::Release);
    }

    fn running(&self) -> Running {
        Running {
            function: Label(self.function.load(Ordering::Relaxed)),
            invocation: InvocationId::from_words(
                self.invocation
                    .each_ref()
                    .map(|word| word.load(Ordering::Relaxed)),
            ),
        }
    }
}

/// A function's name as a number, for where only a number fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label(u32);

/// As many as the manifests of the process have functions: none is ever forgotten.
static NAMES: Mutex<Names> = Mutex::new(Names {
    by_number: Vec::new(),
    numbers: BTreeMap::new(),
});

struct Names {
    by_number: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u32>,
}

impl Label {
    pub(crate) fn of(name: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&number) = names.numbers.get(name) {
            return Self(number);
        }
        let number = names.by_number.len() as u32;
        let name: Arc<str> = name.into();
        names.by_number.push(name.clone());
        names.numbers.insert(name, number);
        Self(number)
    }

    fn name(self) -> String {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.by_number.get(self.0 as usize);
        name.map(|name| (**name).to_owned()).unwrap_or_default()
    }
}

/// The threads of one runtime.
#[derive(Clone, Default)]
pub(crate) struct Workers(Arc<Mutex<Vec<Watched>>>);

/// A thread, and what it was seen at.
struct Watched {
    bench: Weak<Bench>,
    sighting: Sighting,
}

impl Workers {
    /// From now on the calling thread is watched, until it ends.
    pub(crate) fn join(&self) {
        let bench = Arc::<Bench>::default();
        let watched = Watched {
            bench: Arc::downgrade(&bench),
            sighting: Sighting::default(),
        };
        if BENCH.with(|own| own.set(bench)).is_ok() {
            self.lock().push(watched);
        }
    }

    /// Looks at each thread once, and names the functions that have just become long.
    fn look(&self) {
        self.lock().retain_mut(|watched| {
            let Some(bench) = watched.bench.upgrade() else {
                return false;
            };
            if watched.sighting.again(bench.poll.load(Ordering::Acquire)) == LONG {
                let running = bench.running();
                tracing::warn!(
                    function = running.function.name(),
                    invocation = running.invocation.as_str(),
                    "a function has held a worker for 1 s without yielding"
                );
            }
            true
        });
    }

    /// Names every function that holds a thread.
    fn accuse(&self) {
        for watched in &*self.lock() {
            let Some(bench) = watched.bench.upgrade() else {
                continue;
            };
            if watched.sighting.beats > 0 {
                let running = bench.running();
                tracing::error!(
                    function = running.function.name(),
                    invocation = running.invocation.as_str(),
                    seconds = (HEARTBEAT * watched.sighting.beats).as_secs(),
                    "a function holds a worker"
                );
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread as it was at the last heartbeat.
#[derive(Default)]
struct Sighting {
    poll: u64,
    /// For how many heartbeats it has been at the same poll; 0 when it is at none.
    beats: u32,
}

impl Sighting {
    /// Returns for how many heartbeats the thread has been at `poll`.
    fn again(&mut self, poll: u64) -> u32 {
        let same = poll == self.poll && poll % 2 == 1;
        self.beats = if same { self.beats + 1 } else { 0 };
        self.poll = poll;
        self.beats
    }
}

/// The thread that watches; it ends when this is dropped.
pub(crate) struct Watchdog {
    _alive: mpsc::Sender<()>,
    stuck: oneshot::Receiver<()>,
}

impl Watchdog {
    pub(crate) fn start(runtime: Handle, workers: Workers) -> io::Result<Self> {
        let (alive, ended) = mpsc::channel();
        let (give_up, stuck) = oneshot::channel();
        std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || watch(&runtime, &workers, give_up, &ended))?;
        Ok(Self {
            _alive: alive,
            stuck,
        })
    }

    /// Ends when all workers have been held for 10 s. The process must end then, and is aborted if it
    /// has not in 5 s.
    pub(crate) async fn stuck(&mut self) {
        if (&mut self.stuck).await.is_err() {
            // The thread is gone, and says nothing of the workers.
            std::future::pending::<()>().await;
        }
    }
}

/// Each heartbeat gives the workers an empty task. It wakes one: when the worker that waits for the
/// network goes on to run a function that never yields, no other looks at the network before something
/// wakes it. And that none runs it says that all are held.
fn watch(
    runtime: &Handle,
    workers: &Workers,
    give_up: oneshot::Sender<()>,
    ended: &mpsc::Receiver<()>,
) {
    let ran = Arc::new(AtomicBool::new(true));
    let mut unanswered = 0;
    while ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
        workers.look();
        unanswered = match ran.swap(false, Ordering::Relaxed) {
            true => 0,
            false => unanswered + 1,
        };
        if unanswered == STUCK {
            workers.accuse();
            tracing::error!("all workers have been held for 10 s: the process ends");
            // Nobody waits for it when the process is ending already.
            let _ = give_up.send(());
            if ended.recv_timeout(LAST_BREATH) == Err(RecvTimeoutError::Timeout) {
                std::process::abort();
            }
            return;
        }
        let ran = ran.clone();
        runtime.spawn(async move { ran.store(true, Ordering::Relaxed) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(function: &str, invocation: u8) -> Running {
        Running {
            function: Label::of(function),
            invocation: InvocationId([invocation; 24]),
        }
    }

    #[test]
    fn a_poll_is_long_when_it_is_seen_again_and_again_and_idleness_never_is() {
        let mut sighting = Sighting::default();
        for (poll, beats) in [
            (0, 0),
            (0, 0),
            (3, 0),
            (3, 1),
            (3, 2),
            (6, 0),
            (6, 0),
            (9, 0),
            (13, 0),
            (13, 1),
        ] {
            assert_eq!(sighting.again(poll), beats, "poll {poll}");
        }
    }

    #[test]
    fn a_thread_says_what_it_runs_while_it_runs_it() {
        let workers = Workers::default();
        let watched = workers.clone();
        let thread = std::thread::spawn(move || {
            watched.join();
            let bench = watched.lock()[0].bench.upgrade().unwrap();
            let poll = || bench.poll.load(Ordering::Relaxed);
            assert_eq!(poll() % 2, 0);
            let first = running("first", b'1').poll(|| {
                let running = bench.running();
                assert_eq!(running.function.name(), "first");
                assert_eq!(running.invocation.as_str(), "1".repeat(24));
                poll()
            });
            assert_eq!(poll() % 2, 0);
            let second = running("second", b'2').poll(poll);
            assert_eq!(bench.running().function.name(), "second");
            assert_eq!((first % 2, second % 2), (1, 1));
            assert_ne!(first, second, "two polls look like one");
        });
        thread.join().unwrap();
        workers.look();
        assert!(workers.lock().is_empty(), "a thread that ended is watched");
    }

    #[test]
    fn what_is_polled_inside_another_poll_leaves_no_thread_held() {
        let workers = Workers::default();
        workers.join();
        running("outer", b'1').poll(|| running("inner", b'2').poll(|| ()));
        let bench = workers.lock()[0].bench.upgrade().unwrap();
        assert_eq!(bench.poll.load(Ordering::Relaxed) % 2, 0);
    }

    #[test]
    fn a_thread_that_nobody_watches_runs_functions_too() {
        assert_eq!(running("alone", b'1').poll(|| 7), 7);
    }

    #[test]
    fn a_name_has_one_label() {
        let (one, other) = (Label::of("one name"), Label::of("another name"));
        assert_ne!(one, other);
        assert_eq!(Label::of("one name"), one);
        assert_eq!(other.name(), "another name");
    }
}
