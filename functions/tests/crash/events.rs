//! Functions that fail, processes that die under them, and events that do both every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::content::content;
use crate::effects;
use crate::server::{Server, Site, upload};
use crate::settings::{number, report};

/// Of a hundred attempts some 30 fail, half of them after their effect, and 5 end with the process.
const FAULTS: &str = "after-lease:kill%2,after-effect:kill%2,after-settle:kill%1,\
                      after-lease:error%16,after-effect:error%16";
/// Parallel uploads.
const WRITERS: usize = 16;
const PAUSE: Duration = Duration::from_millis(20);
const POISON: &str = "poison";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: half a minute for 500 events; CRASH_EVENTS=10000 for more"]
async fn no_event_is_lost_and_every_effect_happens_once() {
    let events = number("CRASH_EVENTS", 500);
    let site = Site::new().await;
    let crashes = supervise(&site, FAULTS, events, |number| format!("{number}.webm")).await;
    let effects = effects::exactly_once(&site.disk()).unwrap();
    let attempts = effects::attempts(&site.disk());
    report(&format!(
        "{events} uploads, {attempts} attempts, {crashes} crashes: {effects:?}"
    ));
    assert!(effects.committed >= events as i64, "{effects:?}");
    assert_eq!(effects.superseded, 0);
    assert!(crashes > 0 && attempts > effects.committed);
}

#[tokio::test]
async fn an_event_that_always_fails_delays_no_other() {
    let retry = r#"{ attempts = 8, backoff = "20ms..200ms", window = "1h" }"#;
    let site = Site::new()
        .await
        .set("functions.process_chunk", "retry", retry);
    let armed = format!("after-lease({POISON}):error");
    let server = site.start(&[("FAILPOINT", &armed)]).await;
    // More than may run at once.
    for number in 0..8 {
        assert_eq!(
            server.upload(&format!("{POISON}{number}.webm"), b"x").await,
            Some(200)
        );
    }
    for number in 0..50 {
        assert_eq!(
            server.upload(&format!("{number}.webm"), b"x").await,
            Some(200)
        );
    }
    effects::settled(&site.disk()).await;
    let mut slowest = Duration::ZERO;
    for (subject, took, state) in effects::settlements(&site.disk()) {
        if subject.contains(POISON) {
            assert_eq!(state, "dead", "{subject}");
        } else {
            assert_eq!(state, "done", "{subject}");
            slowest = slowest.max(took);
        }
    }
    report(&format!("the slowest of the others took {slowest:?}"));
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_kills_the_process_is_given_up_alone() {
    let retry = r#"{ attempts = 5, backoff = "10ms..50ms", window = "1h" }"#;
    let site = Site::new()
        .await
        .set("functions.process_chunk", "retry", retry);
    let armed = format!("after-lease({POISON}):kill");
    let name = |number| match number {
        3 => format!("{POISON}.webm"),
        _ => format!("{number}.webm"),
    };
    let crashes = supervise(&site, &armed, 8, name).await;
    report(&format!("{crashes} crashes"));
    for (subject, _, state) in effects::settlements(&site.disk()) {
        let expected = if subject.contains(POISON) {
            "dead"
        } else {
            "done"
        };
        assert_eq!(state, expected, "{subject}");
    }
}

/// Uploads, and starts the process again whenever it has died, until every event is settled; returns
/// how often it died.
async fn supervise(
    site: &Site,
    armed: &str,
    uploads: usize,
    name: impl Fn(usize) -> String,
) -> usize {
    let (announce, running) = watch::channel(None);
    let names: Arc<Vec<String>> = Arc::new((0..uploads).map(name).collect());
    let uploading = start_uploads(&names, &running);
    let mut crashes = 0;
    loop {
        let mut server = site.start(&[("FAILPOINT", armed)]).await;
        announce.send_replace(Some((server.address, server.token.clone())));
        if lives_to_the_end(site, &mut server, &uploading).await {
            uploading.await.unwrap();
            return crashes;
        }
        crashes += 1;
    }
}

async fn lives_to_the_end(site: &Site, server: &mut Server, uploading: &JoinHandle<()>) -> bool {
    while !server.is_over() {
        if uploading.is_finished() && effects::is_settled(&site.disk()) {
            return true;
        }
        sleep(PAUSE).await;
    }
    false
}

type Running = watch::Receiver<Option<(std::net::SocketAddr, String)>>;

/// Each is sent until it is acknowledged, under a name of its own: whether the one before was committed
/// nobody knows, and both count.
fn start_uploads(names: &Arc<Vec<String>>, running: &Running) -> JoinHandle<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (names, next, running) = (names.clone(), next.clone(), running.clone());
            async move {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let bytes = content(name, 100);
                    for again in 0.. {
                        let address = running.borrow().clone();
                        let name = format!("{again}-{name}");
                        if let Some((address, token)) = address
                            && upload(address, &token, &name, &bytes).await == Some(200)
                        {
                            break;
                        }
                        sleep(PAUSE).await;
                    }
                }
            }
        })
        .collect();
    tokio::spawn(async move {
        join_all(writers).await;
    })
}
