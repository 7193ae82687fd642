//! Time for the client, on tokio.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use tgscan_core::{Timer, async_trait};
use tokio::time::Instant;

use crate::runtime;

/// tokio's clock as the client's [`Timer`]. Follows tokio's paused time in tests.
///
/// Where there is no tokio runtime, or one without timers, it sleeps on a thread of its own. A client over a
/// [`HyperTransport`](crate::HyperTransport) does not come to that, because the call fails before.
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
        if runtime::current().and_then(runtime::check_time).is_ok() {
            tokio::time::sleep(duration).await;
        } else {
            sleep_on_a_thread(duration).await;
        }
    }

    fn date(&self) -> Option<SystemTime> {
        Some(SystemTime::now())
    }
}

/// A thread per sleep is wasteful and right everywhere.
async fn sleep_on_a_thread(duration: Duration) {
    let alarm = Arc::new(Alarm::default());
    let at_end = Arc::clone(&alarm);
    let thread = std::thread::Builder::new().name("tgscan-timer".to_owned()).spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "there is no tokio timer, so a thread waits")]
        std::thread::sleep(duration);
        at_end.ring();
    });
    if thread.is_ok() {
        poll_fn(|context| alarm.poll(context)).await;
    } else {
        // Out of threads. To wait in place holds others up; to go on at once would not have waited.
        #[expect(clippy::disallowed_methods, reason = "there is no tokio timer, so a thread waits")]
        std::thread::sleep(duration);
    }
}

#[derive(Default)]
struct Alarm(Mutex<Ringing>);

#[derive(Default)]
struct Ringing {
    is_over: bool,
    waiting: Option<Waker>,
}

impl Alarm {
    fn ring(&self) {
        let mut ringing = self.locked();
        ringing.is_over = true;
        let waiting = ringing.waiting.take();
        drop(ringing);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut ringing = self.locked();
        if ringing.is_over {
            return Poll::Ready(());
        }
        ringing.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    fn locked(&self) -> MutexGuard<'_, Ringing> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
