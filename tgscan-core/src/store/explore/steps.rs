//! The events, and their effects.

use super::scenarios::{End, Kind};
use super::state::{COMPARER, COMPARISON, Checked, Commit, Comparing, Phase};
use super::world::World;
use super::{Case, Fault};
use crate::call::machine::Action;
use crate::store::{CallId, Operation};

/// An event. The number is that of a caller or a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    Asks(usize, Commit),
    /// A transaction of a caller runs.
    Commits(usize, Commit),
    ReceivesReply(usize),
    /// A wait is over.
    Resumes(usize),
    Sends(usize),
    /// An attempt waits for its turn.
    Postpones(usize),
    AttemptEnds(usize, End),
    Drops(usize),
    /// The service charges an attempt.
    Charges(usize),
    /// Milliseconds pass, while the first process may be suspended.
    TimePasses(u64, bool),
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

/// The states after an event, and whether the event broke a promise.
type Steps = Vec<(Event, Box<World>, Checked)>;

/// The possible next events of a world, with their effects.
struct Next<'a> {
    world: &'a World,
    case: Case<'a>,
    steps: Steps,
}

impl Next<'_> {
    fn add(&mut self, event: Event, effect: impl FnOnce(&mut World) -> Checked) {
        let mut next = Box::new(self.world.clone());
        let checked = effect(&mut next);
        next.normalize();
        self.steps.push((event, next, checked));
    }

    fn add_unchecked(&mut self, event: Event, effect: impl FnOnce(&mut World)) {
        self.add(event, |world| {
            effect(world);
            Ok(())
        });
    }

    /// Adds an event whose number is limited, if it may happen once more.
    fn add_limited(&mut self, kind: Kind, event: Event, effect: impl FnOnce(&mut World)) {
        if self.may_happen(kind) {
            self.add_unchecked(event, |world| {
                world.counts[kind as usize] += 1;
                effect(world);
            });
        }
    }

    fn add_commits(&mut self, event: impl Fn(Commit) -> Event, effect: impl Fn(&mut World, Commit)) {
        self.add_unchecked(event(Commit::Done), |world| effect(world, Commit::Done));
        for commit in [Commit::Failed, Commit::InDoubt(false), Commit::InDoubt(true)] {
            self.add_limited(Kind::Failure, event(commit), |world| effect(world, commit));
        }
    }

    fn may_happen(&self, kind: Kind) -> bool {
        let limit = self.case.scenario.at_most.iter().find(|(limited, _)| *limited == kind);
        let counts = &self.world.counts;
        let incidents: u8 = counts[Kind::Crash as usize..].iter().sum();
        limit.is_some_and(|(_, limit)| counts[kind as usize] < *limit)
            && (kind < Kind::Crash || incidents < self.case.scenario.incidents)
    }

    fn add_steps_of_caller(&mut self, index: usize) {
        let case = self.case;
        match self.world.callers[index].phase.clone() {
            Phase::New => {
                let asks = |commit| Event::Asks(index, commit);
                return self.add_commits(asks, |world, commit| world.ask(case, index, commit));
            }
            Phase::Ended => return,
            Phase::Ready(machine, Action::Send) => {
                let again = machine.clone();
                self.add_unchecked(Event::Sends(index), |world| world.send(case, index, machine));
                let postpones = |world: &mut World| world.postpone(case, index, again);
                self.add_limited(Kind::Postponement, Event::Postpones(index), postpones);
            }
            Phase::Ready(machine, Action::Wait(duration)) => {
                if self.world.has_waited(index, duration) {
                    self.add_unchecked(Event::Resumes(index), |world| world.resume(case, index, machine));
                }
            }
            Phase::Ready(_, Action::Lookup(_)) => {
                let event = Event::Commits(index, Commit::Done);
                self.add_unchecked(event, |world| world.perform(case, index, Commit::Done));
            }
            Phase::Ready(..) => {
                let commits = |commit| Event::Commits(index, commit);
                self.add_commits(commits, |world, commit| world.perform(case, index, commit));
            }
            Phase::ReplyPending(..) => {
                self.add_unchecked(Event::ReceivesReply(index), |world| world.receive_reply(case, index));
            }
            Phase::AttemptRunning(machine) => {
                for end in case.scenario.ends {
                    if self.world.may_end(case, index, &machine, *end) {
                        let ends = |world: &mut World| world.end_attempt(case, index, machine.clone(), *end);
                        self.add_unchecked(Event::AttemptEnds(index, *end), ends);
                    }
                }
            }
        }
        self.add_limited(Kind::Drop, Event::Drops(index), |world| world.drop_caller(case, index));
    }

    fn add_comparison(&mut self) {
        let (case, world) = (self.case, self.world);
        let start = |world: &mut World| {
            world.start_comparison(case);
            world.counts[Kind::Comparison as usize] += u8::from(world.comparing.started.is_some());
        };
        let end = |world: &mut World| {
            world.comparing = Comparing::default();
            world.transact(case, COMPARER, &Operation::EndComparison { token: COMPARISON });
        };
        match (world.comparing.started, world.comparing.balance) {
            (None, None) if world.comparing.is_waiting => {
                self.add_unchecked(Event::StartsComparison, start);
                self.add_unchecked(Event::EndsComparison, end);
            }
            (None, None) if self.may_happen(Kind::Comparison) => {
                self.add_unchecked(Event::StartsComparison, start);
                if case.fault == Fault::ReadsBalanceFirst {
                    self.add_unchecked(Event::ReadsBalance, World::read_balance);
                }
            }
            (None, None) => {}
            (None, Some(_)) => self.add_unchecked(Event::StartsComparison, start),
            (Some(_), None) => {
                self.add_unchecked(Event::ReadsBalance, World::read_balance);
                self.add_unchecked(Event::EndsComparison, end);
            }
            // As documented, a purchase is recorded before a comparison that sees it.
            (Some(_), Some(_)) if world.truth.unrecorded_is_seen => {}
            (Some(_), Some(_)) => {
                self.add(Event::FinishesComparison, |world| world.finish_comparison(case));
            }
        }
    }
}

impl World {
    /// Returns the states after each possible next event.
    pub(super) fn steps(&self, case: Case<'_>) -> Steps {
        let mut next = Next { world: self, case, steps: Vec::new() };
        (0..self.callers.len()).for_each(|index| next.add_steps_of_caller(index));
        for (at, attempt) in self.attempts.iter().enumerate() {
            if attempt.is_open && !attempt.is_charged {
                next.add(Event::Charges(at), |world| world.charge(case, at));
            }
        }
        for (by, is_suspended) in case.scenario.passes {
            let event = Event::TimePasses(*by, *is_suspended);
            next.add_limited(Kind::Pass, event, |world| world.pass(*by, *is_suspended));
        }
        for process in 0..2 {
            next.add_limited(Kind::Crash, Event::Crashes(process), |world| world.crash(case, process));
            if !self.processes[process].unwritten.is_empty() {
                next.add_unchecked(Event::Writes(process), |world| world.write_next(case, process));
            }
        }
        next.add_comparison();
        if self.truth.unrecorded == 0 {
            next.add_limited(Kind::Purchase, Event::Buys, World::buy);
        } else if self.processes[COMPARER].unwritten.is_empty() {
            let records = |world: &mut World, commit| world.record_purchase(case, commit);
            next.add_commits(Event::RecordsPurchase, records);
        }
        for call in self.tables.calls.values() {
            let may_be_charged =
                self.attempts.iter().any(|attempt| attempt.call == call.id && attempt.is_open);
            let is_unanswered = !call.entry.is_in_flight() && !call.is_answered && call.blocks_question();
            if is_unanswered && !may_be_charged {
                let resolves = |world: &mut World| world.resolve(case, call.id);
                next.add_limited(Kind::Resolution, Event::Resolves(call.id), resolves);
            }
        }
        next.steps
    }
}
