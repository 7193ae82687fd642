//! The task that closes expired connections of a pool.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::idle::{Idle, Sweeper};
use super::origin::Pool;

impl Pool {
    /// Starts the task that closes expired connections, unless it runs.
    pub(super) fn start_sweeper(self: &Arc<Self>, idle: &mut Idle) {
        if idle.sweeper.is_none() {
            let sweep = sweep(Arc::downgrade(self), self.settings().idle_timeout);
            idle.sweeper = self.spawn(sweep).map(Sweeper);
        }
    }
}

async fn sweep(pool: Weak<Pool>, timeout: Duration) {
    let mut next = Instant::now() + timeout;
    loop {
        sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.locked();
        let Some(at) = state.idle.sweep(timeout) else {
            state.idle.sweeper = None;
            return;
        };
        next = at;
    }
}
