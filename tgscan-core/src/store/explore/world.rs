//! Two processes, their store, the service, and the time.

use std::time::Duration;

use super::state::{Attempt, CallerState, LATE_CHARGE, Phase, Truth, release};
use super::tables::Shared;
use super::{Case, Fault, fingerprint};
use crate::account::Comparison;
use crate::call::machine::Moment;
use crate::store::decide::decide;
use crate::store::operation::needs;
use crate::store::record::millis;
use crate::store::{Done, Operation, OwnerId};

const LEASE: u64 = 15_000;
/// The age from which times no longer matter.
const OLD: u64 = 100_000;
const DAY: u64 = 24 * 60 * 60 * 1000;
/// Midnight of some day.
const MIDNIGHT: u64 = 20_000 * DAY;
/// The constant time of the monotonic clocks. Recorded moments become older instead.
const UPTIME: Duration = Duration::from_secs(200);

/// The progress of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Comparing {
    /// Whether it waits until no attempt runs.
    pub(super) is_waiting: bool,
    pub(super) started: Option<Comparison>,
    pub(super) balance: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) lease_until: u64,
    /// Operations that are written without a caller.
    pub(super) unwritten: Vec<Operation>,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct World {
    pub(super) now: u64,
    /// The number of past events of each kind.
    pub(super) counts: [u8; 8],
    pub(super) tables: Shared,
    pub(super) processes: [Process; 2],
    pub(super) callers: Vec<CallerState>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) comparing: Comparing,
    pub(super) truth: Truth,
}

/// The outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Commit {
    Done,
    /// Nothing is written.
    Failed,
    /// The reply is lost. The value is whether the changes are written.
    InDoubt(bool),
}

/// The transaction failed or is in doubt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

pub(super) fn owner(process: usize) -> OwnerId {
    process as OwnerId + 1
}

impl World {
    pub(super) fn new(case: Case<'_>) -> Self {
        let now = if case.scenario.is_before_midnight { MIDNIGHT - 3_000 } else { MIDNIGHT + DAY / 2 };
        let process = Process { lease_until: now + LEASE, unwritten: Vec::new() };
        let mut tables = Shared::default();
        tables.edit().account.clock = now;
        let mut world = Self {
            now,
            counts: [0; 8],
            tables,
            processes: [process.clone(), process],
            callers: case.scenario.callers.iter().map(|_| CallerState::default()).collect(),
            attempts: Vec::new(),
            comparing: Comparing::default(),
            truth: Truth { allowed: [1, 1], ..Truth::default() },
        };
        if case.scenario.has_baseline {
            world.start_comparison(case);
            world.read_balance();
            let _ = world.finish_comparison(case);
            world.counts = [0; 8];
            world.normalize();
        }
        world
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { time: UPTIME, date: Some(self.now) }
    }

    pub(super) fn day(&self) -> u64 {
        self.now / DAY
    }

    pub(super) fn balance(&self) -> i64 {
        let signed = |credits: u64| i64::try_from(credits).unwrap();
        100 + signed(self.truth.bought) - signed(self.truth.spent)
    }

    /// Renews the lease of a process. If the lease has expired, the process becomes another owner.
    pub(super) fn renew_lease(&mut self, process: usize) {
        let has_lease = self.processes[process].lease_until > self.now;
        self.processes[process].lease_until = self.now + LEASE;
        if !has_lease {
            self.lose_owner(process);
        }
    }

    fn lose_owner(&mut self, process: usize) {
        if self.tables.calls.values().any(|call| call.owner == owner(process)) {
            self.tables.edit().lose_owner(owner(process));
        }
    }

    /// Runs a transaction. Caches the result, because most transactions run in many states.
    pub(super) fn transact(&mut self, case: Case<'_>, process: usize, operation: &Operation) -> Done {
        self.renew_lease(process);
        let are_alive = self.processes.each_ref().map(|process| process.lease_until > self.now);
        let key = fingerprint(&(&self.tables, process, are_alive, self.now, operation));
        if let Some((tables, done)) = case.known.borrow().get(&key) {
            self.tables = tables.clone();
            return done.clone();
        }
        let done = self.run(case.fault, process, are_alive, operation);
        case.known.borrow_mut().insert(key, (self.tables.clone(), done.clone()));
        done
    }

    fn run(&mut self, fault: Fault, process: usize, are_alive: [bool; 2], operation: &Operation) -> Done {
        let is_alive = |other| (0..2).any(|process| other == owner(process) && are_alive[process]);
        let (owner, operations) = (owner(process), std::slice::from_ref(operation));
        let mut journal = Vec::new();
        loop {
            let needs = needs(operations, journal.clone());
            let loaded = self.tables.load(fault, &needs, owner, self.now, is_alive);
            let (mut done, changes) = decide(operations, loaded, owner);
            if !changes.is_empty() {
                self.tables.edit().write(fault, changes, self.now);
            }
            match done.remove(0) {
                Done::NeedsJournal(number) => journal.push(number),
                done => return done,
            }
        }
    }

    /// Runs a transaction with this outcome. Queues operations that must be repeated.
    pub(super) fn commit(
        &mut self,
        case: Case<'_>,
        process: usize,
        operation: &Operation,
        commit: Commit,
    ) -> Result<Done, Failed> {
        let is_in_doubt = match commit {
            Commit::Done => return Ok(self.transact(case, process, operation)),
            Commit::Failed => false,
            Commit::InDoubt(is_written) => {
                if is_written {
                    self.transact(case, process, operation);
                }
                true
            }
        };
        let is_forgotten = case.fault == Fault::ForgetsCommitsInDoubt && is_in_doubt;
        if operation.must_be_written(is_in_doubt) && !is_forgotten {
            self.processes[process].unwritten.push(operation.clone());
        }
        Err(Failed)
    }

    /// With a fault: runs a transaction as if it were a millisecond earlier.
    pub(super) fn commit_earlier(
        &mut self,
        case: Case<'_>,
        process: usize,
        operation: &Operation,
        commit: Commit,
    ) -> Result<Done, Failed> {
        self.now -= 1;
        let done = self.commit(case, process, operation, commit);
        self.now += 1;
        done
    }

    /// Runs the first unwritten operation of a process.
    pub(super) fn write_next(&mut self, case: Case<'_>, process: usize) {
        let operation = self.processes[process].unwritten.remove(0);
        let purchases = self.tables.journal.len();
        match self.transact(case, process, &operation) {
            Done::Granted(call) => self.processes[process].unwritten.push(release(call)),
            _ if matches!(operation, Operation::Purchase { .. }) && self.tables.journal.len() > purchases => {
                self.truth.record_purchases();
            }
            _ => {}
        }
    }

    /// Advances the time, while some processes are suspended.
    pub(super) fn pass(&mut self, case: Case<'_>, by: u64, are_suspended: [bool; 2]) {
        let is_dated = case.scenario.is_before_midnight;
        // The stores of running processes renew their leases.
        for (process, is_suspended) in are_suspended.into_iter().enumerate() {
            if !is_suspended {
                self.renew_lease(process);
            }
        }
        if is_dated {
            self.now += by;
        } else {
            // The clock stands still, and all times become older.
            let age = |time: &mut u64| *time = time.saturating_sub(by).max(self.now - OLD);
            self.tables.edit().age(age);
            let open = self.attempts.iter_mut().filter(|attempt| attempt.sent_at > 0);
            open.for_each(|attempt| age(&mut attempt.sent_at));
            self.processes.iter_mut().for_each(|process| age(&mut process.lease_until));
            self.callers.iter_mut().for_each(|caller| age(&mut caller.since));
        }
        for (process, is_suspended) in self.processes.iter_mut().zip(are_suspended) {
            if !is_suspended {
                process.lease_until = self.now + LEASE;
            }
        }
        let (now, by) = (self.now, Duration::from_millis(by));
        for (caller, config) in self.callers.iter_mut().zip(case.scenario.callers) {
            // Monotonic clocks stop while a machine is suspended.
            let uptime = if are_suspended[config.process] { Duration::ZERO } else { by };
            caller.age(|moment| {
                let date = moment.date.map(|date| if is_dated { date } else { date - millis(by) });
                Moment {
                    time: moment.time.saturating_sub(uptime),
                    date: date.map(|date| date.max(now - OLD)),
                }
            });
        }
        for attempt in &mut self.attempts {
            attempt.is_open &= attempt.sent_at == 0 || now <= attempt.sent_at + LATE_CHARGE;
        }
        if self.comparing == Comparing::default() {
            self.tables.edit().account.book.remove_expired_barrier(now);
        }
    }

    /// Replaces a process by a new one.
    pub(super) fn crash(&mut self, case: Case<'_>, process: usize) {
        for index in 0..self.callers.len() {
            if case.scenario.callers[index].process == process {
                self.callers[index].phase = Phase::Idle;
                self.detach_attempt(index);
            }
        }
        if process == 1 {
            self.comparing = Comparing::default();
        }
        self.processes[process].unwritten.clear();
        if case.fault == Fault::StoresAnswersLater {
            self.tables.edit().answers.clear();
        }
        if case.fault != Fault::ReusesOwners {
            self.lose_owner(process);
        }
        self.processes[process].lease_until = self.now + LEASE;
    }

    /// Marks the attempt of a caller as not waited for.
    pub(super) fn detach_attempt(&mut self, index: usize) {
        self.attempts.iter_mut().filter(|attempt| attempt.caller == Some(index)).for_each(|attempt| {
            attempt.caller = None;
        });
    }

    /// Makes equivalent states equal.
    pub(super) fn normalize(&mut self) {
        self.attempts.retain(|attempt| attempt.caller.is_some() || attempt.is_open && !attempt.is_charged);
        for attempt in &mut self.attempts {
            if attempt.is_charged || !attempt.is_open {
                attempt.sent_at = 0;
            }
        }
        self.attempts.sort_unstable();
        let tables = &self.tables;
        self.truth.calls.retain(|(call, _)| tables.calls.contains_key(call));
        if self.tables.account.book.revision() != 0 || self.tables.account.clock != self.now {
            let account = &mut self.tables.edit().account;
            account.clock = self.now;
            account.book.normalize(self.comparing.started.as_mut());
        }
    }
}
