//! Two processes, their store, and the service with its actual charges.

use std::time::Duration;

use super::state::{
    Attempt, BOUGHT, BrokenPromise, COMPARER, COMPARISON, CallerState, Checked, Commit, Comparing, DAY,
    FORMS, Failed, LATE_CHARGE, LEASE, Process, Promise, Truth, settle,
};
use super::tables::{Shared, Tables};
use super::{Case, Fault, fingerprint};
use crate::account::{ComparisonStart, Cost};
use crate::call::machine::Moment;
use crate::store::decide::decide;
use crate::store::operation::needs;
use crate::store::{CallId, CallState, Done, Loaded, Operation, OwnerId};

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

impl World {
    pub(super) fn new(case: Case<'_>) -> Self {
        let now = case.scenario.start;
        let process = |owner| Process {
            owner,
            lease_until: now + LEASE,
            uptime: Duration::from_secs(200),
            unwritten: Vec::new(),
        };
        let mut world = Self {
            now,
            counts: [0; 8],
            tables: Shared::default(),
            processes: [process(1), process(2)],
            callers: case.scenario.callers.iter().map(|_| CallerState::default()).collect(),
            attempts: Vec::new(),
            comparing: Comparing::default(),
            truth: Truth { allowed: [1, 1], ..Truth::default() },
        };
        if case.scenario.has_baseline {
            world.start_comparison(case);
            world.read_balance();
            let _ = world.finish_comparison(case);
        }
        world
    }

    pub(super) fn moment(&self, process: usize) -> Moment {
        Moment { time: self.processes[process].uptime, date: Some(self.now) }
    }

    pub(super) fn day(&self) -> u64 {
        self.now / DAY
    }

    /// Renews the lease of a process. If the lease has expired, the process becomes another owner.
    fn renew_lease(&mut self, process: usize) {
        let process = &mut self.processes[process];
        process.owner += if process.lease_until > self.now { 0 } else { 2 };
        process.lease_until = self.now + LEASE;
    }

    /// Runs a transaction. Caches the result, because most transactions run in many states.
    pub(super) fn transact(&mut self, case: Case<'_>, process: usize, operation: &Operation) -> Done {
        self.renew_lease(process);
        let owners = self.processes.each_ref().map(|process| (process.owner, process.lease_until > self.now));
        let key = fingerprint(&(&self.tables, process, owners, self.now, operation));
        let known = case.known.borrow().get(&key).cloned();
        let (tables, done) = known.unwrap_or_else(|| {
            let done = self.run(case, process, operation);
            case.known.borrow_mut().insert(key, (self.tables.clone(), done.clone()));
            (self.tables.clone(), done)
        });
        self.tables = tables;
        done
    }

    fn run(&mut self, case: Case<'_>, process: usize, operation: &Operation) -> Done {
        let (owner, operations) = (self.processes[process].owner, std::slice::from_ref(operation));
        let is_alive = |owner| {
            self.processes.iter().any(|process| process.owner == owner && process.lease_until > self.now)
        };
        let mut journal = Vec::new();
        loop {
            let needs = needs(operations, journal.clone());
            let mut loaded = self.tables.load(&needs, owner, self.now, is_alive);
            if case.fault == Fault::FreesCallsOfLostOwners {
                let Loaded { account, calls, lost, .. } = &mut loaded;
                let lost = calls.iter_mut().filter(|call| lost.contains(&call.id));
                lost.for_each(|call| account.book.pause(&mut call.entry));
            }
            let (mut done, changes) = decide(operations, loaded, process as OwnerId + 1);
            if !changes.is_empty() {
                let tables = self.tables.edit();
                if case.fault == Fault::KeepsOneAnswer && !changes.answers.is_empty() {
                    tables.answers.clear();
                }
                tables.write(changes);
                if case.fault == Fault::ForgetsReplacedCalls {
                    tables.questions.values_mut().for_each(|row| row.earlier.clear());
                }
            }
            match done.remove(0) {
                Done::NeedsJournal(number) => journal.push(number),
                Done::Again => {}
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

    /// Runs the first unwritten operation of a process.
    pub(super) fn write_next(&mut self, case: Case<'_>, process: usize) {
        let operation = self.processes[process].unwritten.remove(0);
        let entries = self.tables.journal.len();
        if let Done::Granted(call) = self.transact(case, process, &operation) {
            self.processes[process].unwritten.push(settle(call, Cost::NONE, operation.token()));
        }
        if matches!(operation, Operation::Purchase { .. }) && self.tables.journal.len() > entries {
            (self.truth.unrecorded, self.truth.unrecorded_is_seen) = (0, false);
        }
    }

    /// Advances the time, while the first process may be suspended.
    pub(super) fn pass(&mut self, by: u64, is_suspended: bool) {
        let running = usize::from(is_suspended)..2;
        // The stores of running processes renew their leases.
        running.clone().for_each(|process| self.renew_lease(process));
        self.now += by;
        for process in &mut self.processes[running] {
            process.uptime += Duration::from_millis(by);
            process.lease_until = self.now + LEASE;
        }
        for attempt in &mut self.attempts {
            attempt.is_open &= self.now <= attempt.sent_at + LATE_CHARGE;
        }
    }

    /// Replaces a process by a new one.
    pub(super) fn crash(&mut self, case: Case<'_>, process: usize) {
        for index in 0..self.callers.len() {
            if case.scenario.callers[index].process == process {
                self.callers[index].crash();
                self.detach_attempt(index);
            }
        }
        if process == COMPARER {
            self.comparing = Comparing::default();
        }
        if case.fault == Fault::StoresAnswersLater {
            self.tables.edit().answers.clear();
        }
        let crashed = &mut self.processes[process];
        crashed.unwritten.clear();
        crashed.owner += if case.fault == Fault::ReusesOwners { 0 } else { 2 };
        crashed.lease_until = self.now + LEASE;
    }

    /// Marks the attempt of a caller as not waited for.
    pub(super) fn detach_attempt(&mut self, index: usize) {
        let mine = self.attempts.iter_mut().filter(|attempt| attempt.caller == Some(index));
        mine.for_each(|attempt| attempt.caller = None);
    }

    /// Makes equivalent states equal.
    pub(super) fn normalize(&mut self) {
        self.attempts.retain(|attempt| attempt.caller.is_some() || attempt.is_open && !attempt.is_charged);
        self.attempts.sort_unstable();
    }

    /// Allows another payment for a question.
    pub(super) fn allow_again(&mut self, question: usize) {
        let may_be_paid =
            |attempt: &&Attempt| attempt.question == question && attempt.is_open && !attempt.is_charged;
        let open = self.attempts.iter().filter(may_be_paid).count() as u64;
        self.truth.allowed[question] = self.truth.paid[question] + open + 1;
    }

    /// Runs an operation that may resolve calls. Allows another payment for their questions.
    fn transact_resolving(&mut self, case: Case<'_>, process: usize, operation: &Operation) -> Done {
        let before = self.tables.clone();
        let done = self.transact(case, process, operation);
        let is_resolved = |tables: &Tables, call| {
            tables.calls.get(&call).is_some_and(|call| call.state() == CallState::Resolved)
        };
        let resolved = self
            .tables
            .calls
            .values()
            .filter(|call| is_resolved(&self.tables, call.id) && !is_resolved(&before, call.id));
        let questions: Vec<_> = resolved.filter_map(|call| call.question.clone()).collect();
        for question in questions {
            self.allow_again(usize::from(question.form == FORMS[1]));
        }
        done
    }

    /// Charges an attempt.
    pub(super) fn charge(&mut self, case: Case<'_>, at: usize) -> Checked {
        let attempt = &mut self.attempts[at];
        attempt.is_charged = true;
        let (question, call) = (attempt.question, attempt.call);
        self.truth.allowed[question] += u64::from(attempt.replaces);
        if let Some(cost) = self.truth.calls.iter_mut().find(|cost| cost.call == call) {
            cost.credits += case.scenario.price;
        }
        self.truth.paid[question] += 1;
        let (paid, allowed) = (self.truth.paid[question], self.truth.allowed[question]);
        if paid > allowed {
            let text =
                format!("question {question} was paid for {paid} times, but only {allowed} are allowed");
            return Err(BrokenPromise(Promise::PaidOnce, text));
        }
        Ok(())
    }

    pub(super) fn start_comparison(&mut self, case: Case<'_>) {
        let late = if case.fault == Fault::ComparesBeforeLateCharges { 0 } else { LATE_CHARGE };
        let late_charge = Duration::from_millis(late);
        let start = Operation::StartComparison { token: COMPARISON, late_charge };
        let Done::Started(start) = self.transact(case, COMPARER, &start) else { return };
        self.comparing.is_waiting = matches!(start, ComparisonStart::Busy);
        if let ComparisonStart::Started(comparison) = start {
            self.comparing.started = Some(comparison);
        }
    }

    pub(super) fn read_balance(&mut self) {
        let signed = |credits: u64| i64::try_from(credits).unwrap();
        self.truth.unrecorded_is_seen = self.truth.unrecorded > 0;
        self.comparing.balance = Some(100 + signed(self.truth.bought) - signed(self.truth.spent()));
    }

    pub(super) fn finish_comparison(&mut self, case: Case<'_>) -> Checked {
        let Comparing { started: Some(comparison), balance: Some(balance), .. } = self.comparing else {
            return Ok(());
        };
        self.comparing = Comparing::default();
        let finish = Operation::FinishComparison { comparison, balance };
        let done = self.transact_resolving(case, COMPARER, &finish);
        self.truth.is_joint |= self.tables.calls.values().any(|call| call.entry.is_shared());
        self.check_comparison(&done)
    }

    pub(super) fn buy(&mut self) {
        self.truth.bought += BOUGHT;
        self.truth.unrecorded += BOUGHT;
    }

    pub(super) fn record_purchase(&mut self, case: Case<'_>, commit: Commit) {
        let entries = self.tables.journal.len();
        if case.fault != Fault::LosesPurchases {
            let purchase = Operation::Purchase { credits: BOUGHT, token: 1 << 40 };
            let _ = self.commit(case, COMPARER, &purchase, commit);
        }
        if case.fault == Fault::LosesPurchases || self.tables.journal.len() > entries {
            (self.truth.unrecorded, self.truth.unrecorded_is_seen) = (0, false);
        }
    }

    /// Resolves a call by hand at its actual cost.
    pub(super) fn resolve(&mut self, case: Case<'_>, call: CallId) {
        let cost = self.truth.calls.iter().find(|cost| cost.call == call);
        let credits = cost.map_or(0, |cost| cost.credits);
        self.transact_resolving(case, 0, &Operation::Resolve { call, credits });
    }
}
