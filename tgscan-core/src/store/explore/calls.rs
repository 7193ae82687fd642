//! The callers: they run the production machine of a call, one step at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::scenarios::End;
use super::state::{
    ActualCost, Attempt, CallerState, Commit, DAY, FENCE, FORMS, Failed, PAY_AGAIN_AFTER, Phase, StoreReply,
    settle,
};
use super::world::World;
use super::{Case, Fault};
use crate::Credits;
use crate::account::{Cost, Limits};
use crate::call::machine::{Action, Claimed, Machine, Moment, Renewed, TimeLimits};
use crate::retry::Decision;
use crate::store::{CallId, Claim, Done, Operation, Settlement};

fn token(index: usize) -> u64 {
    index as u64 + 1
}

/// Returns the claim of a caller.
pub(super) fn claim(case: Case<'_>, index: usize, joined: Option<CallId>, token: u64) -> Operation {
    let caller = &case.scenario.callers[index];
    let is_unlimited = matches!(case.fault, Fault::IgnoresCap | Fault::ChecksCapBeforeLock);
    let limits = if is_unlimited { Limits::default() } else { case.scenario.limits(caller) };
    Operation::Claim(Claim {
        limits: Arc::new(limits),
        pay_again_after: caller.pays_again.then_some(PAY_AGAIN_AFTER),
        joined,
        fence: FENCE,
        ..Claim::of(FORMS[caller.question], token)
    })
}

impl World {
    /// Starts a call.
    pub(super) fn ask(&mut self, case: Case<'_>, index: usize, commit: Commit) {
        let limits = TimeLimits { fence: Some(FENCE), wait_until: Duration::MAX, deadline: None };
        let mut machine = Machine::new(limits, true);
        let action = machine.begin(false);
        self.act(index, machine, action);
        let limits = case.scenario.limits(&case.scenario.callers[index]);
        let mut book = self.tables.account.book.clone();
        if case.fault != Fault::ChecksCapBeforeLock {
            self.perform(case, index, commit);
        } else if book.admit("search".into(), &limits, Some(self.now)).is_err() {
            self.callers[index].end();
        }
    }

    /// Performs the action of a caller in a transaction.
    pub(super) fn perform(&mut self, case: Case<'_>, index: usize, commit: Commit) {
        let Phase::Ready(machine, action) = self.callers[index].phase.clone() else { return };
        let (process, token) = (case.scenario.callers[index].process, token(index));
        let asked = self.moment(process);
        let reply = match (action, self.callers[index].call) {
            (Action::Claim, _) => {
                StoreReply::Claimed(self.perform_claim(case, index, machine.joined, commit))
            }
            (Action::Lookup(call), _) => {
                let call = self.tables.calls.get(&call);
                StoreReply::LookedUp(call.is_none_or(|call| !call.entry.is_in_flight()))
            }
            (Action::Renew, Some(call)) => {
                let limits = Arc::new(case.scenario.limits(&case.scenario.callers[index]));
                let uncertain = machine.cost.uncertain;
                let renew = Operation::Renew { call, uncertain, limits, fence: FENCE, token };
                StoreReply::Renewed(match self.commit(case, process, &renew, commit) {
                    Ok(Done::Booked) => Renewed::Confirmed,
                    Ok(Done::ComparisonRunning) => Renewed::NotYet,
                    Ok(Done::CapReached(_)) | Err(Failed) => Renewed::Refused,
                    Ok(_) => Renewed::Lost,
                })
            }
            (Action::Pause, Some(call)) => {
                let done = self.commit(case, process, &Operation::Pause { call, token }, commit);
                if case.fault == Fault::LosesReserveInBackoff {
                    let tables = self.tables.edit();
                    if let Some(call) = tables.calls.get(&call) {
                        tables.account.book.settle(&mut call.entry.clone(), Cost::NONE, None, None);
                    }
                }
                StoreReply::Paused(done.is_ok())
            }
            (Action::Settle, Some(call)) => {
                let settle = settlement(case, index, &self.callers[index], call, machine.cost);
                let is_late = self.tables.calls.get(&call).is_none_or(|call| !call.entry.is_in_flight());
                let is_dropped = is_late && case.fault == Fault::DropsLateSettlements;
                if is_dropped || self.commit(case, process, &settle, commit).is_ok() {
                    let question = case.scenario.callers[index].question;
                    self.truth.is_stored[question] |= self.callers[index].is_answered;
                }
                StoreReply::Settled
            }
            _ => return,
        };
        self.callers[index].phase = Phase::ReplyPending(machine, reply, asked);
        if !case.scenario.has_slow_replies || reply == StoreReply::Settled {
            self.receive_reply(case, index);
        }
    }

    fn perform_claim(
        &mut self,
        case: Case<'_>,
        index: usize,
        joined: Option<CallId>,
        commit: Commit,
    ) -> Claimed {
        let caller = &case.scenario.callers[index];
        let claim = claim(case, index, joined, token(index));
        let is_early = case.fault == Fault::CountsMidnightToTheDayBefore && self.now % DAY == 0;
        self.now -= u64::from(is_early);
        let done = self.commit(case, caller.process, &claim, commit);
        self.now += u64::from(is_early);
        match done {
            Ok(Done::Granted(call)) => {
                self.callers[index].call = Some(call);
                let day = caller.has_budget.then(|| self.day());
                if self.truth.calls.iter().all(|cost| cost.call != call) {
                    self.truth.calls.push(ActualCost { call, day, credits: 0 });
                }
                let is_old = |since: u64| Duration::from_millis(self.now - since) >= PAY_AGAIN_AFTER;
                let mut earlier = self.tables.calls.values().filter(|earlier| {
                    let question = earlier.question.as_ref();
                    earlier.id != call
                        && earlier.blocks_question()
                        && question.is_some_and(|question| question.form == FORMS[caller.question])
                });
                let replaces = caller.pays_again && earlier.any(|call| is_old(call.claimed_at));
                self.callers[index].replaces = replaces;
                Claimed::Granted
            }
            Ok(Done::InFlight { call, .. }) => Claimed::InFlight(call),
            Ok(Done::ComparisonRunning) => Claimed::NotYet,
            _ => Claimed::Ended,
        }
    }

    /// Passes the reply of a transaction to its caller.
    pub(super) fn receive_reply(&mut self, case: Case<'_>, index: usize) {
        let Phase::ReplyPending(machine, reply, asked) = self.callers[index].phase.clone() else { return };
        self.advance(case, index, machine, |machine, now| match reply {
            StoreReply::Claimed(claimed) => machine.claimed(claimed, asked, now),
            StoreReply::Renewed(renewed) => machine.renewed(renewed, asked, now),
            StoreReply::LookedUp(has_ended) => machine.looked_up(has_ended, now),
            StoreReply::Paused(is_booked) => machine.paused(is_booked),
            StoreReply::Settled => machine.settled(),
        });
    }

    /// Returns whether a wait is over. Short waits poll, so their length does not matter.
    pub(super) fn has_waited(&self, index: usize, duration: Duration) -> bool {
        let waited = Duration::from_millis(self.now - self.callers[index].since);
        duration < Duration::from_secs(1) || waited >= duration
    }

    /// Continues after a wait.
    pub(super) fn resume(&mut self, case: Case<'_>, index: usize, machine: Machine) {
        self.advance(case, index, machine, |machine, now| match machine.waited(now) {
            Action::Renew if case.fault == Fault::SendsWithoutRenewing => Action::Send,
            action => action,
        });
    }

    /// Lets an attempt wait for its turn.
    pub(super) fn postpone(&mut self, case: Case<'_>, index: usize, machine: Machine) {
        self.advance(case, index, machine, |machine, now| machine.postponed(Duration::from_secs(10), now));
    }

    /// Sends a request, unless the confirmation of the claim is too old.
    pub(super) fn send(&mut self, case: Case<'_>, index: usize, machine: Machine) {
        let caller = &case.scenario.callers[index];
        let is_old = self.moment(caller.process).since(machine.confirmed()) > FENCE;
        if is_old && case.fault != Fault::SendsWithoutRenewing {
            let retry = Decision::RetryAfter(Duration::from_millis(200));
            return self.advance(case, index, machine, |machine, now| {
                machine.attempted(Credits::NotCharged, retry, now)
            });
        }
        self.attempts.extend(self.callers[index].call.map(|call| Attempt {
            call,
            question: caller.question,
            sent_at: self.now,
            replaces: self.callers[index].replaces,
            is_charged: false,
            is_open: true,
            caller: Some(index),
        }));
        self.callers[index].phase = Phase::AttemptRunning(machine);
    }

    /// Returns whether the attempt of a caller may end in this way.
    pub(super) fn may_end(&self, case: Case<'_>, index: usize, machine: &Machine, end: End) -> bool {
        let may_repeat = machine.attempts < case.scenario.max_attempts;
        let attempt = self.attempts.iter().find(|attempt| attempt.caller == Some(index));
        attempt.is_some_and(|attempt| match end {
            End::Answered | End::Unanswered => attempt.is_charged,
            End::Refused => attempt.is_open && !attempt.is_charged,
            End::Delayed(_) => attempt.is_open && !attempt.is_charged && may_repeat,
            End::Lost => true,
            End::Resent => may_repeat,
        })
    }

    /// Ends the attempt of a caller.
    pub(super) fn end_attempt(&mut self, case: Case<'_>, index: usize, machine: Machine, end: End) {
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
        self.truth.allowed[case.scenario.callers[index].question] += u64::from(end == End::Resent);
        self.callers[index].is_answered = end == End::Answered;
        self.advance(case, index, machine, |machine, now| machine.attempted(credits, decision, now));
        self.detach_attempt(index);
    }

    /// Drops a caller. Its claim guard settles the call, or its pending settlement is written.
    pub(super) fn drop_caller(&mut self, case: Case<'_>, index: usize) {
        let caller = self.callers[index].end();
        let settlement = caller.call.and_then(|call| match &caller.phase {
            Phase::New | Phase::Ended | Phase::ReplyPending(_, StoreReply::Settled, _) => None,
            // The claim is released.
            Phase::ReplyPending(_, StoreReply::Claimed(_), _) => Some(settle(call, Cost::NONE, token(index))),
            Phase::Ready(machine, Action::Settle) => {
                Some(settlement(case, index, &caller, call, machine.cost))
            }
            Phase::AttemptRunning(machine) | Phase::Ready(machine, Action::Send) => {
                let in_flight = u32::from(case.fault != Fault::FreesDroppedCalls);
                let uncertain = machine.cost.uncertain + in_flight;
                Some(settle(call, Cost { uncertain, ..machine.cost }, token(index)))
            }
            Phase::Ready(machine, _) | Phase::ReplyPending(machine, ..) => {
                Some(settle(call, machine.cost, token(index)))
            }
        });
        self.processes[case.scenario.callers[index].process].unwritten.extend(settlement);
        self.detach_attempt(index);
    }

    /// Lets a caller take its next step.
    fn advance(
        &mut self,
        case: Case<'_>,
        index: usize,
        mut machine: Machine,
        step: impl FnOnce(&mut Machine, Moment) -> Action,
    ) {
        let action = step(&mut machine, self.moment(case.scenario.callers[index].process));
        self.act(index, machine, action);
    }

    /// Sets the next action of a caller.
    fn act(&mut self, index: usize, mut machine: Machine, action: Action) {
        machine.reset_waits();
        let caller = &mut self.callers[index];
        let is_long = matches!(action, Action::Wait(duration) if duration >= Duration::from_secs(1));
        caller.is_answered &= action == Action::Settle;
        caller.since = if is_long { self.now } else { 0 };
        caller.phase = Phase::Ready(machine, action);
        if action == Action::Finish {
            caller.end();
        }
    }
}

fn settlement(case: Case<'_>, index: usize, caller: &CallerState, call: CallId, cost: Cost) -> Operation {
    let is_answered = caller.is_answered;
    let received = is_answered.then(|| (200, Bytes::new(), Credits::Charged(case.scenario.price)));
    let settlement = Settlement { is_answered, received, ..Settlement::without_response(cost, token(index)) };
    Operation::Settle { call, settlement }
}
