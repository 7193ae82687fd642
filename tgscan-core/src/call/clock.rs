//! The clocks of drivers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::machine::Moment;
use crate::account::LedgerTime;

/// A driver's clocks, read only if necessary.
pub(crate) trait Clock {
    /// Returns the time since a fixed moment.
    fn time(&self) -> Duration;
    /// Returns the current date, if it is known.
    fn date(&self) -> Option<SystemTime>;
    /// Identifies the fixed moment; 0 for that of a custom driver.
    fn origin(&self) -> u64;

    fn now(&self) -> Moment {
        let since = self.date().and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        Moment {
            time: self.time(),
            date: since.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// The current time, as reported by a driver.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    time: Duration,
    date: Option<SystemTime>,
}

impl Now {
    /// Creates a time: the time since a fixed moment, which all drivers of a ledger must share, and the current date if it is
    /// known. Periodic budgets and a `Retry-After` date need the date.
    pub fn new(time: Duration, date: Option<SystemTime>) -> Self {
        Self { time, date }
    }
}

impl Clock for Now {
    fn time(&self) -> Duration {
        self.time
    }
    fn date(&self) -> Option<SystemTime> {
        self.date
    }
    fn origin(&self) -> u64 {
        0
    }
}

impl LedgerTime {
    pub(super) fn of(clock: &impl Clock) -> Self {
        Self { origin: clock.origin(), millis: millis(clock.time()) }
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
