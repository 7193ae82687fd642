//! The events, and their effects.

use super::Case;
use super::caller::{CallerState, Phase};
use super::fault::Fault;
use super::promise::BrokenPromise;
use super::scenarios::End;
use super::times::LATE_CHARGE;
use super::world::{Commit, Comparing, World};
use crate::account::ComparisonStart;
use crate::call::machine::Action;
use crate::store::{CallId, Done, Operation};
use std::time::Duration;

/// The process that compares, and records purchases.
const COMPARER: usize = 1;
/// The credits of a purchase.
pub(super) const BOUGHT: u64 = 5;
const COMPARISON: u64 = 1 << 41;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A caller claims its question.
    Asks(usize, Commit),
    /// With a fault: a caller checks whether a call fits the cap before it claims.
    ChecksCap(usize),
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

impl World {
    /// Returns the possible next events.
    pub(super) fn events(&self, case: Case<'_>) -> Vec<Event> {
        let (scenario, counts) = (case.scenario, &self.counts);
        let may_happen = |count: u8, limit: u8| count < limit && counts.incidents() < scenario.incidents;
        let mut events = Vec::new();
        let mut commits = vec![Commit::Done];
        if may_happen(counts.failures, scenario.failures) {
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
        if counts.passes < scenario.max_passes {
            events.extend(scenario.passes.iter().map(|(by, suspended)| Event::TimePasses(*by, *suspended)));
        }
        for process in 0..2 {
            if may_happen(counts.crashes, scenario.crashes) {
                events.push(Event::Crashes(process));
            }
            if !self.processes[process].unwritten.is_empty() {
                events.push(Event::Writes(process));
            }
        }
        match &self.comparing {
            Comparing::No if may_happen(counts.comparisons, scenario.comparisons) => {
                events.push(Event::StartsComparison);
                if case.fault == Fault::ReadsBalanceFirst {
                    events.push(Event::ReadsBalance);
                }
            }
            Comparing::No => {}
            Comparing::Waiting => events.extend([Event::StartsComparison, Event::EndsComparison]),
            Comparing::Started(_) => events.extend([Event::ReadsBalance, Event::EndsComparison]),
            // As documented, a purchase is recorded before a comparison that sees it.
            Comparing::Read(..) if self.truth.unrecorded_is_seen => {}
            Comparing::Read(..) => events.push(Event::FinishesComparison),
            Comparing::ReadFirst(_) => events.push(Event::StartsComparison),
        }
        if may_happen(counts.purchases, scenario.purchases) && self.truth.unrecorded == 0 {
            events.push(Event::Buys);
        }
        if self.truth.unrecorded > 0 && self.processes[COMPARER].unwritten.is_empty() {
            events.extend(commits.iter().map(|commit| Event::RecordsPurchase(*commit)));
        }
        if may_happen(counts.resolutions, scenario.resolutions) {
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

    fn events_of(&self, case: Case<'_>, index: usize, commits: &[Commit], events: &mut Vec<Event>) {
        let CallerState { phase, asks, .. } = &self.callers[index];
        let caller = &case.scenario.callers[index];
        match phase {
            Phase::Idle => {
                if *asks < caller.asks {
                    if case.fault == Fault::ChecksCapBeforeLock {
                        events.push(Event::ChecksCap(index));
                    } else {
                        events.extend(commits.iter().map(|commit| Event::Asks(index, *commit)));
                    }
                }
                return;
            }
            Phase::CheckedCap(_) => events.push(Event::Asks(index, Commit::Done)),
            Phase::Ready(_, Action::Send) => {
                events.push(Event::Sends(index));
                if self.counts.postponed < case.scenario.postponed {
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
        if self.counts.drops < case.scenario.drops && self.counts.incidents() < case.scenario.incidents {
            events.push(Event::Drops(index));
        }
    }

    /// Applies an event.
    pub(super) fn apply(&mut self, case: Case<'_>, event: Event) -> Result<(), BrokenPromise> {
        let failed = |commit: Commit| u8::from(commit != Commit::Done);
        match event {
            Event::Asks(index, commit) => {
                self.counts.failures += failed(commit);
                if self.callers[index].phase == Phase::CheckedCap(false) {
                    self.callers[index] =
                        CallerState { asks: self.callers[index].asks + 1, ..CallerState::default() };
                } else {
                    self.ask(case, index, commit);
                }
            }
            Event::ChecksCap(index) => {
                let limits = case.scenario.limits(&case.scenario.callers[index]);
                let fits = self.tables.account.book.clone().admit("search".into(), &limits, Some(self.now));
                self.callers[index].phase = Phase::CheckedCap(fits.is_ok());
            }
            Event::Commits(index, commit) => {
                self.counts.failures += failed(commit);
                self.perform(case, index, commit);
            }
            Event::ReceivesReply(index) => self.receive_reply(index),
            Event::Resumes(index) => self.resume(case, index),
            Event::Sends(index) => self.send(case, index),
            Event::Postpones(index) => {
                self.counts.postponed += 1;
                self.postpone(index);
            }
            Event::AttemptEnds(index, end) => self.end(case, index, end),
            Event::Drops(index) => {
                self.counts.drops += 1;
                self.drop_caller(case, index);
            }
            Event::Charges(at) => self.charge(case, at)?,
            Event::TimePasses(by, suspended) => {
                self.counts.passes += 1;
                self.pass(case, by, suspended);
            }
            Event::Crashes(process) => {
                self.counts.crashes += 1;
                self.crash(case, process);
            }
            Event::Writes(process) => self.write_next(case, process),
            Event::StartsComparison => self.start_comparison(case),
            Event::ReadsBalance => self.read_balance(),
            Event::FinishesComparison => self.finish_comparison(case)?,
            Event::EndsComparison => {
                self.comparing = Comparing::No;
                self.transact(case, COMPARER, &Operation::EndComparison { token: COMPARISON });
            }
            Event::Buys => {
                self.counts.purchases += 1;
                self.truth.bought += BOUGHT;
                self.truth.unrecorded += BOUGHT;
            }
            Event::RecordsPurchase(commit) => {
                self.counts.failures += failed(commit);
                self.record_purchase(case, commit);
            }
            Event::Resolves(call) => {
                self.counts.resolutions += 1;
                self.resolve(case, call);
            }
        }
        self.normalize();
        Ok(())
    }

    pub(super) fn start_comparison(&mut self, case: Case<'_>) {
        let late = if case.fault == Fault::ComparesBeforeLateCharges { 0 } else { LATE_CHARGE };
        let start =
            Operation::StartComparison { token: COMPARISON, late_charge: Duration::from_millis(late) };
        let Done::Started(start) = self.transact(case, COMPARER, &start) else { return };
        self.comparing = match (start, &self.comparing) {
            (ComparisonStart::Started(comparison), Comparing::ReadFirst(balance)) => {
                Comparing::Read(comparison, *balance)
            }
            (ComparisonStart::Started(comparison), _) => {
                self.counts.comparisons += 1;
                Comparing::Started(comparison)
            }
            (ComparisonStart::Busy, _) => Comparing::Waiting,
            (ComparisonStart::TooEarly(_), Comparing::ReadFirst(balance)) => Comparing::ReadFirst(*balance),
            (ComparisonStart::TooEarly(_), _) => Comparing::No,
        };
    }

    pub(super) fn read_balance(&mut self) {
        self.truth.unrecorded_is_seen = self.truth.unrecorded > 0;
        self.comparing = match &self.comparing {
            Comparing::Started(comparison) => Comparing::Read(*comparison, self.balance()),
            _ => Comparing::ReadFirst(self.balance()),
        };
    }

    pub(super) fn finish_comparison(&mut self, case: Case<'_>) -> Result<(), BrokenPromise> {
        let Comparing::Read(comparison, balance) = self.comparing else { return Ok(()) };
        let finish = Operation::FinishComparison { comparison, balance };
        let before = self.tables.clone();
        self.comparing = Comparing::No;
        let done = self.transact(case, COMPARER, &finish);
        self.allow_resolved(&before);
        let resolved = self.tables.calls.values().filter(|call| call.entry.is_shared()).count();
        self.truth.is_joint |= resolved > 0;
        self.check_comparison(&done)
    }

    pub(super) fn record_purchase(&mut self, case: Case<'_>, commit: Commit) {
        let token = (1 << 40) + u64::from(self.counts.purchases);
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
