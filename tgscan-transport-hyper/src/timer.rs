//! The client's timer on tokio.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use tgscan_core::{Timer, async_trait};
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

/// Sleeps on a new thread.
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
        // No thread is available. Blocking here delays other tasks, but keeps the backoff.
        #[expect(clippy::disallowed_methods, reason = "there is no tokio timer, so a thread waits")]
        std::thread::sleep(duration);
    }
}

#[derive(Default)]
struct Alarm(Mutex<AlarmState>);

#[derive(Default)]
struct AlarmState {
    is_over: bool,
    waiting: Option<Waker>,
}

impl Alarm {
    fn ring(&self) {
        let mut state = self.locked();
        state.is_over = true;
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.locked();
        if state.is_over {
            return Poll::Ready(());
        }
        state.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    fn locked(&self) -> MutexGuard<'_, AlarmState> {
        // No code panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sleep_advances_the_clock() {
        let timer = TokioTimer::new();
        let before = timer.now();
        timer.sleep(Duration::from_secs(5)).await;
        assert_eq!(timer.now(), before + Duration::from_secs(5));
    }
}
