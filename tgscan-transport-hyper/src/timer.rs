//! Time for the client, on tokio.

use std::time::Duration;

use tgscan_core::{Timer, async_trait};
use tokio::time::Instant;

/// tokio's clock as the client's [`Timer`]. Follows tokio's paused time in tests.
///
/// Sleeping needs a tokio runtime with time enabled, as everything in tokio does. A client over a
/// [`HyperTransport`](crate::HyperTransport) does not come to sleep outside of one, because the call fails before.
#[derive(Clone, Debug)]
pub struct TokioTimer {
    origin: Instant,
}

impl TokioTimer {
    /// A timer that counts from now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for TokioTimer {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Timer for TokioTimer {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn its_clock_and_its_sleep_agree() {
        let timer = TokioTimer::new();
        let before = timer.now();
        timer.sleep(Duration::from_secs(5)).await;
        assert_eq!(timer.now(), before + Duration::from_secs(5));
    }
}
