//! The promises, checked against the actual charges of the service.

use std::collections::HashSet;

use super::calls::claim;
use super::scenarios::BUDGET;
use super::state::{BrokenPromise, Checked, Commit, Comparing, FORMS, LATE_CHARGE, Promise};
use super::world::World;
use super::{Case, fingerprint};
use crate::account::{Outcome, Period};
use crate::store::{Done, Question};

fn ensure(holds: bool, promise: Promise, text: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(BrokenPromise(promise, text())) }
}

impl World {
    /// Checks this state, and the state after all calls end. `seen_at_rest` contains the end states that were checked before.
    pub(super) fn check(&self, case: Case<'_>, seen_at_rest: &mut HashSet<u64>) -> Checked {
        self.check_accounts(case)?;
        self.check_answers()?;
        let mut ended = self.clone();
        (0..self.callers.len()).for_each(|index| ended.drop_caller(case, index));
        ended.counts = [0; 8];
        ended.normalize();
        if seen_at_rest.insert(fingerprint(&ended)) { ended.check_at_rest(case) } else { Ok(()) }
    }

    fn check_accounts(&self, case: Case<'_>) -> Checked {
        let (book, spent, scenario) = (&self.tables.account.book, self.truth.spent(), case.scenario);
        let now = book.totals();
        let least = now.charged + now.unexplained;
        let is_open = now.is_in_flight_open || now.is_uncertain_open;
        ensure(least <= spent, Promise::Accounted, || {
            format!("{least} are charged in the book, {spent} were")
        })?;
        ensure(is_open || spent <= now.committed(), Promise::Accounted, || {
            format!("{spent} were charged, but the book has at most {}", now.committed())
        })?;
        // The first call may exceed the cap, if its price is unknown.
        let excess = if scenario.is_unpriced { scenario.price - 1 } else { 0 };
        let cap = scenario.cap.map_or(u64::MAX, |cap| cap + excess);
        ensure(spent <= cap, Promise::CapHolds, || format!("{spent} were charged with a cap of {cap}"))?;
        let Some(today) = self.truth.calls.iter().filter_map(|cost| cost.day).max() else { return Ok(()) };
        for day in [today - 1, today] {
            let spent = self.truth.spent_on(day);
            ensure(spent <= scenario.budget, Promise::CapHolds, || {
                format!("{spent} were charged on day {day} with a budget of {}", scenario.budget)
            })?;
        }
        let (now, spent) = (book.budget(BUDGET, Period::Day), self.truth.spent_on(today));
        let is_exact = self.truth.is_joint || now.charged <= spent;
        ensure(is_exact && spent <= now.committed(), Promise::Accounted, || {
            format!("{spent} were charged, and the budget has {now:?}")
        })
    }

    fn check_answers(&self) -> Checked {
        for (question, form) in FORMS.into_iter().enumerate() {
            let row = self.tables.questions.get(&Question::new(true, "search", form).key());
            let answered = row.and_then(|row| row.answered);
            let is_there = answered.is_some_and(|(call, ..)| self.tables.answers.contains(&call));
            ensure(is_there || !self.truth.is_stored[question], Promise::AnswerStored, || {
                format!("the answer to question {question} is lost")
            })?;
        }
        Ok(())
    }

    /// Checks the report of a comparison: no other program uses the account, and purchases are recorded.
    pub(super) fn check_comparison(&self, done: &Done) -> Checked {
        let Done::Compared(report) = done else { return Ok(()) };
        let is_explained = match report.outcome {
            Outcome::Unexplained(_) => false,
            Outcome::Purchased(_) => self.truth.unrecorded > 0,
            _ => true,
        };
        ensure(is_explained, Promise::Accounted, || format!("a comparison reports {:?}", report.outcome))
    }

    /// Checks a state without running calls: writes pending operations, resolves all calls, and asks all questions again.
    fn check_at_rest(mut self, case: Case<'_>) -> Checked {
        for process in 0..2 {
            while !self.processes[process].unwritten.is_empty() {
                self.write_next(case, process);
            }
        }
        // A comparison that never ends blocks calls for a limited time.
        self.comparing = Comparing::default();
        self.pass(2 * LATE_CHARGE, false);
        while self.truth.unrecorded > 0 {
            self.record_purchase(case, Commit::Done);
        }
        self.check_accounts(case)?;
        for _ in 0..2 {
            self.start_comparison(case);
            if self.comparing == Comparing::default() {
                self.pass(LATE_CHARGE, false);
            }
        }
        let now = self.tables.account.book.totals();
        ensure(self.comparing.started.is_some(), Promise::NoPermanentLock, || {
            format!("all calls have ended, but no comparison can start: {now:?}")
        })?;
        self.read_balance();
        self.finish_comparison(case)?;
        self.check_accounts(case)?;
        let now = self.tables.account.book.totals();
        ensure(now.in_flight_calls == 0, Promise::NoPermanentLock, || format!("at rest: {now:?}"))?;
        let calls = self.tables.clone();
        for call in calls.calls.values().filter(|call| !call.is_answered) {
            self.resolve(case, call.id);
        }
        let (now, spent) = (self.tables.account.book.totals(), self.truth.spent());
        let is_resolved = now.uncertain_attempts == 0 && now.in_flight_calls == 0;
        ensure(is_resolved, Promise::NoPermanentLock, || format!("all calls are resolved: {now:?}"))?;
        ensure((now.charged, now.unexplained) == (spent, 0), Promise::Accounted, || {
            format!("all calls are resolved: {now:?}, but {spent} were charged")
        })?;
        self.ask_again(case)
    }

    /// Asks every question again: each is answered from the store or sent, if it fits the limits.
    fn ask_again(self, case: Case<'_>) -> Checked {
        let (spent, today) = (self.truth.spent(), self.truth.spent_on(self.day()));
        for (index, caller) in case.scenario.callers.iter().enumerate() {
            let mut world = self.clone();
            let claim = claim(case, index, None, 100);
            let done = world.transact(case, caller.process, &claim);
            let price = case.scenario.price;
            let fits = case.scenario.cap.is_none_or(|cap| spent + price <= cap)
                && (!caller.has_budget || today + price <= case.scenario.budget);
            let is_asked = matches!(done, Done::Granted(_) | Done::Answered);
            ensure(is_asked || !fits, Promise::NoPermanentLock, || {
                format!("question {} cannot be asked again: {done:?}", caller.question)
            })?;
        }
        Ok(())
    }
}
