//! Waits: before the next attempt, or for another call to end.

use std::task::Waker;
use std::time::Duration;

use tgscan_types::ApiMethod;

use super::clock::Clock;
use super::{Now, Step, Wait};
use crate::Error;

impl<M: ApiMethod> Wait<M> {
    /// Returns the duration of the wait.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the error of the call if it is given up now.
    pub fn error(&self) -> Option<&Error> {
        self.call.last.as_ref()
    }

    /// Returns whether this wait follows an attempt.
    pub(crate) fn is_backoff(&self) -> bool {
        self.call.machine.attempts > 1
    }

    /// Returns whether a comparison with the balance could end this wait.
    pub(crate) fn wants_balance(&self) -> bool {
        self.call.wants_balance
    }

    /// Wakes a task when a call ends in this process, which may end the wait early. Returns a count that changes each time.
    pub(crate) fn watch(&self, waker: &Waker) -> u64 {
        match &self.call.stored {
            None => self.call.api.ledger().watch(waker),
            Some(stored) => stored.place.account.writer().watch(waker),
        }
    }

    /// Continues after the wait.
    pub fn resume(self, now: Now) -> Step<M> {
        self.resume_at(&now)
    }

    /// Ends the call instead of waiting.
    pub fn give_up(self, now: Now) -> Step<M> {
        self.give_up_at(&now)
    }

    pub(crate) fn resume_at(mut self, clock: &impl Clock) -> Step<M> {
        let now = self.call.now(clock);
        let action = self.call.machine.waited(now);
        self.call.step(action, clock)
    }

    pub(crate) fn give_up_at(mut self, clock: &impl Clock) -> Step<M> {
        let action = self.call.machine.give_up();
        self.call.step(action, clock)
    }
}
