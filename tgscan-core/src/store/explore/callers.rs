//! The callers: they run the production machine of a call, one step at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::scenarios::End;
use super::state::{Attempt, CallerState, FENCE, HOUR, PAY_AGAIN_AFTER, Phase, StoreReply, release, settle};
use super::world::{Commit, Failed, World};
use super::{Case, Fault};
use crate::Credits;
use crate::account::{Cost, Limits};
use crate::call::machine::{Action, Claimed, Machine, Moment, Renewed, TimeLimits};
use crate::retry::Decision;
use crate::store::{CallId, Claim, Done, Operation, Question, Settlement};

fn settlement(case: Case<'_>, caller: &CallerState, call: CallId, cost: Cost) -> Operation {
    let is_answered = caller.is_answered;
    let received = is_answered.then(|| (200, Bytes::new(), Credits::Charged(case.scenario.price)));
    let settlement = Settlement { is_answered, received, ..Settlement::without_response(cost) };
    Operation::Settle { call, settlement }
}

impl World {
    /// Starts a call.
    pub(super) fn ask(&mut self, case: Case<'_>, index: usize, commit: Commit) {
        let limits = TimeLimits { fence: Some(FENCE), wait_until: Duration::MAX, deadline: None };
        let machine = Machine::new(limits, true);
        let action = machine.begin();
        self.callers[index] = CallerState { asks: self.callers[index].asks + 1, ..CallerState::default() };
        self.act(index, machine, action);
        if case.fault != Fault::ChecksCapBeforeLock {
            self.perform(case, index, commit);
            return;
        }
        let limits = case.scenario.limits(&case.scenario.callers[index]);
        if self.tables.account.book.clone().admit("search".into(), &limits, Some(self.now)).is_err() {
            self.callers[index].phase = Phase::Idle;
        }
    }

    pub(super) fn claim(&self, case: Case<'_>, index: usize, joined: Option<CallId>) -> Operation {
        let caller = &case.scenario.callers[index];
        let limits = match case.fault {
            Fault::IgnoresCap | Fault::ChecksCapBeforeLock => Limits::default(),
            _ => case.scenario.limits(caller),
        };
        Operation::Claim(Claim {
            question: question(caller.question),
            people: Vec::new(),
            limits: Arc::new(limits),
            max_age: caller.accepts_stored.then_some(HOUR),
            stored_only: false,
            keep_for: HOUR,
            pay_again_after: caller.pays_again.then_some(PAY_AGAIN_AFTER),
            joined,
            fence: FENCE,
            token: index as u64 * 10 + u64::from(self.callers[index].asks),
        })
    }

    /// Performs the action of a caller in a transaction.
    pub(super) fn perform(&mut self, case: Case<'_>, index: usize, commit: Commit) {
        let Phase::Ready(machine, action) = self.callers[index].phase.clone() else { return };
        let process = case.scenario.callers[index].process;
        let asked = self.moment();
        let call = self.callers[index].call.map(|(call, _)| call);
        let reply = match (action, call) {
            (Action::Claim, _) => StoreReply::Claimed(self.perform_claim(case, index, &machine, commit)),
            (Action::Lookup(call), _) => StoreReply::LookedUp(
                self.tables.calls.get(&call).is_none_or(|call| !call.entry.is_in_flight()),
            ),
            (Action::Renew, Some(call)) => {
                let limits = Arc::new(case.scenario.limits(&case.scenario.callers[index]));
                let renew =
                    Operation::Renew { call, uncertain: machine.cost.uncertain, limits, fence: FENCE };
                StoreReply::Renewed(match self.commit(case, process, &renew, commit) {
                    Ok(Done::Booked) => Renewed::Confirmed,
                    Ok(Done::ComparisonRunning) => Renewed::NotYet,
                    Ok(Done::CapReached(_)) | Err(Failed) => Renewed::Refused,
                    Ok(_) => Renewed::Lost,
                })
            }
            (Action::Pause, Some(call)) => {
                let done = self.commit(case, process, &Operation::Pause { call }, commit);
                if case.fault == Fault::LosesReserveInBackoff {
                    let tables = self.tables.edit();
                    if let Some(call) = tables.calls.get(&call) {
                        tables.account.book.settle(&mut call.entry.clone(), Cost::NONE, None, None);
                    }
                }
                StoreReply::Paused(done.is_ok())
            }
            (Action::Settle, Some(call)) => {
                self.settle(case, index, call, machine.cost, commit);
                StoreReply::Settled
            }
            _ => return,
        };
        self.callers[index].phase = Phase::ReplyPending(machine, reply, asked);
        if !case.scenario.has_slow_replies || reply == StoreReply::Settled {
            self.receive_reply(index);
        }
    }

    fn perform_claim(&mut self, case: Case<'_>, index: usize, machine: &Machine, commit: Commit) -> Claimed {
        let caller = &case.scenario.callers[index];
        let claim = self.claim(case, index, machine.joined);
        let done = if case.fault == Fault::CountsMidnightToTheDayBefore && self.now % 86_400_000 == 0 {
            self.commit_earlier(case, caller.process, &claim, commit)
        } else {
            self.commit(case, caller.process, &claim, commit)
        };
        match done {
            Ok(Done::Granted(call)) => {
                let day = self.day();
                self.callers[index].call = Some((call, day));
                if self.truth.calls.iter().all(|(known, _)| *known != call) {
                    self.truth.calls.push((call, 0));
                }
                if caller.has_budget && self.truth.days.iter().all(|(known, _)| *known != day) {
                    self.truth.days.push((day, 0));
                }
                let replaces = self.tables.calls.get(&call).and_then(|call| call.replaces);
                let earlier = replaces.and_then(|call| self.tables.calls.get(&call));
                let is_old = |since: u64| Duration::from_millis(self.now - since) >= PAY_AGAIN_AFTER;
                if caller.pays_again && earlier.is_some_and(|call| is_old(call.claimed_at)) {
                    self.allow_again(caller.question);
                }
                Claimed::Granted
            }
            Ok(Done::InFlight { call, .. }) => Claimed::InFlight(call),
            Ok(Done::ComparisonRunning) => Claimed::NotYet,
            _ => Claimed::Ended,
        }
    }

    fn settle(&mut self, case: Case<'_>, index: usize, call: CallId, cost: Cost, commit: Commit) {
        let caller = &case.scenario.callers[index];
        let is_answered = self.callers[index].is_answered;
        let is_late = self.tables.calls.get(&call).is_none_or(|call| !call.entry.is_in_flight());
        let is_dropped = is_late && case.fault == Fault::DropsLateSettlements;
        let settle = settlement(case, &self.callers[index], call, cost);
        if is_dropped || self.commit(case, caller.process, &settle, commit).is_ok() {
            self.truth.is_stored[caller.question] |= is_answered;
        }
    }

    /// Passes the reply of a transaction to its caller.
    pub(super) fn receive_reply(&mut self, index: usize) {
        let Phase::ReplyPending(machine, reply, asked) = self.callers[index].phase.clone() else { return };
        self.advance(index, machine, |machine, now| match reply {
            StoreReply::Claimed(claimed) => machine.claimed(claimed, asked, now),
            StoreReply::Renewed(renewed) => machine.renewed(renewed, asked, now),
            StoreReply::LookedUp(has_ended) => machine.looked_up(has_ended, now),
            StoreReply::Paused(is_booked) => machine.paused(is_booked),
            StoreReply::Settled => machine.settled(),
        });
    }

    /// Returns whether a wait is over.
    pub(super) fn has_waited(&self, index: usize, duration: Duration) -> bool {
        // Short waits poll, so their length does not matter.
        let waited = Duration::from_millis(self.now - self.callers[index].since);
        duration < Duration::from_secs(1) || waited >= duration
    }

    /// Continues after a wait.
    pub(super) fn resume(&mut self, case: Case<'_>, index: usize) {
        let Phase::Ready(machine, Action::Wait(_)) = self.callers[index].phase.clone() else { return };
        self.advance(index, machine, |machine, now| match machine.waited(now) {
            Action::Renew if case.fault == Fault::SendsWithoutRenewing => Action::Send,
            action => action,
        });
    }

    /// Lets an attempt wait for its turn.
    pub(super) fn postpone(&mut self, index: usize) {
        let Phase::Ready(machine, Action::Send) = self.callers[index].phase.clone() else { return };
        self.advance(index, machine, |machine, now| machine.postponed(Duration::from_secs(10), now));
    }

    /// Sends a request, unless the confirmation of the claim is too old.
    pub(super) fn send(&mut self, case: Case<'_>, index: usize) {
        let Phase::Ready(machine, Action::Send) = self.callers[index].phase.clone() else { return };
        let Some((call, day)) = self.callers[index].call else { return };
        if self.moment().since(machine.confirmed()) > FENCE && case.fault != Fault::SendsWithoutRenewing {
            let retry = Decision::RetryAfter(Duration::from_millis(200));
            self.advance(index, machine, |machine, now| machine.attempted(Credits::NotCharged, retry, now));
            return;
        }
        let caller = &case.scenario.callers[index];
        self.attempts.push(Attempt {
            call,
            question: caller.question,
            sent_at: self.now,
            is_charged: false,
            is_open: true,
            caller: Some(index),
            day: caller.has_budget.then_some(day),
        });
        self.callers[index].phase = Phase::AttemptRunning(machine);
    }

    /// Returns whether the attempt of a caller may end in this way.
    pub(super) fn may_end(&self, case: Case<'_>, index: usize, end: End) -> bool {
        let Phase::AttemptRunning(machine) = &self.callers[index].phase else { return false };
        let Some(attempt) = self.attempts.iter().find(|attempt| attempt.caller == Some(index)) else {
            return false;
        };
        match end {
            End::Answered | End::Unanswered => attempt.is_charged,
            End::Refused => attempt.is_open && !attempt.is_charged,
            End::Delayed(_) => {
                attempt.is_open && !attempt.is_charged && machine.attempts < case.scenario.max_attempts
            }
            End::Lost => true,
            End::Resent => machine.attempts < case.scenario.max_attempts,
        }
    }

    /// Ends the attempt of a caller.
    pub(super) fn end(&mut self, case: Case<'_>, index: usize, end: End) {
        let Phase::AttemptRunning(machine) = self.callers[index].phase.clone() else { return };
        let (credits, decision) = match end {
            End::Answered | End::Unanswered => (Credits::Charged(case.scenario.price), Decision::GiveUp),
            End::Refused => (Credits::NotCharged, Decision::GiveUp),
            End::Delayed(by) => (Credits::NotCharged, Decision::RetryAfter(Duration::from_secs(by))),
            End::Lost => (Credits::Uncertain, Decision::GiveUp),
            End::Resent => (Credits::Uncertain, Decision::RetryAfter(Duration::from_secs(1))),
        };
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.caller == Some(index)) {
            attempt.is_open &= credits != Credits::NotCharged;
        }
        if end == End::Resent {
            self.truth.allowed[case.scenario.callers[index].question] += 1;
        }
        self.callers[index].is_answered = end == End::Answered;
        self.advance(index, machine, |machine, now| machine.attempted(credits, decision, now));
        self.detach_attempt(index);
    }

    /// Drops a caller. Its claim guard settles the call, or its pending settlement is written.
    pub(super) fn drop_caller(&mut self, case: Case<'_>, index: usize) {
        let caller = std::mem::take(&mut self.callers[index]);
        self.callers[index].asks = caller.asks;
        let settlement = caller.call.and_then(|(call, _)| match &caller.phase {
            Phase::Idle | Phase::ReplyPending(_, StoreReply::Settled, _) => None,
            // The claim is released.
            Phase::ReplyPending(_, StoreReply::Claimed(_), _) => Some(release(call)),
            Phase::Ready(machine, Action::Settle) => Some(settlement(case, &caller, call, machine.cost)),
            Phase::AttemptRunning(machine) | Phase::Ready(machine, Action::Send) => {
                let in_flight = u32::from(case.fault != Fault::FreesDroppedCalls);
                let uncertain = machine.cost.uncertain + in_flight;
                Some(settle(call, Cost { uncertain, ..machine.cost }))
            }
            Phase::Ready(machine, _) | Phase::ReplyPending(machine, ..) => Some(settle(call, machine.cost)),
        });
        self.processes[case.scenario.callers[index].process].unwritten.extend(settlement);
        self.detach_attempt(index);
    }

    /// Lets a caller take its next step.
    fn advance(
        &mut self,
        index: usize,
        mut machine: Machine,
        step: impl FnOnce(&mut Machine, Moment) -> Action,
    ) {
        let action = step(&mut machine, self.moment());
        self.act(index, machine, action);
    }

    /// Sets the next action of a caller.
    fn act(&mut self, index: usize, mut machine: Machine, action: Action) {
        machine.reset_waits();
        let caller = &mut self.callers[index];
        let is_long = matches!(action, Action::Wait(duration) if duration >= Duration::from_secs(1));
        caller.is_answered &= action == Action::Settle;
        caller.since = if is_long { self.now } else { 0 };
        match action {
            Action::Finish => {
                *caller = CallerState { asks: caller.asks, ..CallerState::default() };
            }
            action => caller.phase = Phase::Ready(machine, action),
        }
    }
}

fn question(index: usize) -> Arc<Question> {
    Arc::new(Question::new(true, "search", ["query=a", "query=b"][index]))
}
