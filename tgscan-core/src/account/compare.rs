//! Compares a book with the balance of its account.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::amount::clamp;
use super::barrier::{Barrier, MAX_BARRIER};
use super::book::{Amount, Baseline, Tally};
use super::joint::{BudgetShare, JointResolution};
use super::{Book, Entry};

/// The maximum difference between two readings of a correct clock, in milliseconds.
pub(crate) const CLOCK_SLACK: u64 = 60_000;

/// The result of comparing the book with the balance; see [`Client::reconcile`](crate::Client::reconcile).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// The credits that the account lost since the baseline; negative if it gained credits, 0 if there was no baseline
    /// or the comparison is inconclusive.
    pub lost: i128,
    /// The credits that the book recorded as charged since then.
    pub charged: u64,
    /// The number of uncertain attempts that this comparison resolved.
    pub resolved_attempts: u64,
    /// The number of attempts that are still uncertain.
    pub uncertain_attempts: u64,
    /// The maximum cost of these attempts, in credits. An attempt of unknown price counts as 1.
    pub uncertain: u64,
    /// The conclusion.
    pub outcome: Outcome,
}

/// The conclusion of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// The balance is recorded as the baseline of later comparisons. Earlier uncertain calls can only be resolved by hand.
    Baseline,
    /// The account lost exactly the charged credits, and there was no uncertain call that a comparison can resolve.
    Agrees,
    /// The uncertain calls are resolved at this total cost, in credits.
    Resolved(u64),
    /// The account lost this number of credits more than charged and uncertain calls explain: another program uses the
    /// account, or a call was charged late or above its reserve. These credits count against the cap. Uncertain calls are
    /// resolved at the amount of their reserves.
    Unexplained(u64),
    /// The account has this number of credits more than the book explains, probably because of an unrecorded purchase.
    /// The book is unchanged; record the purchase and compare again.
    Purchased(u64),
    /// Inconclusive: calls are in flight.
    CallsInFlight,
    /// Inconclusive: the book changed while the balance was requested.
    Overlapped,
    /// Inconclusive: a recent uncertain call may still be charged.
    TooEarly,
}

impl Outcome {
    /// Returns whether the book was compared with the balance. If not, compare again later.
    pub fn is_conclusive(self) -> bool {
        !matches!(self, Self::CallsInFlight | Self::Overlapped | Self::TooEarly)
    }
}

/// A started comparison. Records the state of the book before the balance is requested, to detect later changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    token: u64,
    pub(super) revision: u64,
}

/// The result of starting a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonStart {
    /// The comparison has started. Request the balance now.
    Started(Comparison),
    /// Attempts or another comparison are running, and new attempts are blocked. Try again soon.
    Busy,
    /// An uncertain call may still be charged. Try again after this duration.
    TooEarly(Duration),
}

impl Book {
    /// Starts a comparison at the time `now` in milliseconds, unless an attempt is running or an uncertain call ended less
    /// than `window` ago. Blocks new attempts while attempts are running and until the comparison ends.
    pub(crate) fn start_comparison(&mut self, token: u64, window: Duration, now: u64) -> ComparisonStart {
        if std::mem::take(&mut self.has_undated) {
            self.uncertain_at = Some(now);
        }
        if self.comparable().attempts > 0 {
            let since = self.uncertain_at.unwrap_or(0);
            // If the clock was ahead, wait no longer than for a late charge.
            let since = if since > now.saturating_add(CLOCK_SLACK) { now } else { since };
            self.uncertain_at = Some(since);
            let ready_at = Duration::from_millis(since).saturating_add(window);
            if let Some(wait) =
                ready_at.checked_sub(Duration::from_millis(now)).filter(|wait| !wait.is_zero())
            {
                self.end_comparison(token);
                return ComparisonStart::TooEarly(wait);
            }
        }
        let is_busy = self.barrier.is_some_and(|barrier| barrier.token != token && barrier.is_active(now));
        if self.sending > 0 || is_busy {
            if !is_busy && self.barrier.is_none_or(|barrier| barrier.token != token) {
                self.set_barrier(token, now);
            }
            return ComparisonStart::Busy;
        }
        self.set_barrier(token, now);
        ComparisonStart::Started(Comparison { token, revision: self.revision })
    }

    fn set_barrier(&mut self, token: u64, now: u64) {
        let until = now.saturating_add(u64::try_from(MAX_BARRIER.as_millis()).unwrap_or(u64::MAX));
        self.barrier = Some(Barrier { token, until });
    }

    /// Returns whether a comparison blocks new attempts.
    pub(crate) fn blocks_attempts(&self, now: u64) -> bool {
        self.barrier.is_some_and(|barrier| barrier.is_active(now))
    }

    /// Ends a comparison without a balance.
    pub(crate) fn end_comparison(&mut self, token: u64) {
        self.barrier = self.barrier.filter(|barrier| barrier.token != token);
    }

    /// Compares with a balance that was requested after the comparison started, and resolves uncertain calls. `entries` are
    /// the comparable entries, if the caller keeps entries; resolved ones record `number`.
    pub(crate) fn finish_comparison(
        &mut self,
        comparison: Comparison,
        balance: i64,
        now: u64,
        number: u64,
        entries: &mut [&mut Entry],
    ) -> (Reconciliation, Option<JointResolution>) {
        let is_ours =
            self.barrier.is_some_and(|barrier| barrier.token == comparison.token && barrier.is_active(now));
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
        // Negative if charges were corrected by hand.
        let signed = |amount| i128::try_from(amount).unwrap_or(i128::MAX);
        let charged = signed(self.account.charged) - signed(before.charged);
        let excess = lost - charged;
        let charged = clamp(charged.max(0).unsigned_abs());
        if excess < 0 {
            let report = self.inconclusive(Outcome::Purchased(clamp(excess.unsigned_abs())));
            return (Reconciliation { lost, charged, ..report }, None);
        }
        let excess = excess.unsigned_abs();
        let (outcome, joint) = if self.baseline.is_none() {
            self.mark_before_baseline(entries);
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
        let first = self.compared.filter(|_| joint.is_some()).map_or(now, |(first, _)| first);
        self.compared = Some((first, now));
        let report = self.inconclusive(outcome);
        let resolved_attempts = if joint.is_some() { open.attempts } else { 0 };
        (Reconciliation { lost, charged, resolved_attempts, ..report }, joint)
    }

    /// Records a purchase.
    pub(crate) fn purchase(&mut self, credits: u64) {
        if let Some(baseline) = &mut self.baseline {
            baseline.balance += i128::from(credits);
        }
        self.revision += 1;
    }

    /// Returns the report of a comparison that changed nothing.
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

    /// Excludes uncertain calls from later comparisons, because the first balance may already reflect their cost.
    fn mark_before_baseline(&mut self, entries: &mut [&mut Entry]) {
        for calls in &mut self.account.exposures {
            calls.before_baseline = calls.uncertain;
        }
        for calls in self.budgets.iter_mut().flat_map(|(_, tally)| &mut tally.exposures) {
            calls.before_baseline = calls.uncertain;
        }
        for entry in entries {
            entry.is_before_baseline = true;
        }
    }

    /// Resolves the comparable calls at a total cost of `credits`.
    fn resolve_together(
        &mut self,
        credits: u128,
        unexplained: u128,
        number: u64,
        entries: &mut [&mut Entry],
    ) -> JointResolution {
        self.account.charged += credits;
        self.unexplained += unexplained;
        // The entries of a ledger are not known, and those of a store may be damaged.
        let count = |entries: &mut dyn Iterator<Item = &&mut Entry>, attempts: u64| {
            let (calls, known) =
                entries.fold((0, 0), |(calls, known), entry| (calls + 1, known + u64::from(entry.uncertain)));
            calls + u64::from(known < attempts)
        };
        let calls = count(&mut entries.iter(), self.comparable().attempts);
        let mut joint = JointResolution { credits, calls, unexplained, budgets: Vec::new() };
        for index in 0..self.budgets.len() {
            let (key, tally) = &self.budgets[index];
            let open = self.amount(tally, |calls| calls.uncertain.saturating_sub(calls.before_baseline));
            if open.attempts == 0 {
                continue;
            }
            let mine = &mut entries.iter().filter(|entry| entry.budgets.contains(key));
            let calls = count(mine, open.attempts);
            let reserve = (!open.is_open).then_some(open.credits);
            let mut budget = BudgetShare { key: key.clone(), calls, reserve, charged: 0 };
            budget.charged = JointResolution::budget_charge(credits, &budget);
            self.budgets[index].1.charged += budget.charged;
            joint.budgets.push(budget);
        }
        self.account.resolve();
        self.budgets.iter_mut().for_each(|(_, tally)| tally.resolve());
        joint.budgets.iter().for_each(|share| self.remove_ended_periods(&share.key));
        let is_shared = calls > 1 && credits > 0;
        for entry in entries.iter_mut() {
            (entry.uncertain, entry.comparison, entry.is_shared) = (0, Some(number), is_shared);
        }
        if let (false, [only]) = (is_shared, &mut *entries) {
            // Its budgets are already charged.
            (only.charged, joint.credits) = (only.charged.saturating_add(clamp(credits)), 0);
        }
        joint
    }

    /// Resolves all uncertain attempts by hand, at a total cost of `credits`. Returns their number. Discards the baseline,
    /// because it is unknown which of these credits it reflects.
    pub(crate) fn resolve_all(&mut self, credits: u64) -> u64 {
        let attempts = self.amount(&self.account, |calls| calls.uncertain).attempts;
        for tally in std::iter::once(&mut self.account).chain(self.budgets.iter_mut().map(|(_, tally)| tally))
        {
            tally.exposures.iter_mut().for_each(|calls| calls.before_baseline = 0);
        }
        self.resolve_together(credits.into(), 0, 0, &mut []);
        self.baseline = None;
        self.revision += 1;
        attempts
    }

    /// Replaces the cost of a call that a comparison resolved.
    pub(super) fn revise(&mut self, entry: &mut Entry, credits: u64, joint: &mut JointResolution) {
        let (is, own) = (u128::from(credits), u128::from(entry.charged));
        let mut was = own;
        if entry.is_shared {
            let share = is.saturating_sub(own).min(joint.credits);
            (joint.calls, joint.credits) = (joint.calls.saturating_sub(1), joint.credits - share);
            was += share;
        }
        // This call now explains credits that no call explained.
        let explained = is.saturating_sub(was).min(joint.unexplained);
        self.transfer_unexplained(joint, 0, explained);
        self.account.charged += is.saturating_sub(was) - explained;
        self.transfer_unexplained(joint, was.saturating_sub(is), 0);
        for key in &entry.budgets {
            let tally = self.tally(key);
            tally.charged = (tally.charged + is).saturating_sub(own);
        }
        if entry.is_shared {
            if joint.calls == 0 {
                let rest = std::mem::take(&mut joint.credits);
                self.transfer_unexplained(joint, rest, 0);
            }
            self.update_budget_shares(entry, joint);
        }
        (entry.charged, entry.is_shared) = (credits, false);
        self.revision += 1;
    }

    /// Moves credits that the baseline reflects from charged to unexplained, and the reverse.
    fn transfer_unexplained(&mut self, joint: &mut JointResolution, to_unexplained: u128, to_charged: u128) {
        let change =
            |amount: &mut u128, plus: u128, minus: u128| *amount = (*amount + plus).saturating_sub(minus);
        change(&mut self.account.charged, to_charged, to_unexplained);
        change(&mut self.unexplained, to_unexplained, to_charged);
        change(&mut joint.unexplained, to_unexplained, to_charged);
        if let Some(baseline) = &mut self.baseline {
            change(&mut baseline.charged, to_charged, to_unexplained);
        }
    }

    /// Recalculates the charges of budgets for calls that were resolved together, when the cost of one becomes known.
    fn update_budget_shares(&mut self, known: &Entry, joint: &mut JointResolution) {
        let method = self.method(known);
        let reserved = u128::from(self.reserved(method, known.reserve).unwrap_or(1));
        for budget in &mut joint.budgets {
            if known.budgets.contains(&budget.key) {
                budget.calls = budget.calls.saturating_sub(1);
                budget.reserve = budget.reserve.map(|reserve| reserve.saturating_sub(reserved));
            }
            let charged = JointResolution::budget_charge(joint.credits, budget);
            let tally = self.tally(&budget.key);
            tally.charged = (tally.charged + charged).saturating_sub(budget.charged);
            budget.charged = charged;
        }
    }
}

impl Tally {
    /// Removes the attempts that a comparison resolved.
    fn resolve(&mut self) {
        self.exposures.iter_mut().for_each(|calls| calls.uncertain = calls.before_baseline);
        self.exposures.retain(|calls| (calls.in_flight, calls.uncertain) != (0, 0));
    }
}
