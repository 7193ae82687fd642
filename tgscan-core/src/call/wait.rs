//! Waits, for example before the next attempt or for another call to end.

use std::task::Waker;
use std::time::Duration;

use tgscan_types::ApiMethod;

use super::clock::{AtLeast, Clock};
use super::{Call, Next, Now, Step, Wait};
use crate::Error;

impl<M: ApiMethod> Wait<M> {
    /// Returns the duration of the wait.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the error with which [`give_up`](Self::give_up) ends the call; `None` if nothing has failed yet:
    /// then it ends with a timeout.
    pub fn error(&self) -> Option<&Error> {
        self.call.error()
    }

    /// Continues after the wait.
    pub fn resume(self, now: Now) -> Step<M> {
        self.resume_at(&now)
    }

    /// Ends the call instead of waiting.
    pub fn give_up(mut self, now: Now) -> Step<M> {
        let next = self.call.give_up(&now);
        Step::of(self.call, next, &now)
    }

    pub(crate) fn resume_at(mut self, clock: &impl Clock) -> Step<M> {
        let next = self.call.resume(self.until, clock);
        Step::of(self.call, next, clock)
    }
}

impl<M: ApiMethod> Call<M> {
    /// Returns whether this wait is before an attempt.
    pub(crate) fn is_backoff(&self) -> bool {
        self.machine.is_backing_off()
    }

    /// Returns whether a comparison with the balance could end this wait.
    pub(crate) fn wants_balance(&self) -> bool {
        self.wants_balance
    }

    /// Wakes a task when a call ends in this process, which may end the wait early. Returns the number of such events.
    pub(crate) fn watch(&self, waker: &Waker) -> u64 {
        match &self.stored {
            None => self.api.ledger().watch(waker),
            Some(stored) => stored.place.account.writer().watch(waker),
        }
    }

    /// Continues after a wait that was to end at `until`.
    pub(crate) fn resume(&mut self, until: Duration, clock: &impl Clock) -> Next<M> {
        // A driver may have waited without its clock.
        let is_over = self.machine.is_backing_off();
        let clock = &AtLeast(clock, if is_over { until } else { Duration::ZERO });
        let now = self.now(clock);
        let action = self.machine.waited(now);
        self.step(action, clock)
    }

    /// Ends the call instead of waiting.
    pub(crate) fn give_up(&mut self, clock: &impl Clock) -> Next<M> {
        let action = self.machine.give_up();
        self.step(action, clock)
    }
}
