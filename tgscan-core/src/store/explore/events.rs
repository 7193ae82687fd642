//! The events, and their effects.

use std::time::Duration;

use super::promises::BrokenPromise;
use super::scenarios::{End, Kind};
use super::state::{CallerState, LATE_CHARGE, Phase};
use super::world::{Commit, Comparing, World};
use super::{Case, Fault};
use crate::account::ComparisonStart;
use crate::call::machine::Action;
use crate::store::{CallId, Done, Operation};

/// The process that compares, and records purchases.
const COMPARER: usize = 1;
/// The credits of a purchase.
pub(super) const BOUGHT: u64 = 5;
const COMPARISON: u64 = 1 << 41;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A caller claims its question.
    Asks(usize, Commit),
    /// A transaction of a caller runs.
    Commits(usize, Commit),
    /// The reply of a transaction arrives.
    ReceivesReply(usize),
    /// A wait is over.
    Resumes(usize),
    Sends(usize),
    /// An attempt of a caller waits for its turn.
    Postpones(usize),
    /// The attempt of a caller ends.
    AttemptEnds(usize, End),
    /// A caller is dropped.
    Drops(usize),
    /// The service charges an attempt.
    Charges(usize),
    /// Milliseconds pass, while some processes are suspended.
    TimePasses(u64, [bool; 2]),
    Crashes(usize),
    /// A process writes an operation without a caller.
    Writes(usize),
    StartsComparison,
    ReadsBalance,
    FinishesComparison,
    EndsComparison,
    Buys,
    RecordsPurchase(Commit),
    /// A person resolves a call at its actual cost.
    Resolves(CallId),
}

impl Event {
    fn kind(self) -> Option<Kind> {
        match self {
            Self::Asks(_, commit) | Self::Commits(_, commit) | Self::RecordsPurchase(commit) => {
                (commit != Commit::Done).then_some(Kind::Failure)
            }
            Self::TimePasses(..) => Some(Kind::Pass),
            Self::Postpones(_) => Some(Kind::Postponement),
            Self::Crashes(_) => Some(Kind::Crash),
            Self::Drops(_) => Some(Kind::Drop),
            Self::Buys => Some(Kind::Purchase),
            Self::Resolves(_) => Some(Kind::Resolution),
            _ => None,
        }
    }
}

impl World {
    /// Returns the possible next events.
    pub(super) fn events(&self, case: Case<'_>) -> Vec<Event> {
        let may_happen = |kind| self.may_happen(case, kind);
        let mut events = Vec::new();
        let mut commits = vec![Commit::Done];
        if may_happen(Kind::Failure) {
            commits.extend([Commit::Failed, Commit::InDoubt(false), Commit::InDoubt(true)]);
        }
        for index in 0..self.callers.len() {
            self.events_of(case, index, &commits, &mut events);
        }
        for (at, attempt) in self.attempts.iter().enumerate() {
            if attempt.is_open && !attempt.is_charged {
                events.push(Event::Charges(at));
            }
        }
        if may_happen(Kind::Pass) {
            events.extend(
                case.scenario.passes.iter().map(|(by, suspended)| Event::TimePasses(*by, *suspended)),
            );
        }
        for process in 0..2 {
            if may_happen(Kind::Crash) {
                events.push(Event::Crashes(process));
            }
            if !self.processes[process].unwritten.is_empty() {
                events.push(Event::Writes(process));
            }
        }
        match (self.comparing.started, self.comparing.balance) {
            (None, None) if self.comparing.is_waiting => {
                events.extend([Event::StartsComparison, Event::EndsComparison]);
            }
            (None, None) if may_happen(Kind::Comparison) => {
                events.push(Event::StartsComparison);
                if case.fault == Fault::ReadsBalanceFirst {
                    events.push(Event::ReadsBalance);
                }
            }
            (None, None) => {}
            (None, Some(_)) => events.push(Event::StartsComparison),
            (Some(_), None) => events.extend([Event::ReadsBalance, Event::EndsComparison]),
            // As documented, a purchase is recorded before a comparison that sees it.
            (Some(_), Some(_)) if self.truth.unrecorded_is_seen => {}
            (Some(_), Some(_)) => events.push(Event::FinishesComparison),
        }
        if may_happen(Kind::Purchase) && self.truth.unrecorded == 0 {
            events.push(Event::Buys);
        }
        if self.truth.unrecorded > 0 && self.processes[COMPARER].unwritten.is_empty() {
            events.extend(commits.iter().map(|commit| Event::RecordsPurchase(*commit)));
        }
        if may_happen(Kind::Resolution) {
            let unanswered =
                self.tables.calls.values().filter(|call| {
                    !call.entry.is_in_flight() && !call.is_answered && (call.blocks_question())
                });
            let has_open =
                |call: CallId| self.attempts.iter().any(|attempt| attempt.call == call && attempt.is_open);
            let known = unanswered.map(|call| call.id).filter(|call| !has_open(*call));
            events.extend(known.map(Event::Resolves));
        }
        events
    }

    fn may_happen(&self, case: Case<'_>, kind: Kind) -> bool {
        let limit = case.scenario.at_most.iter().find(|(limited, _)| *limited == kind);
        let incidents: u8 = self.counts[Kind::Crash as usize..].iter().sum();
        limit.is_some_and(|(_, limit)| self.counts[kind as usize] < *limit)
            && (kind < Kind::Crash || incidents < case.scenario.incidents)
    }

    fn events_of(&self, case: Case<'_>, index: usize, commits: &[Commit], events: &mut Vec<Event>) {
        let CallerState { phase, asks, .. } = &self.callers[index];
        let caller = &case.scenario.callers[index];
        match phase {
            Phase::Idle => {
                if *asks < caller.asks {
                    events.extend(commits.iter().map(|commit| Event::Asks(index, *commit)));
                }
                return;
            }
            Phase::Ready(_, Action::Send) => {
                events.push(Event::Sends(index));
                if self.may_happen(case, Kind::Postponement) {
                    events.push(Event::Postpones(index));
                }
            }
            Phase::Ready(_, Action::Wait(duration)) => {
                if self.has_waited(index, *duration) {
                    events.push(Event::Resumes(index));
                }
            }
            Phase::Ready(_, Action::Lookup(_)) => events.push(Event::Commits(index, Commit::Done)),
            Phase::Ready(..) => events.extend(commits.iter().map(|commit| Event::Commits(index, *commit))),
            Phase::ReplyPending(..) => events.push(Event::ReceivesReply(index)),
            Phase::AttemptRunning(_) => {
                let ends = case.scenario.ends.iter().filter(|end| self.may_end(case, index, **end));
                events.extend(ends.map(|end| Event::AttemptEnds(index, *end)));
            }
        }
        if self.may_happen(case, Kind::Drop) {
            events.push(Event::Drops(index));
        }
    }

    /// Applies an event.
    pub(super) fn apply(&mut self, case: Case<'_>, event: Event) -> Result<(), BrokenPromise> {
        if let Some(kind) = event.kind() {
            self.counts[kind as usize] += 1;
        }
        match event {
            Event::Asks(index, commit) => self.ask(case, index, commit),
            Event::Commits(index, commit) => self.perform(case, index, commit),
            Event::ReceivesReply(index) => self.receive_reply(index),
            Event::Resumes(index) => self.resume(case, index),
            Event::Sends(index) => self.send(case, index),
            Event::Postpones(index) => self.postpone(index),
            Event::AttemptEnds(index, end) => self.end(case, index, end),
            Event::Drops(index) => self.drop_caller(case, index),
            Event::Charges(at) => self.charge(case, at)?,
            Event::TimePasses(by, suspended) => self.pass(case, by, suspended),
            Event::Crashes(process) => self.crash(case, process),
            Event::Writes(process) => self.write_next(case, process),
            Event::StartsComparison => self.start_comparison(case),
            Event::ReadsBalance => self.read_balance(),
            Event::FinishesComparison => self.finish_comparison(case)?,
            Event::EndsComparison => {
                self.comparing = Comparing::default();
                self.transact(case, COMPARER, &Operation::EndComparison { token: COMPARISON });
            }
            Event::Buys => {
                self.truth.bought += BOUGHT;
                self.truth.unrecorded += BOUGHT;
            }
            Event::RecordsPurchase(commit) => self.record_purchase(case, commit),
            Event::Resolves(call) => self.resolve(case, call),
        }
        self.normalize();
        Ok(())
    }

    pub(super) fn start_comparison(&mut self, case: Case<'_>) {
        let late = if case.fault == Fault::ComparesBeforeLateCharges { 0 } else { LATE_CHARGE };
        let start =
            Operation::StartComparison { token: COMPARISON, late_charge: Duration::from_millis(late) };
        let Done::Started(start) = self.transact(case, COMPARER, &start) else { return };
        self.comparing.is_waiting = matches!(start, ComparisonStart::Busy);
        if let ComparisonStart::Started(comparison) = start {
            self.comparing.started = Some(comparison);
            self.counts[Kind::Comparison as usize] += 1;
        }
    }

    pub(super) fn read_balance(&mut self) {
        self.truth.unrecorded_is_seen = self.truth.unrecorded > 0;
        self.comparing.balance = Some(self.balance());
    }

    pub(super) fn finish_comparison(&mut self, case: Case<'_>) -> Result<(), BrokenPromise> {
        let Comparing { started: Some(comparison), balance: Some(balance), .. } = self.comparing else {
            return Ok(());
        };
        let finish = Operation::FinishComparison { comparison, balance };
        let before = self.tables.clone();
        self.comparing = Comparing::default();
        let done = self.transact(case, COMPARER, &finish);
        self.allow_resolved(&before);
        let resolved = self.tables.calls.values().filter(|call| call.entry.is_shared()).count();
        self.truth.is_joint |= resolved > 0;
        self.check_comparison(&done)
    }

    pub(super) fn record_purchase(&mut self, case: Case<'_>, commit: Commit) {
        let token = (1 << 40) + u64::from(self.counts[Kind::Purchase as usize]);
        let purchase = Operation::Purchase { credits: BOUGHT, token };
        if case.fault == Fault::LosesPurchases {
            self.truth.record_purchases();
            return;
        }
        let before = self.tables.journal.len();
        let _ = self.commit(case, COMPARER, &purchase, commit);
        if self.tables.journal.len() > before {
            self.truth.record_purchases();
        }
    }

    pub(super) fn resolve(&mut self, case: Case<'_>, call: CallId) {
        let credits = self.truth.calls.iter().find(|(known, _)| *known == call).map_or(0, |(_, cost)| *cost);
        let before = self.tables.clone();
        self.transact(case, 0, &Operation::Resolve { call, credits });
        self.allow_resolved(&before);
    }
}
