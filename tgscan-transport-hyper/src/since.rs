//! Measures age on the monotonic clock and the wall clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// An instant on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    monotonic: Instant,
    wall: SystemTime,
}

impl Since {
    pub(crate) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Returns whether `limit`, at most a year, has passed on either clock. The monotonic clock stops while the machine is
    /// suspended, and the wall clock can be set back.
    pub(crate) fn has_passed(self, limit: Duration) -> bool {
        Instant::now() >= self.monotonic + limit || SystemTime::now() >= self.wall + limit
    }

    pub(crate) fn monotonic(self) -> Instant {
        self.monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn time_passes_on_either_clock() {
        let now = Since::now();
        assert!(!now.has_passed(HOUR));
        assert!(Since { wall: now.wall - HOUR, ..now }.has_passed(HOUR), "suspended for an hour");
        assert!(!Since { wall: now.wall + HOUR, ..now }.has_passed(HOUR), "set back by an hour");
        tokio::time::advance(HOUR).await;
        assert!(now.has_passed(HOUR));
        assert!(Since { wall: now.wall + 2 * HOUR, ..now }.has_passed(HOUR), "and set back meanwhile");
    }
}
