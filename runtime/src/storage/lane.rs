//! Work on a value that goes on behind the async side, on few threads however many such values there are.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::spawn_blocking;

/// Threads of a crew: enough for the cores while some of them wait for the disk.
const CREW: usize = 16;

/// A value that a crew works on, one job after another. Whoever ends a job takes the next one without
/// asking the async side. Dropping it drops the jobs that have not begun.
pub(super) struct Lane<T: Send + 'static> {
    crew: Arc<Crew>,
    shared: Arc<Shared<T>>,
}

type Job<T> = Box<dyn FnOnce(&mut T) -> io::Result<()> + Send>;

struct Shared<T> {
    jobs: Mutex<Jobs<T>>,
    /// No more jobs are left than somebody waits for.
    settled: Notify,
}

struct Jobs<T> {
    /// `None` while a job runs, and after one failed.
    value: Option<T>,
    waiting: VecDeque<Job<T>>,
    /// Whether a job failed; those behind it are dropped.
    has_failed: bool,
    /// Of the job that failed, until somebody asks.
    failure: Option<io::Error>,
    /// With the one that runs.
    left: usize,
    /// Whether the crew knows of them.
    is_called: bool,
    /// How many may be left for whoever waits.
    awaited: Option<usize>,
}

impl<T: Send + 'static> Lane<T> {
    pub(super) fn new(crew: Arc<Crew>, value: T) -> Self {
        let jobs = Jobs {
            value: Some(value),
            waiting: VecDeque::new(),
            has_failed: false,
            failure: None,
            left: 0,
            is_called: false,
            awaited: None,
        };
        let shared = Arc::new(Shared {
            jobs: Mutex::new(jobs),
            settled: Notify::new(),
        });
        Self { crew, shared }
    }

    /// Has `job` run when those before it have ended, and waits for nothing. The first error of a job
    /// surfaces in whatever is called next, and drops the value.
    pub(super) fn run(
        &self,
        job: impl FnOnce(&mut T) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut jobs = self.shared.lock();
        jobs.check()?;
        jobs.waiting.push_back(Box::new(job));
        jobs.left += 1;
        if !std::mem::replace(&mut jobs.is_called, true) {
            drop(jobs);
            self.crew.call(self.shared.clone());
        }
        Ok(())
    }

    /// How many jobs have not ended.
    pub(super) fn left(&self) -> usize {
        self.shared.lock().left
    }

    /// Waits until at most so many jobs have not ended.
    pub(super) async fn settle(&self, most: usize) -> io::Result<()> {
        loop {
            {
                let mut jobs = self.shared.lock();
                jobs.check()?;
                if jobs.left <= most {
                    return Ok(());
                }
                jobs.awaited = Some(most);
            }
            self.shared.settled.notified().await;
        }
    }

    /// Waits for the last job.
    pub(super) async fn finish(self) -> io::Result<T> {
        self.settle(0).await?;
        let value = self.shared.lock().value.take();
        value.ok_or_else(already_failed)
    }
}

impl<T: Send + 'static> Drop for Lane<T> {
    fn drop(&mut self) {
        self.shared.lock().waiting.clear();
    }
}

impl<T> Jobs<T> {
    fn check(&mut self) -> io::Result<()> {
        match self.has_failed {
            false => Ok(()),
            true => Err(self.failure.take().unwrap_or_else(already_failed)),
        }
    }
}

fn already_failed() -> io::Error {
    io::Error::other("a job before has failed")
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Jobs<T>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Queue for Shared<T> {
    fn run_next(&self) -> bool {
        let (mut value, job) = {
            let mut jobs = self.lock();
            let Some(value) = jobs.value.take() else {
                jobs.is_called = false;
                return false;
            };
            let Some(job) = jobs.waiting.pop_front() else {
                jobs.value = Some(value);
                jobs.is_called = false;
                return false;
            };
            (value, job)
        };
        let done = catch_unwind(AssertUnwindSafe(|| job(&mut value)))
            .unwrap_or_else(|_| Err(io::Error::other("a job panicked")))
            .map(|()| value);
        let mut jobs = self.lock();
        match done {
            Ok(value) => {
                jobs.value = Some(value);
                jobs.left -= 1;
            }
            Err(error) => {
                jobs.waiting.clear();
                jobs.left = 0;
                jobs.has_failed = true;
                jobs.failure = Some(error);
            }
        }
        if jobs.awaited.is_some_and(|most| jobs.left <= most) {
            jobs.awaited = None;
            self.settled.notify_one();
        }
        jobs.is_called = !jobs.waiting.is_empty();
        jobs.is_called
    }
}

/// A few blocking threads for all lanes, which come when there is work and go when there is none. No job
/// waits for another, so it matters to none how many they are.
#[derive(Default)]
pub(super) struct Crew(Mutex<Roster>);

#[derive(Default)]
struct Roster {
    waiting: VecDeque<Arc<dyn Queue>>,
    threads: usize,
}

trait Queue: Send + Sync {
    /// Runs one job. Returns whether another one waits: it is its turn when those of others were.
    fn run_next(&self) -> bool;
}

impl Crew {
    fn call(self: &Arc<Self>, queue: Arc<dyn Queue>) {
        let mut roster = self.lock();
        roster.waiting.push_back(queue);
        if roster.threads < CREW {
            roster.threads += 1;
            drop(roster);
            let hand = Hand(Some(self.clone()));
            spawn_blocking(move || hand.work());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Roster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread of a crew, counted until it goes, or never comes.
struct Hand(Option<Arc<Crew>>);

impl Hand {
    fn work(mut self) {
        let mut unfinished = None;
        while let Some(crew) = &self.0 {
            let mut roster = crew.lock();
            roster.waiting.extend(unfinished.take());
            let Some(queue) = roster.waiting.pop_front() else {
                // While the roster is held: whoever calls next sees that this one has gone.
                roster.threads -= 1;
                drop(roster);
                self.0 = None;
                return;
            };
            drop(roster);
            unfinished = queue.run_next().then_some(queue);
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(crew) = &self.0 {
            crew.lock().threads -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn push(number: usize) -> impl FnOnce(&mut Vec<usize>) -> io::Result<()> {
        move |numbers| {
            numbers.push(number);
            Ok(())
        }
    }

    #[tokio::test]
    async fn every_lane_runs_its_jobs_in_their_order_however_many_lanes_there_are() {
        let crew = Arc::new(Crew::default());
        let lanes: Vec<_> = (0..5 * CREW)
            .map(|_| Lane::new(crew.clone(), Vec::new()))
            .collect();
        for number in 0..100 {
            for lane in &lanes {
                lane.run(push(number)).unwrap();
            }
            lanes[number % lanes.len()]
                .settle(number % 3)
                .await
                .unwrap();
        }
        for lane in lanes {
            assert!(lane.finish().await.unwrap().into_iter().eq(0..100));
        }
    }

    #[tokio::test]
    async fn as_many_threads_work_as_a_crew_has_and_no_more() {
        let crew = Arc::new(Crew::default());
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gate_is_open = Arc::new(AtomicBool::new(false));
        let lanes: Vec<_> = (0..3 * CREW).map(|_| Lane::new(crew.clone(), ())).collect();
        for lane in &lanes {
            let (now, most, gate_is_open) = (now.clone(), most.clone(), gate_is_open.clone());
            let job = move |(): &mut ()| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                while !gate_is_open.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            };
            lane.run(job).unwrap();
        }
        while now.load(Ordering::SeqCst) < CREW {
            tokio::task::yield_now().await;
        }
        gate_is_open.store(true, Ordering::SeqCst);
        for lane in lanes {
            lane.finish().await.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), CREW);
        while crew.lock().threads > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_first_error_surfaces_and_nothing_runs_behind_it() {
        let crew = Arc::new(Crew::default());
        let value = Arc::new(AtomicUsize::new(0));
        let lane = Lane::new(crew.clone(), value.clone());
        let (go, gone) = mpsc::channel::<()>();
        lane.run(move |_| {
            let _ = gone.recv();
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap();
        lane.run(|value| {
            value.store(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        assert_eq!(lane.left(), 2);
        drop(go);
        let error = lane.settle(1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(lane.run(|_| Ok(())).is_err());
        assert!(lane.finish().await.is_err());
        assert_eq!(value.load(Ordering::SeqCst), 0);
        assert_eq!(Arc::strong_count(&value), 1);

        let lane = Lane::new(crew, ());
        lane.run(|()| panic!("as a test")).unwrap();
        assert!(lane.finish().await.is_err());
    }

    #[tokio::test]
    async fn dropping_a_lane_ends_it_behind_the_job_that_runs() {
        let crew = Arc::new(Crew::default());
        let value = Arc::new(AtomicUsize::new(0));
        let lane = Lane::new(crew, value.clone());
        let (begun, (go, gone)) = (Arc::new(Notify::new()), mpsc::channel::<()>());
        let begins = begun.clone();
        lane.run(move |_| {
            begins.notify_one();
            let _ = gone.recv();
            Ok(())
        })
        .unwrap();
        lane.run(|value| {
            value.store(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        begun.notified().await;
        drop(lane);
        assert_eq!(Arc::strong_count(&value), 2);
        drop(go);
        while Arc::strong_count(&value) > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(value.load(Ordering::SeqCst), 0);
    }
}
