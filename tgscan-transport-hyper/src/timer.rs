//! The client's timer on tokio.

use std::time::{Duration, SystemTime};

use tgscan_core::{Timer, async_trait};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::runtime;

/// A [`Timer`] on tokio's clock. Follows tokio's paused time in tests.
///
/// Without a tokio runtime with timers, each sleep uses a thread. Clients over a
/// [`HyperTransport`](crate::HyperTransport) fail before they sleep in that case.
#[derive(Clone, Debug)]
pub struct TokioTimer {
    origin: Instant,
}

impl TokioTimer {
    /// Creates a timer that starts at zero.
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
        if runtime::current().and_then(|_| runtime::check_time()).is_ok() {
            tokio::time::sleep(duration).await;
        } else {
            sleep_on_a_thread(duration).await;
        }
    }

    fn date(&self) -> Option<SystemTime> {
        Some(SystemTime::now())
    }
}

/// Sleeps on a new thread.
async fn sleep_on_a_thread(duration: Duration) {
    let (alarm, ended) = oneshot::channel();
    let sleep = move || {
        #[expect(clippy::disallowed_methods, reason = "there is no tokio timer, so a thread waits")]
        std::thread::sleep(duration);
        // An error means that the waiting future was dropped.
        let _ = alarm.send(());
    };
    // Without a thread, the retry is not delayed.
    if std::thread::Builder::new().name("tgscan-timer".to_owned()).spawn(sleep).is_ok() {
        let _ = ended.await;
    }
}
