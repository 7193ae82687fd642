//! A clock that does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tgscan_core::{Timer, async_trait};

/// A virtual [`Timer`]: every sleep returns at once and advances the time, so that tests of retries take no time.
///
/// Clones share their time.
#[derive(Clone, Debug, Default)]
pub struct VirtualTimer {
    nanos: Arc<AtomicU64>,
}

impl VirtualTimer {
    /// Creates a timer at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Advances the time.
    pub fn advance(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // It ends after 584 years instead of starting anew.
        let _ = self
            .nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_add(nanos)));
    }
}

#[async_trait]
impl Timer for VirtualTimer {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}
