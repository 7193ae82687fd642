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
    pub(crate) time: Duration,
    pub(crate) date: Option<SystemTime>,
    pub(crate) origin: u64,
}

impl Now {
    /// Creates a time. `time` counts from a fixed moment, which must be the same for all drivers of a ledger. `date` is
    /// the current date if it is known; periodic budgets and `Retry-After` dates need it.
    pub fn new(time: Duration, date: Option<SystemTime>) -> Self {
        Self { time, date, origin: 0 }
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
        self.origin
    }
}

impl LedgerTime {
    pub(crate) fn of(clock: &impl Clock) -> Self {
        Self { origin: clock.origin(), millis: millis(clock.time()) }
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
