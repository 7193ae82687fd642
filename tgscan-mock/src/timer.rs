//! A clock that does not wait.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tgscan_core::{Timer, async_trait};

use crate::data::Date;

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
        Self::beginning(Date::DEFAULT)
    }

    pub(crate) fn beginning(today: Date) -> Self {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(today.day() * SECONDS_PER_DAY);
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
        Sleep { timer: self.clone(), duration, place: None, polls: 0 }.await;
    }

    fn date(&self) -> Option<SystemTime> {
        Some(self.time_of_day())
    }
}

/// A sleep, with its place among the others once it was polled.
struct Sleep {
    timer: VirtualTimer,
    duration: Duration,
    place: Option<(Duration, u64)>,
    polls: u32,
}

/// After this number of polls, a sleep ignores sleeps that end earlier: they were abandoned.
const MOST_POLLS: u32 = 1000;

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.clone();
        let mut state = timer.state();
        let Some(place) = self.place else {
            state.last += 1;
            let place = (state.now.saturating_add(self.duration), state.last);
            state.sleeping.insert(place);
            self.place = Some(place);
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        // All tasks were polled since this sleep began, and this one again: no other task can run now.
        self.polls += 1;
        let next = if self.polls < MOST_POLLS { state.sleeping.first() } else { Some(&place) };
        if let Some((next, _)) = next {
            state.now = state.now.max(*next);
        }
        if place.0 > state.now {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.timer.state().sleeping.remove(&place);
        }
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
        let _ = forgotten.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        block_on(timer.sleep(Duration::from_secs(5)));
        assert_eq!(timer.now(), Duration::from_secs(5));
    }

    #[test]
    fn a_dropped_sleep_does_not_block_others() {
        let timer = VirtualTimer::new();
        let mut short = timer.sleep(Duration::from_secs(1));
        let _ = short.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        drop(short);
        block_on(timer.sleep(Duration::from_secs(5)));
        assert_eq!(timer.now(), Duration::from_secs(5));
    }
}
