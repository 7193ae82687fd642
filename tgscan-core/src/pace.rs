//! The pace of attempts: the service's pauses after a 429, and a rate limit.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::sync::{Mutex, MutexGuard};

/// An attempt that is late by at most this does not delay the next one, because timers round up.
const SLACK: Duration = Duration::from_millis(20);

/// Delays attempts. The clones of an `Api` share it.
#[derive(Default)]
pub(crate) struct Pace {
    /// Whether attempts may have to wait. Read without the lock, so that calls without a limit cost nothing.
    is_limiting: AtomicBool,
    /// The time between two attempts; zero without a rate limit.
    interval: Duration,
    times: Mutex<Times>,
    /// The number of calls that wait for their turn.
    waiting: AtomicU32,
}

#[derive(Default)]
struct Times {
    /// Identifies the moment that the times count from.
    origin: u64,
    paused_until: Duration,
    /// When the rate limit allows the next attempt.
    next: Duration,
}

/// A call that waits for its turn, counted until this is dropped.
pub(crate) struct Turn(Arc<Pace>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    /// Limits the rate to `attempts` in each `per`; 0 attempts means 1.
    pub(crate) fn with_rate_limit(attempts: u32, per: Duration) -> Self {
        let interval = per / attempts.max(1);
        Self { is_limiting: AtomicBool::new(!interval.is_zero()), interval, ..Self::default() }
    }

    #[inline]
    pub(crate) fn is_limiting(&self) -> bool {
        self.is_limiting.load(Ordering::Relaxed)
    }

    /// Lets an attempt begin now, or sets `turn` and returns how long it must wait. Pass `turn` again after the wait.
    #[cold]
    pub(crate) fn begin(
        self: &Arc<Self>,
        turn: &mut Option<Turn>,
        origin: u64,
        now: Duration,
    ) -> Option<Duration> {
        let is_new = turn.take().is_none();
        let mut times = self.times(origin);
        let free = times.next.max(times.paused_until);
        if free <= now {
            // The first attempt is never late.
            let is_late = !times.next.is_zero() && now.saturating_sub(times.next) <= SLACK;
            let start = if is_late { times.next } else { now };
            times.next = start.saturating_add(self.interval);
            if self.interval.is_zero() {
                self.is_limiting.store(false, Ordering::Relaxed);
            }
            return None;
        }
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        *turn = Some(Turn(self.clone()));
        // Waiting calls wake one by one. A call that misses its turn takes the next one.
        let queue = self.interval.saturating_mul(if is_new { ahead } else { 0 });
        Some(free.saturating_sub(now).saturating_add(queue))
    }

    /// Pauses all attempts. Of overlapping pauses, the one that ends last counts.
    #[cold]
    pub(crate) fn pause(&self, duration: Duration, origin: u64, now: Duration) {
        let mut times = self.times(origin);
        times.paused_until = times.paused_until.max(now.saturating_add(duration));
        self.is_limiting.store(true, Ordering::Relaxed);
    }

    /// Returns the remaining time of the current pause.
    pub(crate) fn paused_for(&self, origin: u64, now: Duration) -> Option<Duration> {
        if !self.is_limiting() {
            return None;
        }
        let rest = self.times(origin).paused_until.saturating_sub(now);
        (!rest.is_zero()).then_some(rest)
    }

    /// Locks the times. Discards them if they count from another moment.
    fn times(&self, origin: u64) -> MutexGuard<'_, Times> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if times.origin != origin {
            *times = Times { origin, ..Times::default() };
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn rate_limit_spaces_attempts_evenly() {
        let pace = Arc::new(Pace::with_rate_limit(10, ms(1000)));
        let mut turns = [None, None, None];
        let mut first = None;
        assert_eq!(pace.begin(&mut first, 1, ms(500)), None);
        let waits = turns.each_mut().map(|turn| pace.begin(turn, 1, ms(500)).unwrap());
        assert_eq!(waits, [ms(100), ms(200), ms(300)]);
        let [one, two, three] = &mut turns;
        assert_eq!(pace.begin(one, 1, ms(610)), None);
        assert_eq!(pace.begin(two, 1, ms(610)), Some(ms(90)), "it woke too early");
        drop(two.take());
        assert_eq!(pace.begin(three, 1, ms(700)), None);
        assert_eq!(pace.waiting.load(Ordering::Relaxed), 0);
        // Dropped calls do not delay later ones.
        assert_eq!(pace.begin(&mut None, 1, ms(700)), Some(ms(100)));
    }

    #[test]
    fn fast_rates_are_reached_although_timers_round_up() {
        let pace = Arc::new(Pace::with_rate_limit(1000, ms(1000)));
        let begun = (0..100).flat_map(|step| (0..20).map(move |_| ms(step * 10)));
        let count = begun.filter(|now| pace.begin(&mut None, 1, *now).is_none()).count();
        assert!((990..=1021).contains(&count), "{count} attempts in a second");
    }

    #[test]
    fn pause_delays_all_attempts_until_it_ends() {
        let pace = Arc::new(Pace::default());
        assert!(!pace.is_limiting());
        pace.pause(ms(300), 1, ms(100));
        pace.pause(ms(50), 1, ms(100));
        assert_eq!(pace.paused_for(1, ms(150)), Some(ms(250)));
        let (mut one, mut two) = (None, None);
        assert_eq!(pace.begin(&mut one, 1, ms(150)), Some(ms(250)));
        assert_eq!(pace.begin(&mut two, 1, ms(200)), Some(ms(200)));
        assert_eq!(pace.begin(&mut one, 1, ms(400)), None);
        assert_eq!((pace.is_limiting(), pace.paused_for(1, ms(400))), (false, None));
        assert_eq!(pace.begin(&mut two, 1, ms(400)), None);
    }

    #[test]
    fn times_of_another_clock_are_discarded() {
        let pace = Arc::new(Pace::with_rate_limit(1, ms(1000)));
        pace.pause(ms(9000), 1, ms(0));
        assert_eq!(pace.begin(&mut None, 2, ms(0)), None);
        assert_eq!(Pace::with_rate_limit(0, ms(50)).interval, ms(50));
    }
}
