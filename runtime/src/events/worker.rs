//! The event flow on one screen: lease, invoke, settle.
//!
//! It sleeps until something was recorded, a delivery is due, or a slot came free; it never asks the
//! ledger again and again. A function that fails delays nobody but its own event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use manifest::{Retry, Trigger};
use tokio::sync::watch;

use super::retry;
use crate::app::{App, Entry};
use crate::context::{Context, InvocationId, Invoked};
use crate::database::sqlite::SqliteError;
use crate::error::Error;
use crate::failpoint::{failpoint, left_out};
use crate::invocation;
use crate::ledger::{Delivery, Ledger, Outcome};
use crate::policy::Places;
use crate::telemetry::access_log::{Line, Traced};

/// Deliveries leased in one transaction at most.
const BATCH: usize = 128;
/// How much longer than its function a lease lives, so that settling is never too late.
const GRACE: Duration = Duration::from_secs(30);
/// After the ledger failed, how long nothing is tried.
const PAUSE: Duration = Duration::from_secs(1);
/// How long acknowledged events are kept, for looking and for replaying.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Delivers events until `stopping` becomes true, then waits for nothing: what is under way goes on
/// by itself, and what is not settled is delivered again.
pub(crate) async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let ledger = app.storage.ledger().clone();
    tokio::spawn(prune(ledger.clone(), stopping.clone()));
    loop {
        let wait = match deliver_due(&app, &ledger).await {
            Ok(wait) => wait,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot lease events");
                Some(PAUSE)
            }
        };
        tokio::select! {
            () = ledger.recorded() => {}
            () = sleep_or_forever(wait) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

/// Starts what is due and has a slot. Returns how long there is nothing more to do.
async fn deliver_due(app: &Arc<App>, ledger: &Ledger) -> Result<Option<Duration>, SqliteError> {
    let mut next: Option<Duration> = None;
    let deployment = app.deployment();
    for function in ledger.waiting().await? {
        let entry = deployment.entry(&function);
        let Some((entry, retry)) = entry.and_then(|entry| Some((entry, retry_of(entry)?))) else {
            continue;
        };
        loop {
            let Some(due) = ledger.next_due(&entry.spec.name).await? else {
                break;
            };
            let wait = Timestamp::now().as_microsecond().saturating_sub(due);
            if wait < 0 {
                let wait = Duration::from_micros(wait.unsigned_abs());
                next = Some(next.map_or(wait, |next| next.min(wait)));
                break;
            }
            // One that is busy is looked at again when a slot comes free.
            let slots = take_slots(app, entry);
            if slots.is_empty() {
                break;
            }
            let lease = entry.spec.limits.timeout + GRACE;
            let name = &entry.spec.name;
            let leased = ledger
                .lease(name, slots.len(), retry.attempts, lease)
                .await?;
            for (delivery, slot) in leased.into_iter().zip(slots) {
                tokio::spawn(deliver(app.clone(), entry.clone(), delivery, slot));
            }
        }
    }
    Ok(next)
}

fn retry_of(entry: &Entry) -> Option<&Retry> {
    let retry = match &entry.spec.trigger {
        Trigger::Storage(storage) => &storage.retry,
        // Also when it names no type: it did when what still waits for it was published.
        Trigger::Event(event) => &event.retry,
        Trigger::Http(_) | Trigger::Callable(_) => return None,
    };
    entry.spec.enabled.then_some(retry)
}

fn take_slots(app: &App, entry: &Entry) -> Vec<Places> {
    std::iter::from_fn(|| Places::take(app, entry))
        .take(BATCH)
        .collect()
}

/// One attempt, from its lease to its settlement.
async fn deliver(app: Arc<App>, entry: Arc<Entry>, delivery: Delivery, places: Places) {
    let started = Instant::now();
    let id = app.invocations.next();
    let Delivery {
        key,
        lease,
        mut event,
        attempt,
        age,
    } = delivery;
    if left_out!("no-unique-key") {
        event.data["generation"] = Timestamp::now().as_microsecond().into();
    }
    let event_id = event.id.clone();
    let subject = event.subject.as_ref().unwrap_or(&event.kind).clone();
    let deadline = started + entry.spec.limits.timeout;
    let context = Context::new(
        entry.clone(),
        app.backends.clone(),
        Invoked::by_event(id, attempt, deadline.into()),
    );
    let result = async {
        failpoint!("after-lease", &subject).map_err(Error::internal)?;
        invocation::run_event(context, event).await?;
        failpoint!("after-effect", &subject).map_err(Error::internal)
    };
    let result = result.await;
    let outcome = match retry_of(&entry) {
        Some(retry) => retry::outcome(&result, attempt, age, retry, random()),
        None => Outcome::Ack,
    };
    entry.counts.deliveries.count(&outcome);
    app.access_log.record(&Line {
        function: &entry.spec.name,
        invocation: id,
        method: "EVENT",
        path: &subject,
        status: result
            .as_ref()
            .map_or_else(Error::status, |()| StatusCode::NO_CONTENT),
        started: started.into(),
        ended: Instant::now().into(),
        traced: Traced::default(),
    });
    log_failure(&entry, id, &event_id, attempt, &outcome);
    let ledger = app.storage.ledger();
    match ledger.settle(key, lease, outcome).await {
        Ok(true) => drop(failpoint!("after-settle", &subject)),
        Ok(false) => tracing::warn!(event_id, "settled too late: the lease was over"),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, event_id, "cannot settle; it will be delivered again");
        }
    }
    drop(places);
    // A slot is free, and a retry may be due sooner than what the worker waits for.
    ledger.wake();
}

fn log_failure(entry: &Entry, id: InvocationId, event: &str, attempt: u32, outcome: &Outcome) {
    let (function, invocation) = (&entry.spec.name, id.as_str());
    match outcome {
        Outcome::Ack => {}
        Outcome::Retry { after, error } => {
            let after = after.as_secs_f64();
            tracing::warn!(
                function,
                invocation,
                event,
                attempt,
                after,
                "event failed: {error}"
            );
        }
        Outcome::DeadLetter { error } => {
            tracing::error!(
                function,
                invocation,
                event,
                attempt,
                "event given up: {error}"
            );
        }
    }
}

/// In 0..1.
fn random() -> f64 {
    let (bits, _) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}

async fn sleep_or_forever(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

async fn prune(ledger: Ledger, mut stopping: watch::Receiver<bool>) {
    loop {
        if let Err(error) = ledger.prune(Timestamp::now() - KEPT).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot forget old events");
        }
        tokio::select! {
            () = tokio::time::sleep(PRUNE_EVERY) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}
