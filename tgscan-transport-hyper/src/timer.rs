//! Time for the client, on tokio.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

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
        if runtime::current().and_then(runtime::check_time).is_ok() {
            tokio::time::sleep(duration).await;
        } else {
            sleep_on_a_thread(duration).await;
        }
    }
}

/// A thread per sleep is wasteful and right everywhere.
async fn sleep_on_a_thread(duration: Duration) {
    /// Whether the time has passed, and whom to tell.
    type Passed = Mutex<(bool, Option<Waker>)>;
    let locked = |passed: &Passed, then: &mut dyn FnMut(&mut (bool, Option<Waker>))| {
        then(&mut passed.lock().unwrap_or_else(PoisonError::into_inner));
    };

    let passed = Arc::new(Passed::default());
    let at_end = Arc::clone(&passed);
    let thread = std::thread::Builder::new().name("tgscan-timer".to_owned()).spawn(move || {
        std::thread::sleep(duration);
        let mut waiting = None;
        locked(&at_end, &mut |passed| {
            passed.0 = true;
            waiting = passed.1.take();
        });
        if let Some(waker) = waiting {
            waker.wake();
        }
    });
    if thread.is_err() {
        // Out of threads. Waiting in place holds others up, and going on at once would break a promise to a server.
        std::thread::sleep(duration);
        return;
    }
    poll_fn(|context| {
        let mut poll = Poll::Pending;
        locked(&passed, &mut |passed| {
            if passed.0 {
                poll = Poll::Ready(());
            } else {
                passed.1 = Some(context.waker().clone());
            }
        });
        poll
    })
    .await;
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
