//! The service, and its actual charges.

use super::Case;
use super::promises::{BrokenPromise, Promise};
use super::state::Attempt;
use super::tables::Tables;
use super::world::World;
use crate::store::CallState;

impl World {
    /// Allows another payment for a question.
    pub(super) fn allow_again(&mut self, question: usize) {
        let may_be_paid =
            |attempt: &&Attempt| attempt.question == question && attempt.is_open && !attempt.is_charged;
        let open = self.attempts.iter().filter(may_be_paid).count() as u64;
        self.truth.allowed[question] = self.truth.paid[question] + open + 1;
    }

    /// Allows another payment for questions whose calls were resolved since `before`.
    pub(super) fn allow_resolved(&mut self, before: &Tables) {
        let mut resolved = Vec::new();
        for call in self.tables.calls.values().filter(|call| call.state() == CallState::Resolved) {
            let was_resolved =
                before.calls.get(&call.id).is_some_and(|call| call.state() == CallState::Resolved);
            if !was_resolved {
                resolved.extend(call.question.as_ref().map(|asked| usize::from(asked.form == "query=b")));
            }
        }
        for question in resolved {
            self.allow_again(question);
        }
    }

    /// Charges an attempt.
    pub(super) fn charge(&mut self, case: Case<'_>, at: usize) -> Result<(), BrokenPromise> {
        let price = case.scenario.price;
        let attempt = &mut self.attempts[at];
        attempt.is_charged = true;
        let (question, call, day) = (attempt.question, attempt.call, attempt.day);
        self.truth.spent += price;
        self.truth.paid[question] += 1;
        if let Some((_, cost)) = self.truth.calls.iter_mut().find(|(known, _)| *known == call) {
            *cost += price;
        }
        if let Some((_, spent)) = self.truth.days.iter_mut().find(|(known, _)| Some(*known) == day) {
            *spent += price;
        }
        let (paid, allowed) = (self.truth.paid[question], self.truth.allowed[question]);
        if paid > allowed {
            let text =
                format!("question {question} was paid for {paid} times, but only {allowed} are allowed");
            return Err(BrokenPromise(Promise::PaidOnce, text));
        }
        Ok(())
    }
}
