//! A clock that does not wait.

use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tgscan_core::{Timer, async_trait};

use crate::data::TODAY;

/// A virtual [`Timer`]: when no other task can run, time advances to the end of the next sleep, so that tests of
/// retries, latencies and deadlines take no time and have a fixed order.
///
/// Other tasks run during a sleep, in the order in which their sleeps end. Clones share their time, and the time of day
/// follows it.
#[derive(Clone)]
pub struct VirtualTimer {
    state: Arc<Mutex<State>>,
    /// The time of day at zero.
    start: SystemTime,
}

/// The latest time: thousands of years, which every system's clock can represent.
const LAST: Duration = Duration::from_secs(8000 * 365 * SECONDS_PER_DAY);
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

#[derive(Default)]
struct State {
    now: Duration,
    /// The end of each sleep, with a unique number.
    sleeping: BTreeSet<(Duration, u64)>,
    last: u64,
}

impl Default for VirtualTimer {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtualTimer {
    /// Creates a timer at zero, which is 2026-01-01 00:00 UTC. The timer of a mock begins on its
    /// [`today`](crate::MockBuilder::today).
    pub fn new() -> Self {
        Self::beginning(TODAY)
    }

    pub(crate) fn beginning(today: u64) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(today * SECONDS_PER_DAY);
        Self { state: Arc::default(), start }
    }

    /// Returns a wall clock that follows this timer.
    ///
    /// `tgscan_store::Clock::new(mock.timer().wall_clock())` puts a store on the mock's clock, so that its answers
    /// expire when a test [advances](Self::advance) the time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tgscan_mock::Mock;
    ///
    /// let mock = Mock::new();
    /// let clock = mock.timer().wall_clock();
    /// let before = clock();
    /// mock.timer().advance(Duration::from_secs(60));
    /// assert_eq!(clock().duration_since(before)?, Duration::from_secs(60));
    /// # Ok::<(), std::time::SystemTimeError>(())
    /// ```
    pub fn wall_clock(&self) -> impl Fn() -> SystemTime + Clone + Send + Sync + use<> {
        let timer = self.clone();
        move || timer.time_of_day()
    }

    fn time_of_day(&self) -> SystemTime {
        self.start + self.now().min(LAST)
    }

    /// Advances the time.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        // Stops at the latest time instead of overflowing.
        state.now = state.now.saturating_add(duration);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Timer for VirtualTimer {
    fn now(&self) -> Duration {
        self.state().now
    }

    async fn sleep(&self, duration: Duration) {
        let sleep = Sleep::new(self, duration);
        let mut polls = 0;
        poll_fn(|context| {
            let mut state = self.state();
            // At the second poll, all tasks were polled since this sleep began: no other task can run now.
            if polls > 0 {
                let next = state.sleeping.first().filter(|_| polls < MOST_POLLS).unwrap_or(&sleep.place).0;
                state.now = state.now.max(next);
                if sleep.place.0 <= state.now {
                    return Poll::Ready(());
                }
            }
            polls += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn date(&self) -> Option<SystemTime> {
        Some(self.time_of_day())
    }
}

/// After this number of polls, a sleep ignores sleeps that end earlier: they were abandoned.
const MOST_POLLS: u32 = 1000;

/// The place of a sleep among the others, until dropped.
struct Sleep<'a> {
    timer: &'a VirtualTimer,
    place: (Duration, u64),
}

impl<'a> Sleep<'a> {
    fn new(timer: &'a VirtualTimer, duration: Duration) -> Self {
        let mut state = timer.state();
        state.last += 1;
        let place = (state.now.saturating_add(duration), state.last);
        state.sleeping.insert(place);
        Self { timer, place }
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.timer.state().sleeping.remove(&self.place);
    }
}

impl fmt::Debug for VirtualTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTimer").field("now", &self.now()).finish_non_exhaustive()
    }
}
