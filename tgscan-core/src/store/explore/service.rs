//! The service, which charges attempts, and what a person knows who sees all of it.

use super::Case;
use super::promises::{Broken, Promise};
use super::tables::Tables;
use super::world::World;
use crate::store::{CallId, CallState};

/// An attempt that the service may have received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Attempt {
    pub(super) call: CallId,
    pub(super) question: usize,
    pub(super) begun: u64,
    pub(super) is_charged: bool,
    /// Whether it may still be charged.
    pub(super) is_open: bool,
    /// Who waits for its response.
    pub(super) caller: Option<usize>,
    /// The day on which its call was claimed, if it has a budget.
    pub(super) day: Option<u64>,
}

/// What really happened, which no rule knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Truth {
    /// What the account lost.
    pub(super) spent: u64,
    /// How often each question was paid for, and may have been.
    pub(super) paid: [u64; 2],
    pub(super) allowed: [u64; 2],
    /// What each call cost.
    pub(super) calls: Vec<(CallId, u64)>,
    /// What the calls with a budget cost that were claimed on a day.
    pub(super) days: Vec<(u64, u64)>,
    /// Whether a caller was told that the answer is stored.
    pub(super) is_stored: [bool; 2],
    pub(super) bought: u64,
    /// Bought, and not recorded.
    pub(super) unrecorded: u64,
    /// Whether the balance that a comparison has read includes it.
    pub(super) unrecorded_is_seen: bool,
    /// Whether a comparison has resolved several calls together, so that budgets are charged for each other's.
    pub(super) is_joint: bool,
}

impl Truth {
    pub(super) fn record_purchases(&mut self) {
        (self.unrecorded, self.unrecorded_is_seen) = (0, false);
    }
}

impl World {
    /// A question may be paid for once more.
    pub(super) fn allow_again(&mut self, question: usize) {
        let may_be_paid =
            |attempt: &&Attempt| attempt.question == question && attempt.is_open && !attempt.is_charged;
        let open = self.attempts.iter().filter(may_be_paid).count() as u64;
        self.truth.allowed[question] = self.truth.paid[question] + open + 1;
    }

    /// Allows questions again whose calls were resolved since.
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

    /// The service charges an attempt.
    pub(super) fn charge(&mut self, case: Case<'_>, at: usize) -> Result<(), Broken> {
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
            let text = format!("question {question} was paid for {paid} times, and allowed {allowed} times");
            return Err(Broken(Promise::PaidOnce, text));
        }
        Ok(())
    }
}
