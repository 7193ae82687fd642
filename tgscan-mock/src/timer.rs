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

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use futures_util::future::join_all;

    use super::*;
    use crate::Mock;

    #[test]
    fn sleeps_end_in_order_and_take_no_time() {
        let timer = VirtualTimer::new();
        let ended = Mutex::new(Vec::new());
        let sleep = async |seconds: u64| {
            timer.sleep(Duration::from_secs(seconds)).await;
            ended.lock().unwrap().push((seconds, timer.now().as_secs()));
        };
        block_on(join_all([3000, 1000, 2000].map(sleep)));
        assert_eq!(*ended.lock().unwrap(), [(1000, 1000), (2000, 2000), (3000, 3000)]);
    }

    #[test]
    fn time_of_day_follows_the_timer_from_today() {
        let of_day = |day: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(day * SECONDS_PER_DAY);
        for (mock, day) in [
            (Mock::new(), 20_454),
            (Mock::builder().today("2016-02-29").build().unwrap(), 16_860),
            (Mock::builder().today("9999-12-31").build().unwrap(), 2_932_896),
        ] {
            let (timer, clock) = (mock.timer().clone(), mock.timer().wall_clock());
            assert_eq!((clock(), timer.date()), (of_day(day), Some(of_day(day))));
            block_on(timer.sleep(Duration::from_secs(5 * SECONDS_PER_DAY)));
            assert_eq!((clock(), timer.date()), (of_day(day + 5), Some(of_day(day + 5))));
            timer.advance(Duration::MAX);
            let last = clock();
            timer.advance(Duration::MAX);
            assert_eq!(clock(), last, "it stops");
        }
        assert_eq!(VirtualTimer::new().date(), Some(of_day(20_454)));
    }

    #[test]
    fn a_sleep_that_is_not_polled_does_not_block_others() {
        let timer = VirtualTimer::new();
        let mut forgotten = timer.sleep(Duration::from_secs(1));
        let _ = forgotten.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        block_on(timer.sleep(Duration::from_secs(5)));
        assert_eq!(timer.now(), Duration::from_secs(5));
    }

    #[test]
    fn a_dropped_sleep_does_not_block_others() {
        let timer = VirtualTimer::new();
        let mut short = timer.sleep(Duration::from_secs(1));
        let _ = short.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        drop(short);
        block_on(timer.sleep(Duration::from_secs(5)));
        assert_eq!(timer.now(), Duration::from_secs(5));
    }
}
