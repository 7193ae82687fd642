//! The states of a call: a pure state machine without requests and answers.

use std::time::Duration;

use crate::Credits;
use crate::account::Cost;
use crate::retry::Decision;
use crate::store::CallId;

/// A time by both clocks, because monotonic clocks stop during suspend and wall clocks jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Moment {
    pub(crate) time: Duration,
    /// Milliseconds since 1970, if the date is known.
    pub(crate) date: Option<u64>,
}

impl Moment {
    /// Returns the elapsed time, by the clock that shows more; the maximum if the wall clock went backwards.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let by_date = match (self.date, earlier.date) {
            (Some(now), Some(earlier)) => {
                now.checked_sub(earlier).map_or(Duration::MAX, Duration::from_millis)
            }
            _ => Duration::ZERO,
        };
        self.time.saturating_sub(earlier.time).max(by_date)
    }
}

/// The next action of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Claim the call, in the ledger or in the store.
    Claim,
    /// Look up whether another call with the same question has ended.
    Lookup(CallId),
    /// Send an attempt.
    Send,
    /// Record in the book that no attempt is in flight.
    Pause,
    /// Renew the claim or reservation before another attempt.
    Renew,
    /// Wait for this duration. Other events may end the wait earlier.
    Wait(Duration),
    /// Book the settlement.
    Settle,
    /// End the call without booking.
    Finish,
}

/// The outcome of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Claimed {
    Granted,
    /// Another call with the same question is in flight.
    InFlight(CallId),
    /// Try again later: a comparison is running, or calls in flight leave no room under a cap at which the caller waits.
    NotYet,
    /// The call has ended.
    Ended,
}

/// The outcome of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Renewed {
    Confirmed,
    NotYet,
    /// There is no room for a further attempt.
    Refused,
    /// The call no longer has the claim.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Claiming,
    LookingUp(CallId),
    /// Waiting before another claim or lookup.
    Queued {
        lookup: Option<CallId>,
    },
    Sending,
    Pausing(Duration),
    BackingOff,
    Renewing,
    /// Waiting before another renewal.
    Delayed,
    Settling,
    Ended,
}

/// The time limits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TimeLimits {
    /// How long the confirmation of a claim is valid; `None` without a store.
    pub(crate) fence: Option<Duration>,
    /// The end of waits for room, for another call, and for a turn.
    pub(crate) wait_until: Duration,
    /// The end of the caller's wait. No attempt begins after that.
    pub(crate) deadline: Option<Duration>,
}

/// The maximum number of renewals of a claim before one attempt.
const RENEWALS: u8 = 8;

/// The state of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Machine {
    limits: TimeLimits,
    state: State,
    /// When the claim was last confirmed.
    confirmed: Moment,
    is_paused: bool,
    /// The number of renewals since the last attempt.
    renewals: u8,
    /// The number of uncertain attempts in the book.
    booked: u32,
    waits: u32,
    pub(crate) attempts: u32,
    pub(crate) cost: Cost,
    /// The call whose answer this call waits for.
    pub(crate) joined: Option<CallId>,
}

impl Machine {
    /// Creates a call, which is claimed first if it can cost credits.
    #[inline]
    pub(crate) fn new(limits: TimeLimits, can_cost: bool) -> Self {
        Self {
            limits,
            state: if can_cost { State::Claiming } else { State::Sending },
            confirmed: Moment::default(),
            is_paused: false,
            renewals: 0,
            booked: 0,
            waits: 0,
            attempts: 1,
            cost: Cost::NONE,
            joined: None,
        }
    }

    /// Returns the first action, at a time that may be after the deadline.
    #[inline]
    pub(crate) fn begin(&mut self, is_late: bool) -> Action {
        match self.state {
            State::Claiming => Action::Claim,
            _ if is_late => self.settle(),
            _ => Action::Send,
        }
    }

    /// Reports the outcome of a claim requested at `asked`.
    #[inline]
    pub(crate) fn claimed(&mut self, claimed: Claimed, asked: Moment, now: Moment) -> Action {
        match claimed {
            Claimed::Granted => {
                self.confirmed = asked;
                self.send_or_renew(now)
            }
            Claimed::InFlight(call) => self.queue(Some(call), now),
            Claimed::NotYet => self.queue(None, now),
            Claimed::Ended => self.finish(),
        }
    }

    /// Reports whether the other call with the same question has ended.
    pub(crate) fn looked_up(&mut self, has_ended: bool, now: Moment) -> Action {
        match self.state {
            State::LookingUp(call) if has_ended => {
                self.joined = Some(call);
                self.enter(State::Claiming, Action::Claim)
            }
            State::LookingUp(call) => self.queue(Some(call), now),
            _ => self.finish(),
        }
    }

    /// Reports the end of a wait.
    pub(crate) fn waited(&mut self, now: Moment) -> Action {
        match self.state {
            State::Queued { lookup: Some(call) } => self.enter(State::LookingUp(call), Action::Lookup(call)),
            State::Queued { lookup: None } => self.enter(State::Claiming, Action::Claim),
            State::BackingOff | State::Delayed => {
                if self.is_late(now) {
                    return self.settle();
                }
                self.send_or_renew(now)
            }
            _ => self.finish(),
        }
    }

    /// Reports the cost of an attempt, and the decision after it.
    #[inline]
    pub(crate) fn attempted(&mut self, credits: Credits, decision: Decision, now: Moment) -> Action {
        match credits {
            Credits::Charged(credits) => self.cost.charged = self.cost.charged.saturating_add(credits),
            Credits::Uncertain => self.cost.uncertain += 1,
            Credits::NotCharged => {}
        }
        let Decision::RetryAfter(duration) = decision else { return self.settle() };
        if self.limits.deadline.is_some_and(|deadline| now.time.saturating_add(duration) >= deadline) {
            return self.settle();
        }
        self.attempts += 1;
        self.back_off(duration)
    }

    /// Reports that the next attempt has to wait for its turn.
    pub(crate) fn postponed(&mut self, duration: Duration, now: Moment) -> Action {
        let end = self.limits.deadline.unwrap_or(Duration::MAX).min(self.limits.wait_until);
        if now.time.saturating_add(duration) >= end { self.settle() } else { self.back_off(duration) }
    }

    /// Waits before an attempt.
    fn back_off(&mut self, duration: Duration) -> Action {
        // The ledger records every pause, a store only those after which the claim is renewed anyway. Pauses after an
        // uncertain attempt are not recorded, because the attempt may still be charged.
        if self.cost.uncertain == 0 && self.limits.fence.is_none_or(|fence| duration > fence) {
            return self.enter(State::Pausing(duration), Action::Pause);
        }
        self.enter(State::BackingOff, Action::Wait(duration))
    }

    /// Reports whether the pause was booked.
    pub(crate) fn paused(&mut self, is_booked: bool) -> Action {
        let State::Pausing(duration) = self.state else { return self.finish() };
        self.is_paused = is_booked;
        self.enter(State::BackingOff, Action::Wait(duration))
    }

    /// Reports the outcome of a renewal requested at `asked`.
    pub(crate) fn renewed(&mut self, renewed: Renewed, asked: Moment, now: Moment) -> Action {
        match renewed {
            Renewed::Confirmed => {
                (self.confirmed, self.is_paused, self.booked) = (asked, false, self.cost.uncertain);
                self.send_or_renew(now)
            }
            Renewed::NotYet => match self.next_wait(now) {
                Some(wait) => self.enter(State::Delayed, Action::Wait(wait)),
                None => self.settle(),
            },
            // Without a claim, the settlement still records the received bytes.
            Renewed::Refused | Renewed::Lost => self.settle(),
        }
    }

    /// Reports that the settlement was booked or failed.
    #[inline]
    pub(crate) fn settled(&mut self) -> Action {
        self.finish()
    }

    /// Ends the call instead of waiting.
    pub(crate) fn give_up(&mut self) -> Action {
        match self.state {
            State::BackingOff | State::Delayed | State::Pausing(_) => self.settle(),
            _ => self.finish(),
        }
    }

    /// Returns when the claim was last confirmed.
    #[inline]
    pub(crate) fn confirmed(&self) -> Moment {
        self.confirmed
    }

    /// Returns whether the call waits before an attempt. The end of another call does not end this wait.
    pub(crate) fn is_backing_off(&self) -> bool {
        self.attempts > 1 || self.state == State::BackingOff
    }

    /// Returns the end of the caller's wait.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.limits.deadline
    }

    /// Returns the pause that is being booked.
    pub(crate) fn pause(&self) -> Option<Duration> {
        match self.state {
            State::Pausing(duration) => Some(duration),
            _ => None,
        }
    }

    fn is_stale(&self, now: Moment) -> bool {
        self.limits.fence.is_some_and(|fence| now.since(self.confirmed) > fence)
    }

    #[inline]
    fn send_or_renew(&mut self, now: Moment) -> Action {
        if self.is_late(now) {
            return self.settle();
        }
        // An uncertain attempt is booked before another attempt is sent.
        if self.is_paused || self.cost.uncertain > self.booked || self.is_stale(now) {
            // Limited, because a slow store might never confirm the claim in time.
            let may_wait =
                self.renewals < RENEWALS && (self.attempts > 1 || now.time < self.limits.wait_until);
            self.renewals += 1;
            return if may_wait { self.enter(State::Renewing, Action::Renew) } else { self.settle() };
        }
        self.renewals = 0;
        self.enter(State::Sending, Action::Send)
    }

    #[inline]
    fn is_late(&self, now: Moment) -> bool {
        self.limits.deadline.is_some_and(|deadline| now.time >= deadline)
    }

    fn queue(&mut self, lookup: Option<CallId>, now: Moment) -> Action {
        match self.next_wait(now) {
            Some(wait) => self.enter(State::Queued { lookup }, Action::Wait(wait)),
            None => self.finish(),
        }
    }

    /// Returns the next wait: 5 ms, doubling up to half a second, until the call's time is over.
    fn next_wait(&mut self, now: Moment) -> Option<Duration> {
        let end = self.limits.deadline.unwrap_or(Duration::MAX).min(self.limits.wait_until);
        let wait = Duration::from_millis((5 << self.waits.min(7)).min(500));
        self.waits += 1;
        (now.time.saturating_add(wait) < end).then_some(wait)
    }

    fn settle(&mut self) -> Action {
        self.enter(State::Settling, Action::Settle)
    }

    fn finish(&mut self) -> Action {
        self.enter(State::Ended, Action::Finish)
    }

    fn enter(&mut self, state: State, action: Action) -> Action {
        self.state = state;
        action
    }
}

#[cfg(test)]
impl Machine {
    /// Resets the duration of waits.
    pub(crate) fn reset_waits(&mut self) {
        self.waits = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_that_is_never_confirmed_in_time_is_given_back() {
        let fence = Duration::from_secs(5);
        let at = |seconds| Moment { time: Duration::from_secs(seconds), date: None };
        let limits = TimeLimits { fence: Some(fence), wait_until: Duration::from_secs(60), deadline: None };
        let mut machine = Machine::new(limits, true);
        assert_eq!(machine.claimed(Claimed::Granted, at(0), at(0)), Action::Send);
        let waits =
            machine.attempted(Credits::NotCharged, Decision::RetryAfter(Duration::from_secs(6)), at(1));
        assert_eq!(waits, Action::Pause);
        machine.paused(true);
        let (mut action, mut now) = (machine.waited(at(7)), 7);
        // Each confirmation takes longer than it is valid.
        while action == Action::Renew {
            assert!(now < 200, "it is renewed without end");
            action = machine.renewed(Renewed::Confirmed, at(now), at(now + 6));
            now += 6;
        }
        assert_eq!(action, Action::Settle);
    }
}
