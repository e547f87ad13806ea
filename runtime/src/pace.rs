//! How slowly a peer may send or read before it is given up, and the alarm that says so.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long a peer may be waited for while it moves fewer than [`BYTES_PER_SECOND`].
const PATIENCE: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND: u64 = 1024;

/// The time spent waiting for a peer, less the time that its bytes have earned: a peer that moves a
/// kibibyte a second can go on for ever, one that moves a byte now and then has half a minute.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// The peer is waited for; returns when it is to be given up.
    pub(crate) fn waiting(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.patience()
    }

    /// When the peer that is waited for is to be given up.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.since.map(|since| since + self.patience())
    }

    fn patience(&self) -> Duration {
        PATIENCE.saturating_sub(self.waited)
    }

    /// When the present wait began.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// The peer has moved so many bytes.
    pub(crate) fn moved(&mut self, bytes: usize, now: Instant) {
        let Some(since) = self.since.take() else {
            return;
        };
        let bytes = bytes as u64;
        let earned = Duration::from_secs(bytes / BYTES_PER_SECOND)
            + Duration::from_millis(bytes % BYTES_PER_SECOND * 1000 / BYTES_PER_SECOND);
        let waited = self.waited + now.saturating_duration_since(since);
        self.waited = waited.saturating_sub(earned);
    }
}

/// Wakes a task at a time that mostly moves further away before it comes: then nothing is set anew
/// until the earlier one has passed.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `due` has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if due < sleep.deadline() {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if due <= sleep.deadline() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(seconds of waiting, bytes that then came)` until the peer is given up, or not.
    fn given_up(moves: &[(u64, usize)]) -> bool {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        for (seconds, bytes) in moves {
            let until = pace.waiting(now);
            now += Duration::from_secs(*seconds);
            if now >= until {
                return true;
            }
            pace.moved(*bytes, now);
        }
        false
    }

    #[test]
    fn silence_is_given_up_after_half_a_minute() {
        assert!(!given_up(&[(29, 0)]));
        assert!(given_up(&[(30, 0)]));
    }

    #[test]
    fn a_byte_now_and_then_earns_nothing() {
        assert!(given_up(&[(29, 1), (29, 1)]));
        assert!(given_up(&[(1, 1); 31]));
    }

    #[test]
    fn a_kibibyte_a_second_can_go_on() {
        assert!(!given_up(&[(1, 1024); 1000]));
        assert!(!given_up(&[(10, 10 * 1024); 100]));
        assert!(!given_up(&[(20, 1 << 20), (29, 1 << 20), (29, 0)]));
    }

    #[test]
    fn time_that_the_peer_is_not_waited_for_does_not_count() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let hour = Duration::from_secs(3600);
        for n in 0..10 {
            pace.moved(1, start + hour * n);
        }
        assert_eq!(
            pace.waiting(start + hour * 10),
            start + hour * 10 + PATIENCE
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_follows_the_time_that_it_is_asked_for() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut alarm = Alarm::default();
        let mut ring = async |first: Instant, then: Instant| {
            let early = std::future::poll_fn(|cx| Poll::Ready(alarm.poll(cx, first))).await;
            assert!(early.is_pending());
            std::future::poll_fn(|cx| alarm.poll(cx, then)).await;
            Instant::now()
        };
        assert_eq!(ring(at(10), at(130)).await, at(130));
        assert_eq!(ring(at(300), at(140)).await, at(140));
    }
}
