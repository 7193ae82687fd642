//! Blocks new attempts during a comparison.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The maximum time for which a comparison blocks new attempts.
pub(super) const MAX_BARRIER: Duration = Duration::from_secs(40);

/// Blocks new calls and attempts until the balance has been compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Barrier {
    pub(super) token: u64,
    /// The time at which the barrier ends, in milliseconds.
    pub(super) until: u64,
}

impl Barrier {
    /// Returns whether the barrier blocks attempts. Ignores a barrier whose end is too far in the future: it was set by
    /// a clock that was ahead.
    pub(super) fn is_active(&self, now: u64) -> bool {
        let left = self.until.saturating_sub(now);
        left > 0 && Duration::from_millis(left) <= MAX_BARRIER
    }
}
