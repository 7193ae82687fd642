//! What can happen next, and its consequences.

use super::Case;
use super::callers::{Asking, Phase};
use super::faults::Fault;
use super::promises::Broken;
use super::scenarios::End;
use super::world::{Commit, Comparing, LATE, World};
use crate::account::Start;
use crate::call::machine::Action;
use crate::store::{CallId, Done, Operation};
use std::time::Duration;

/// The process that compares, and records purchases.
const COMPARER: usize = 1;
/// How many credits are bought.
pub(super) const BOUGHT: u64 = 5;
const COMPARISON: u64 = 1 << 41;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// A caller asks its question, and claims it.
    Asks(usize, Commit),
    /// With a broken rule: it looks first whether a call fits the cap.
    LooksAtCap(usize),
    /// A transaction of a caller runs.
    Commits(usize, Commit),
    /// Its result arrives.
    Hears(usize),
    /// A wait is over.
    GoesOn(usize),
    Sends(usize),
    /// The attempt of a caller ends.
    Ends(usize, End),
    /// A caller is dropped.
    Drops(usize),
    /// The service charges an attempt.
    Charges(usize),
    /// Milliseconds pass, while some processes are suspended.
    Passes(u64, [bool; 2]),
    Crashes(usize),
    /// A process writes an operation that no caller waits for.
    Writes(usize),
    StartsComparison,
    ReadsBalance,
    FinishesComparison,
    EndsComparison,
    Buys,
    RecordsPurchase(Commit),
    /// A person resolves a call with what it really cost.
    Resolves(CallId),
}

impl World {
    /// Everything that can happen next.
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
            events.extend(scenario.passes.iter().map(|(by, suspended)| Event::Passes(*by, *suspended)));
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
        let Asking { phase, asks, .. } = &self.callers[index];
        let of = &case.scenario.callers[index];
        match phase {
            Phase::Idle => {
                if *asks < of.asks {
                    if case.fault == Fault::ChecksCapBeforeLock {
                        events.push(Event::LooksAtCap(index));
                    } else {
                        events.extend(commits.iter().map(|commit| Event::Asks(index, *commit)));
                    }
                }
                return;
            }
            Phase::HasLooked(_) => events.push(Event::Asks(index, Commit::Done)),
            Phase::Acts(_, Action::Send) => events.push(Event::Sends(index)),
            Phase::Acts(_, Action::Wait(duration)) => {
                if self.has_waited(index, *duration) {
                    events.push(Event::GoesOn(index));
                }
            }
            Phase::Acts(_, Action::Look(_)) => events.push(Event::Commits(index, Commit::Done)),
            Phase::Acts(..) => events.extend(commits.iter().map(|commit| Event::Commits(index, *commit))),
            Phase::Hears(..) => events.push(Event::Hears(index)),
            Phase::Sends(_) => {
                let ends = case.scenario.ends.iter().filter(|end| self.may_end(case, index, **end));
                events.extend(ends.map(|end| Event::Ends(index, *end)));
            }
        }
        if self.counts.drops < case.scenario.drops && self.counts.incidents() < case.scenario.incidents {
            events.push(Event::Drops(index));
        }
    }

    /// Lets an event happen.
    pub(super) fn apply(&mut self, case: Case<'_>, event: Event) -> Result<(), Broken> {
        let failed = |commit: Commit| u8::from(commit != Commit::Done);
        match event {
            Event::Asks(index, commit) => {
                self.counts.failures += failed(commit);
                if self.callers[index].phase == Phase::HasLooked(false) {
                    self.callers[index] = Asking { asks: self.callers[index].asks + 1, ..Asking::default() };
                } else {
                    self.ask(case, index, commit);
                }
            }
            Event::LooksAtCap(index) => {
                let limits = case.scenario.limits(&case.scenario.callers[index]);
                let fits = self.tables.account.book.clone().admit("search".into(), &limits, Some(self.now));
                self.callers[index].phase = Phase::HasLooked(fits.is_ok());
            }
            Event::Commits(index, commit) => {
                self.counts.failures += failed(commit);
                self.perform(case, index, commit);
            }
            Event::Hears(index) => self.hear(index),
            Event::GoesOn(index) => self.go_on(case, index),
            Event::Sends(index) => self.send(case, index),
            Event::Ends(index, end) => self.end(case, index, end),
            Event::Drops(index) => {
                self.counts.drops += 1;
                self.drop_caller(case, index);
            }
            Event::Charges(at) => self.charge(case, at)?,
            Event::Passes(by, suspended) => {
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
        let late = if case.fault == Fault::ComparesBeforeLateCharges { 0 } else { LATE };
        let start = Operation::StartComparison { token: COMPARISON, late: Duration::from_millis(late) };
        let Done::Started(start) = self.transact(case, COMPARER, &start) else { return };
        self.comparing = match (start, &self.comparing) {
            (Start::Begun(comparison), Comparing::ReadFirst(balance)) => {
                Comparing::Read(comparison, *balance)
            }
            (Start::Begun(comparison), _) => {
                self.counts.comparisons += 1;
                Comparing::Started(comparison)
            }
            (Start::Busy, _) => Comparing::Waiting,
            (Start::TooEarly(_), Comparing::ReadFirst(balance)) => Comparing::ReadFirst(*balance),
            (Start::TooEarly(_), _) => Comparing::No,
        };
    }

    pub(super) fn read_balance(&mut self) {
        self.truth.unrecorded_is_seen = self.truth.unrecorded > 0;
        self.comparing = match &self.comparing {
            Comparing::Started(comparison) => Comparing::Read(*comparison, self.balance()),
            _ => Comparing::ReadFirst(self.balance()),
        };
    }

    pub(super) fn finish_comparison(&mut self, case: Case<'_>) -> Result<(), Broken> {
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
