//! Where events wait until all of a backlog are there.

use std::sync::LazyLock;

use tokio::sync::watch;

/// The one gate, which many backlogs may wait at in turn.
pub(crate) static GATE: LazyLock<Gate> = LazyLock::new(Gate::default);

#[derive(Default)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    passed: watch::Sender<usize>,
}

impl Gate {
    pub(crate) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// Waits until it is open.
    pub(crate) async fn pass(&self) {
        // Neither sender is ever dropped.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        self.passed.send_modify(|passed| *passed += 1);
    }

    pub(crate) fn passed(&self) -> usize {
        *self.passed.borrow()
    }

    /// Waits until so many have passed since the process began.
    pub(crate) async fn have_passed(&self, count: usize) {
        let _ = self
            .passed
            .subscribe()
            .wait_for(|passed| *passed >= count)
            .await;
    }
}
