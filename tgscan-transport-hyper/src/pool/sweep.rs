//! The task that closes expired connections of a pool.

use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep_until};

use super::idle::{Idle, Sweeper};
use super::origin::Pool;

impl Pool {
    /// Sweeps the idle connections at this time, unless a sweep comes earlier.
    pub(super) fn sweep_at(self: &Arc<Self>, idle: &mut Idle, at: Instant) {
        if idle.sweeper.as_ref().is_none_or(|sweeper| sweeper.at > at) {
            let task = self.spawn(sweep(Arc::downgrade(self), at));
            idle.sweeper = task.map(|task| Sweeper { at, task });
        }
    }
}

async fn sweep(pool: Weak<Pool>, mut at: Instant) {
    loop {
        sleep_until(at).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.locked();
        let Some(next) = state.idle.sweep() else {
            state.idle.sweeper = None;
            return;
        };
        at = next;
        if let Some(sweeper) = &mut state.idle.sweeper {
            sweeper.at = at;
        }
    }
}
