//! Compares a book with the balance of its account.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::book::{Amount, Part, clamp};
use super::{Book, BudgetKey, Entry};

/// How much two readings of a clock may differ before it is taken for wrong, in milliseconds.
pub(crate) const CLOCK_SLACK: u64 = 60_000;
/// How long a comparison may hold back new calls.
const MAX_BARRIER: Duration = Duration::from_secs(40);

/// What comparing the book with the service's balance showed; see [`Client::reconcile`](crate::Client::reconcile).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// Credits that the account lost since the last comparison; negative if it gained. 0 at the first one.
    pub lost: i128,
    /// Credits that the book has as charged since then.
    pub charged: u64,
    /// How many uncertain attempts it resolved.
    pub resolved_attempts: u64,
    /// How many are left.
    pub uncertain_attempts: u64,
    /// The most that they may have cost, in credits.
    pub uncertain: u64,
    /// What follows.
    pub outcome: Outcome,
}

/// What follows from a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// The first balance: the next one is compared with it. Calls that are uncertain already can only be resolved by
    /// hand.
    Baseline,
    /// The account lost exactly what was charged, and no uncertain call was left to resolve.
    Agrees,
    /// The uncertain calls are resolved: they cost this many credits together.
    Resolved(u64),
    /// The account lost this many credits more than charged and uncertain calls explain: another program uses the account,
    /// or a call was charged late or above its reserve. They count against the cap, and uncertain calls are resolved
    /// at their reserve.
    Unexplained(u64),
    /// The account has this many credits more than the book explains: some were bought. Nothing is resolved or remembered;
    /// record the purchase and compare again.
    Purchased(u64),
    /// Calls are in flight: nothing follows.
    CallsInFlight,
    /// The book changed while the balance was fetched: nothing follows.
    Overlapped,
    /// A call became uncertain a short time ago, and may still be charged: nothing follows.
    TooEarly,
}

impl Outcome {
    /// Returns whether the balance was compared.
    pub fn is_conclusive(self) -> bool {
        !matches!(self, Self::CallsInFlight | Self::Overlapped | Self::TooEarly)
    }
}

/// The balance that the next one is compared with, and what was charged by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) balance: i128,
    pub(super) charged: u128,
}

/// Holds back new calls and attempts, so that the calls in flight end and a balance can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Barrier {
    token: u64,
    /// In milliseconds.
    pub(super) until: u64,
}

/// A comparison that has begun: made before the balance is asked for, so that changes in between are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    token: u64,
    pub(super) revision: u64,
}

/// Whether a comparison can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Ask for the balance now.
    Begun(Comparison),
    /// Attempts are running; new ones are held back. Ask again soon.
    Busy,
    /// A call that became uncertain may still be charged for this long.
    TooEarly(Duration),
}

/// Calls that a comparison resolved together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Joint {
    /// The total cost of the calls whose individual costs are unknown.
    credits: u128,
    /// How many these are.
    calls: u64,
    /// What no call explained.
    unexplained: u128,
    budgets: Vec<JointBudget>,
}

/// A budget's charge for calls that were resolved together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct JointBudget {
    key: BudgetKey,
    calls: u64,
    /// The most that its calls can have cost, if that is known.
    reserve: Option<u128>,
    charged: u128,
}

impl Joint {
    /// Returns what the calls cost together whose own cost is not known, in credits.
    pub(crate) fn credits(&self) -> u64 {
        clamp(self.credits)
    }

    /// Returns a budget's charge: all credits may be its calls', up to their reserve.
    fn share(credits: u128, budget: &JointBudget) -> u128 {
        if budget.calls == 0 { 0 } else { credits.min(budget.reserve.unwrap_or(u128::MAX)) }
    }
}

impl Book {
    /// Begins a comparison at a time in milliseconds, if no call can still be charged that ended `late` ago, and no
    /// attempt is running. Otherwise it holds new attempts back.
    pub(crate) fn start_comparison(&mut self, token: u64, late: Duration, now: u64) -> Start {
        if std::mem::take(&mut self.has_undated) {
            self.uncertain_at = Some(now);
        }
        if self.comparable().attempts > 0 {
            let since = self.uncertain_at.unwrap_or(0);
            // A clock that was ahead must not make it wait for longer than a late charge takes.
            let since = if since > now.saturating_add(CLOCK_SLACK) { now } else { since };
            self.uncertain_at = Some(since);
            let ready_at = Duration::from_millis(since).saturating_add(late);
            if let Some(wait) =
                ready_at.checked_sub(Duration::from_millis(now)).filter(|wait| !wait.is_zero())
            {
                self.end_comparison(token);
                return Start::TooEarly(wait);
            }
        }
        let is_taken = self.barrier.is_some_and(|barrier| barrier.token != token && barrier.holds(now));
        if self.sending > 0 || is_taken {
            if !is_taken && self.barrier.is_none_or(|barrier| barrier.token != token) {
                self.set_barrier(token, now);
            }
            return Start::Busy;
        }
        self.set_barrier(token, now);
        Start::Begun(Comparison { token, revision: self.revision })
    }

    fn set_barrier(&mut self, token: u64, now: u64) {
        let until = now.saturating_add(u64::try_from(MAX_BARRIER.as_millis()).unwrap_or(u64::MAX));
        self.barrier = Some(Barrier { token, until });
    }

    /// Whether a comparison holds back new attempts.
    pub(crate) fn is_held(&self, now: u64) -> bool {
        self.barrier.is_some_and(|barrier| barrier.holds(now))
    }

    /// Ends a comparison without a balance.
    pub(crate) fn end_comparison(&mut self, token: u64) {
        self.barrier = self.barrier.filter(|barrier| barrier.token != token);
    }

    /// Compares with the balance that was asked for since the comparison began, and resolves what it can. `entries` are
    /// those that a comparison can resolve, if the caller keeps them; they get `number`. Returns what they cost together.
    pub(crate) fn finish_comparison(
        &mut self,
        comparison: Comparison,
        balance: i64,
        now: u64,
        number: u64,
        entries: &mut [&mut Entry],
    ) -> (Reconciliation, Option<Joint>) {
        let is_ours =
            self.barrier.is_some_and(|barrier| barrier.token == comparison.token && barrier.holds(now));
        self.end_comparison(comparison.token);
        if self.sending > 0 {
            return (self.inconclusive(Outcome::CallsInFlight), None);
        }
        if !is_ours || self.revision != comparison.revision {
            return (self.inconclusive(Outcome::Overlapped), None);
        }
        let balance = i128::from(balance);
        let open = self.comparable();
        let before = self.baseline.unwrap_or(Baseline { balance, charged: self.account.charged });
        let lost = before.balance - balance;
        // Negative if a person corrected what was charged before.
        let charged = signed(self.account.charged) - signed(before.charged);
        let excess = lost - charged;
        let charged = clamp(charged.max(0).unsigned_abs());
        if excess < 0 {
            let report = self.inconclusive(Outcome::Purchased(clamp(excess.unsigned_abs())));
            return (Reconciliation { lost, charged, ..report }, None);
        }
        let excess = excess.unsigned_abs();
        let (outcome, joint) = if self.baseline.is_none() {
            self.keep_before_baseline(entries);
            (Outcome::Baseline, None)
        } else {
            let explained = if open.is_open { excess } else { excess.min(open.credits) };
            let unexplained = excess - explained;
            let outcome = match (unexplained, open.attempts) {
                (0, 0) => Outcome::Agrees,
                (0, _) => Outcome::Resolved(clamp(explained)),
                _ => Outcome::Unexplained(clamp(unexplained)),
            };
            (outcome, Some(self.resolve_together(explained, unexplained, number, entries)))
        };
        self.revision += 1;
        self.baseline = Some(Baseline { balance, charged: self.account.charged });
        let report = self.inconclusive(outcome);
        let resolved_attempts = open.attempts.saturating_sub(self.comparable().attempts);
        (Reconciliation { lost, charged, resolved_attempts, ..report }, joint)
    }

    /// Records a purchase.
    pub(crate) fn purchase(&mut self, credits: u64) {
        if let Some(baseline) = &mut self.baseline {
            baseline.balance += i128::from(credits);
        }
        self.revision += 1;
    }

    /// The report of a comparison that changed nothing.
    pub(crate) fn inconclusive(&self, outcome: Outcome) -> Reconciliation {
        let now = self.totals();
        Reconciliation {
            lost: 0,
            charged: 0,
            resolved_attempts: 0,
            uncertain_attempts: now.uncertain_attempts,
            uncertain: now.uncertain,
            outcome,
        }
    }

    /// Returns the attempts that a comparison can resolve.
    fn comparable(&self) -> Amount {
        self.amount(&self.account, |calls| calls.uncertain.saturating_sub(calls.before_baseline))
    }

    /// Keeps uncertain calls from being resolved by a later balance: the first one may have lost their cost already.
    fn keep_before_baseline(&mut self, entries: &mut [&mut Entry]) {
        for calls in &mut self.account.exposures {
            calls.before_baseline = calls.uncertain;
        }
        for calls in self.budgets.iter_mut().flat_map(|(_, part)| &mut part.exposures) {
            calls.before_baseline = calls.uncertain;
        }
        for entry in entries {
            entry.is_before_baseline = true;
        }
    }

    /// Books what uncertain calls cost together.
    fn resolve_together(
        &mut self,
        credits: u128,
        unexplained: u128,
        number: u64,
        entries: &mut [&mut Entry],
    ) -> Joint {
        self.account.charged += credits;
        self.unexplained += unexplained;
        let mut joint = Joint { credits, calls: entries.len() as u64, unexplained, budgets: Vec::new() };
        for index in 0..self.budgets.len() {
            let (key, part) = &self.budgets[index];
            let open = self.amount(part, |calls| calls.uncertain.saturating_sub(calls.before_baseline));
            if open.attempts == 0 {
                continue;
            }
            let calls = entries.iter().filter(|entry| entry.budgets.contains(key)).count() as u64;
            let reserve = (!open.is_open).then_some(open.credits);
            let mut budget = JointBudget { key: key.clone(), calls: calls.max(1), reserve, charged: 0 };
            budget.charged = Joint::share(credits, &budget);
            self.budgets[index].1.charged += budget.charged;
            budget.calls = calls;
            joint.budgets.push(budget);
        }
        self.account.resolve();
        self.budgets.iter_mut().for_each(|(_, part)| part.resolve());
        let is_shared = entries.len() > 1 && credits > 0;
        for entry in entries.iter_mut() {
            (entry.uncertain, entry.comparison, entry.is_shared) = (0, Some(number), is_shared);
        }
        if let (false, [only]) = (is_shared, &mut *entries) {
            // Its budgets have it already.
            (only.charged, joint.credits) = (only.charged.saturating_add(clamp(credits)), 0);
        }
        joint
    }

    /// Resolves all uncertain attempts by hand: they cost `credits` together. Returns how many. The next comparison is a
    /// first one, because it is not known which of these credits the last balance had lost.
    pub(crate) fn resolve_all(&mut self, credits: u64) -> u64 {
        let attempts = self.amount(&self.account, |calls| calls.uncertain).attempts;
        for part in std::iter::once(&mut self.account).chain(self.budgets.iter_mut().map(|(_, part)| part)) {
            part.exposures.iter_mut().for_each(|calls| calls.before_baseline = 0);
        }
        self.resolve_together(credits.into(), 0, 0, &mut []);
        self.baseline = None;
        self.revision += 1;
        attempts
    }

    /// Books what a call really cost that a comparison resolved.
    pub(super) fn revise(&mut self, entry: &mut Entry, credits: u64, joint: &mut Joint) {
        let (is, own) = (u128::from(credits), u128::from(entry.charged));
        let mut was = own;
        if entry.is_shared {
            let share = is.saturating_sub(own).min(joint.credits);
            (joint.calls, joint.credits) = (joint.calls.saturating_sub(1), joint.credits - share);
            was += share;
        }
        // What no call explained is explained by this one now.
        let explained = is.saturating_sub(was).min(joint.unexplained);
        self.move_to_unexplained(joint, 0, explained);
        self.account.charged += is.saturating_sub(was) - explained;
        self.move_to_unexplained(joint, was.saturating_sub(is), 0);
        for key in &entry.budgets {
            let part = self.part(key);
            part.charged = (part.charged + is).saturating_sub(own);
        }
        if entry.is_shared {
            if joint.calls == 0 {
                let rest = std::mem::take(&mut joint.credits);
                self.move_to_unexplained(joint, rest, 0);
            }
            self.share_again(entry, joint);
        }
        (entry.charged, entry.is_shared) = (credits, false);
        self.revision += 1;
    }

    /// Moves credits that the last balance had lost from charged to unexplained, and back.
    fn move_to_unexplained(&mut self, joint: &mut Joint, there: u128, back: u128) {
        let change =
            |amount: &mut u128, plus: u128, minus: u128| *amount = (*amount + plus).saturating_sub(minus);
        change(&mut self.account.charged, back, there);
        change(&mut self.unexplained, there, back);
        change(&mut joint.unexplained, there, back);
        if let Some(baseline) = &mut self.baseline {
            change(&mut baseline.charged, back, there);
        }
    }

    /// Charges budgets for calls that were resolved together, once the cost of one of them is known.
    fn share_again(&mut self, known: &Entry, joint: &mut Joint) {
        let method = self.method(known.method.clone());
        let reserved = u128::from(self.reserved(method, known.reserve).unwrap_or(1));
        for budget in &mut joint.budgets {
            if known.budgets.contains(&budget.key) {
                budget.calls = budget.calls.saturating_sub(1);
                budget.reserve = budget.reserve.map(|reserve| reserve.saturating_sub(reserved));
            }
            let charged = Joint::share(joint.credits, budget);
            let part = self.part(&budget.key);
            part.charged = (part.charged + charged).saturating_sub(budget.charged);
            budget.charged = charged;
        }
    }
}

/// An amount as one that can be negative.
fn signed(amount: u128) -> i128 {
    i128::try_from(amount).unwrap_or(i128::MAX)
}

impl Part {
    /// Ends the attempts that a comparison resolved.
    fn resolve(&mut self) {
        self.exposures.iter_mut().for_each(|calls| calls.uncertain = calls.before_baseline);
        self.exposures.retain(|calls| (calls.in_flight, calls.uncertain) != (0, 0));
    }
}

impl Barrier {
    /// Whether it holds attempts back. One that lasts too long was set by a clock that was ahead.
    fn holds(&self, now: u64) -> bool {
        let left = self.until.saturating_sub(now);
        left > 0 && Duration::from_millis(left) <= MAX_BARRIER
    }
}
