//! The promises, stated as anyone can check who knows what the service charged.

use std::collections::HashSet;

use super::Case;
use super::fingerprint;
use super::scenarios::BUDGET;
use super::service::Attempt;
use super::world::{Commit, Comparing, Counts, LATE, World};
use crate::account::{Outcome, Period};
use crate::store::Done;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// A question is paid for once, unless it is asked again on purpose.
    PaidOnce,
    /// charged ≤ lost ≤ charged + uncertain.
    Accounted,
    /// The cap and the budget hold.
    CapHolds,
    /// An answer that was reported as stored is there.
    AnswerKept,
    /// Nothing is locked for ever: once all calls have ended, everything can be resolved and asked again.
    NothingLocked,
}

/// A promise that does not hold, and how.
#[derive(Debug)]
pub(super) struct Broken(pub(super) Promise, pub(super) String);

fn ensure(holds: bool, promise: Promise, text: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(promise, text())) }
}

impl World {
    /// Checks this state, and what becomes of it when all calls end. `rested` has the states that were at rest already.
    pub(super) fn check(&self, case: Case<'_>, rested: &mut HashSet<u128>) -> Result<(), Broken> {
        self.check_accounts(case)?;
        self.check_answers()?;
        let mut ended = self.clone();
        for index in 0..self.callers.len() {
            ended.drop_caller(case, index);
            ended.callers[index].asks = 0;
        }
        ended.counts = Counts::default();
        ended.normalize();
        if rested.insert(fingerprint(&ended)) { ended.rest(case) } else { Ok(()) }
    }

    fn check_accounts(&self, case: Case<'_>) -> Result<(), Broken> {
        let (book, spent, scenario) = (&self.tables.account.book, self.truth.spent, case.scenario);
        let now = book.totals();
        let least = now.charged + now.unexplained;
        let is_open = now.is_in_flight_open || now.is_uncertain_open;
        ensure(least <= spent, Promise::Accounted, || {
            format!("{least} are charged in the book, {spent} were")
        })?;
        ensure(is_open || spent <= now.committed(), Promise::Accounted, || {
            format!("{spent} were charged, and the book has {} at most", now.committed())
        })?;
        // The first call may cost more than is left, if its price is not known.
        let excess = if scenario.is_unpriced { scenario.price - 1 } else { 0 };
        let cap = scenario.cap.map_or(u64::MAX, |cap| cap + excess);
        ensure(spent <= cap, Promise::CapHolds, || format!("{spent} were charged with a cap of {cap}"))?;
        for (day, spent) in &self.truth.days {
            ensure(*spent <= scenario.budget, Promise::CapHolds, || {
                format!("{spent} were charged on day {day} with a budget of {}", scenario.budget)
            })?;
        }
        if let Some((_, spent)) = self.truth.days.iter().max() {
            let now = book.budget(BUDGET, Period::Day);
            let is_exact = self.truth.is_joint || now.charged <= *spent;
            ensure(is_exact && *spent <= now.committed(), Promise::Accounted, || {
                format!("{spent} were charged, and the budget has {now:?}")
            })?;
        }
        Ok(())
    }

    fn check_answers(&self) -> Result<(), Broken> {
        for (question, row) in ["1\nsearch\nquery=a", "1\nsearch\nquery=b"].into_iter().enumerate() {
            let answered = self.tables.questions.get(row).and_then(|row| row.answered);
            let is_there = answered.is_some_and(|(call, ..)| self.tables.answers.contains(&call));
            ensure(is_there || !self.truth.is_stored[question], Promise::AnswerKept, || {
                format!("the answer to question {question} is lost")
            })?;
        }
        Ok(())
    }

    /// Checks what a comparison reported: no other program uses the account, and purchases are recorded.
    pub(super) fn check_comparison(&self, done: &Done) -> Result<(), Broken> {
        let Done::Compared(report) = done else { return Ok(()) };
        let is_explained = match report.outcome {
            Outcome::Unexplained(_) => false,
            Outcome::Purchased(_) => self.truth.unrecorded > 0,
            _ => true,
        };
        ensure(is_explained, Promise::Accounted, || format!("a comparison shows {:?}", report.outcome))
    }

    /// All calls have ended, as their callers or a shutdown end them, and all processes live: writes what is to be written,
    /// resolves everything, and asks again.
    fn rest(mut self, case: Case<'_>) -> Result<(), Broken> {
        for process in 0..2 {
            while !self.processes[process].unwritten.is_empty() {
                self.write_next(case, process);
            }
        }
        // A comparison that does not end holds calls back for some time.
        self.comparing = Comparing::No;
        self.pass(case, 2 * LATE, [false, false]);
        self.attempts.retain(|attempt: &Attempt| attempt.is_open);
        while self.truth.unrecorded > 0 {
            self.record_purchase(case, Commit::Done);
        }
        self.check_accounts(case)?;
        for _ in 0..2 {
            self.start_comparison(case);
            if self.comparing == Comparing::No {
                self.pass(case, LATE, [false, false]);
            }
        }
        let Comparing::Started(comparison) = self.comparing else {
            let now = self.tables.account.book.totals();
            let text = format!("all calls have ended, and no comparison can start: {now:?}");
            return Err(Broken(Promise::NothingLocked, text));
        };
        self.comparing = Comparing::Read(comparison, self.balance());
        self.finish_comparison(case)?;
        self.check_accounts(case)?;
        let calls: Vec<_> =
            self.tables.calls.values().filter(|call| !call.is_answered).map(|call| call.id).collect();
        let now = self.tables.account.book.totals();
        ensure(now.in_flight_calls == 0, Promise::NothingLocked, || format!("at rest: {now:?}"))?;
        for call in calls {
            self.resolve(case, call);
        }
        let now = self.tables.account.book.totals();
        let is_resolved = now.uncertain_attempts == 0 && now.in_flight_calls == 0;
        ensure(is_resolved, Promise::NothingLocked, || format!("all is resolved: {now:?}"))?;
        ensure((now.charged, now.unexplained) == (self.truth.spent, 0), Promise::Accounted, || {
            format!("all is resolved: {now:?}, and {} were charged", self.truth.spent)
        })?;
        self.ask_again(case)
    }

    /// Asks every question once more: it is answered or sent if it fits the limits.
    fn ask_again(self, case: Case<'_>) -> Result<(), Broken> {
        for (index, of) in case.scenario.callers.iter().enumerate() {
            let mut world = self.clone();
            let claim = world.claim(case, index, None);
            let done = world.transact(case, of.process, &claim);
            let today =
                self.truth.days.iter().find(|(day, _)| *day == self.day()).map_or(0, |(_, spent)| *spent);
            let price = case.scenario.price;
            let fits = case.scenario.cap.is_none_or(|cap| self.truth.spent + price <= cap)
                && (!of.has_budget || today + price <= case.scenario.budget);
            let is_asked = matches!(done, Done::Granted(_) | Done::Answered);
            ensure(is_asked || !fits, Promise::NothingLocked, || {
                format!("question {} cannot be asked again: {done:?}", of.question)
            })?;
        }
        Ok(())
    }
}
