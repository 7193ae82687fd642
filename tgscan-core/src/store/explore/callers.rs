//! What a caller does: the production machine of a call, one step at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Case;
use super::faults::Fault;
use super::scenarios::End;
use super::service::Attempt;
use super::world::{Commit, FENCE, Failed, HOUR, PAY_AGAIN_AFTER, World};
use crate::Credits;
use crate::account::{Cost, Limits};
use crate::call::machine::{Action, Claimed, Machine, Moment, Renewed, Times};
use crate::retry::Decision;
use crate::store::{CallId, Claim, Done, Operation, Question, Settlement};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    #[default]
    Idle,
    /// With a broken rule: it has looked whether a call fits the cap.
    HasLooked(bool),
    /// About to act.
    Acts(Machine, Action),
    /// The result of a transaction, asked for at this moment, is on its way.
    Hears(Machine, Heard, Moment),
    /// Waits for the response.
    Sends(Machine),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Heard {
    Claimed(Claimed),
    Renewed(Renewed),
    Looked(bool),
    Paused(bool),
    Settled,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Asking {
    pub(super) phase: Phase,
    pub(super) asks: u8,
    /// The call that it has claimed, and on which day.
    pub(super) call: Option<(CallId, u64)>,
    /// Since when it waits.
    pub(super) since: u64,
    /// Whether its last attempt was answered.
    pub(super) is_answered: bool,
}

impl Asking {
    /// Changes the moments that it remembers.
    pub(super) fn age(&mut self, age: impl Fn(Moment) -> Moment) {
        match &mut self.phase {
            Phase::Idle | Phase::HasLooked(_) => {}
            Phase::Acts(machine, _) | Phase::Sends(machine) => machine.age(age),
            Phase::Hears(machine, _, asked) => {
                *asked = age(*asked);
                machine.age(age);
            }
        }
    }
}

/// Settles a call that brought nothing and cost nothing.
pub(super) fn nothing(call: CallId) -> Operation {
    Operation::Settle { call, settlement: Settlement::nothing(Cost::NONE) }
}

fn settlement(case: Case<'_>, caller: &Asking, call: CallId, cost: Cost) -> Operation {
    let is_answered = caller.is_answered;
    let received = is_answered.then(|| (200, Bytes::new(), Credits::Charged(case.scenario.price)));
    let settlement = Settlement { is_answered, received, ..Settlement::nothing(cost) };
    Operation::Settle { call, settlement }
}

impl World {
    /// Asks its question.
    pub(super) fn ask(&mut self, case: Case<'_>, index: usize, commit: Commit) {
        let times = Times { fence: Some(FENCE), wait_until: Duration::MAX, deadline: None };
        let (machine, action) = Machine::begin(times, true);
        self.callers[index] = Asking { asks: self.callers[index].asks + 1, ..Asking::default() };
        self.act(index, machine, action);
        self.perform(case, index, commit);
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

    /// Runs the transaction that a caller is about to run.
    pub(super) fn perform(&mut self, case: Case<'_>, index: usize, commit: Commit) {
        let Phase::Acts(machine, action) = self.callers[index].phase.clone() else { return };
        let process = case.scenario.callers[index].process;
        let asked = self.moment();
        let call = self.callers[index].call.map(|(call, _)| call);
        let heard = match (action, call) {
            (Action::Claim, _) => Heard::Claimed(self.perform_claim(case, index, &machine, commit)),
            (Action::Look(call), _) => {
                Heard::Looked(self.tables.calls.get(&call).is_none_or(|call| !call.entry.is_in_flight()))
            }
            (Action::Renew, Some(call)) => {
                let limits = Arc::new(case.scenario.limits(&case.scenario.callers[index]));
                let renew =
                    Operation::Renew { call, uncertain: machine.cost.uncertain, limits, fence: FENCE };
                Heard::Renewed(match self.commit(case, process, &renew, commit) {
                    Ok(Done::Booked) => Renewed::Confirmed,
                    Ok(Done::Held) => Renewed::NotYet,
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
                Heard::Paused(done.is_ok())
            }
            (Action::Settle, Some(call)) => {
                self.settle(case, index, call, machine.cost, commit);
                Heard::Settled
            }
            _ => return,
        };
        self.callers[index].phase = Phase::Hears(machine, heard, asked);
        if !case.scenario.has_slow_replies || heard == Heard::Settled {
            self.hear(index);
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
            Ok(Done::Held) => Claimed::NotYet,
            _ => Claimed::Ended,
        }
    }

    fn settle(&mut self, case: Case<'_>, index: usize, call: CallId, cost: Cost, commit: Commit) {
        let of = &case.scenario.callers[index];
        let is_answered = self.callers[index].is_answered;
        let is_late = self.tables.calls.get(&call).is_none_or(|call| !call.entry.is_in_flight());
        let is_dropped = is_late && case.fault == Fault::DropsLateSettlements;
        let settle = settlement(case, &self.callers[index], call, cost);
        if is_dropped || self.commit(case, of.process, &settle, commit).is_ok() {
            self.truth.is_stored[of.question] |= is_answered;
        }
    }

    /// The result of a transaction arrives.
    pub(super) fn hear(&mut self, index: usize) {
        let Phase::Hears(mut machine, heard, asked) = self.callers[index].phase.clone() else { return };
        let now = self.moment();
        let action = match heard {
            Heard::Claimed(claimed) => machine.claimed(claimed, asked, now),
            Heard::Renewed(renewed) => machine.renewed(renewed, asked, now),
            Heard::Looked(has_ended) => machine.looked(has_ended, now),
            Heard::Paused(is_booked) => machine.paused(is_booked),
            Heard::Settled => machine.settled(),
        };
        self.act(index, machine, action);
    }

    /// Whether a caller that waits may continue.
    pub(super) fn has_waited(&self, index: usize, duration: Duration) -> bool {
        // Short waits poll, and their length makes no difference.
        let waited = Duration::from_millis(self.now - self.callers[index].since);
        duration < Duration::from_secs(1) || waited >= duration
    }

    /// Continues after a wait.
    pub(super) fn go_on(&mut self, case: Case<'_>, index: usize) {
        let Phase::Acts(mut machine, Action::Wait(_)) = self.callers[index].phase.clone() else { return };
        let action = match machine.waited(self.moment()) {
            Action::Renew if case.fault == Fault::SendsWithoutRenewing => Action::Send,
            action => action,
        };
        self.act(index, machine, action);
    }

    /// Writes a request, unless the store's confirmation is too old.
    pub(super) fn send(&mut self, case: Case<'_>, index: usize) {
        let Phase::Acts(mut machine, Action::Send) = self.callers[index].phase.clone() else { return };
        let Some((call, day)) = self.callers[index].call else { return };
        let now = self.moment();
        if now.since(machine.confirmed()) > FENCE && case.fault != Fault::SendsWithoutRenewing {
            let retry = Decision::RetryAfter(Duration::from_millis(200));
            let action = machine.attempted(Credits::NotCharged, retry, now);
            self.act(index, machine, action);
            return;
        }
        let caller = &case.scenario.callers[index];
        self.attempts.push(Attempt {
            call,
            question: caller.question,
            begun: self.now,
            is_charged: false,
            is_open: true,
            caller: Some(index),
            day: caller.has_budget.then_some(day),
        });
        self.callers[index].phase = Phase::Sends(machine);
    }

    /// How the attempt of a caller may end.
    pub(super) fn may_end(&self, case: Case<'_>, index: usize, end: End) -> bool {
        let Phase::Sends(machine) = &self.callers[index].phase else { return false };
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

    /// An attempt ends for its caller.
    pub(super) fn end(&mut self, case: Case<'_>, index: usize, end: End) {
        let Phase::Sends(mut machine) = self.callers[index].phase.clone() else { return };
        let (credits, decision) = match end {
            End::Answered | End::Unanswered => (Credits::Charged(case.scenario.price), Decision::GiveUp),
            End::Refused => (Credits::NotCharged, Decision::GiveUp),
            End::Delayed(by) => (Credits::NotCharged, Decision::RetryAfter(Duration::from_secs(by))),
            End::Lost => (Credits::Uncertain, Decision::GiveUp),
            End::Resent => (Credits::Uncertain, Decision::RetryAfter(Duration::from_secs(1))),
        };
        if credits == Credits::NotCharged {
            let mine = |attempt: &&mut Attempt| attempt.caller == Some(index);
            self.attempts.iter_mut().find(mine).into_iter().for_each(|attempt| attempt.is_open = false);
        }
        if end == End::Resent {
            self.truth.allowed[case.scenario.callers[index].question] += 1;
        }
        self.callers[index].is_answered = end == End::Answered;
        let action = machine.attempted(credits, decision, self.moment());
        self.act(index, machine, action);
        self.leave(index);
    }

    /// The caller is gone. What its claim guard knows is settled, or the settlement that it has asked for is written.
    pub(super) fn drop_caller(&mut self, case: Case<'_>, index: usize) {
        let caller = std::mem::take(&mut self.callers[index]);
        self.callers[index].asks = caller.asks;
        let in_flight = u32::from(case.fault != Fault::FreesDroppedCalls);
        let settlement = match (&caller.phase, caller.call) {
            (Phase::Idle | Phase::HasLooked(_) | Phase::Hears(_, Heard::Settled, _), _) | (_, None) => None,
            // The claim is given back.
            (Phase::Hears(_, Heard::Claimed(_), _), Some((call, _))) => Some(nothing(call)),
            (Phase::Acts(machine, Action::Settle), Some((call, _))) => {
                Some(settlement(case, &caller, call, machine.cost))
            }
            (phase, Some((call, _))) => {
                let (machine, in_flight) = match phase {
                    Phase::Sends(machine) | Phase::Acts(machine, Action::Send) => (machine, in_flight),
                    Phase::Acts(machine, _) | Phase::Hears(machine, ..) => (machine, 0),
                    Phase::Idle | Phase::HasLooked(_) => return,
                };
                let Cost { charged, uncertain } = machine.cost;
                let cost = Cost { charged, uncertain: uncertain + in_flight };
                Some(Operation::Settle { call, settlement: Settlement::nothing(cost) })
            }
        };
        self.processes[case.scenario.callers[index].process].unwritten.extend(settlement);
        self.leave(index);
    }

    /// What a caller does next.
    fn act(&mut self, index: usize, mut machine: Machine, action: Action) {
        machine.forget_waits();
        let caller = &mut self.callers[index];
        let is_long = matches!(action, Action::Wait(duration) if duration >= Duration::from_secs(1));
        caller.is_answered &= action == Action::Settle;
        caller.since = if is_long { self.now } else { 0 };
        match action {
            Action::Finish => {
                *caller = Asking { asks: caller.asks, ..Asking::default() };
            }
            action => caller.phase = Phase::Acts(machine, action),
        }
    }
}

fn question(index: usize) -> Arc<Question> {
    Arc::new(Question::new(true, "search", ["query=a", "query=b"][index]))
}
