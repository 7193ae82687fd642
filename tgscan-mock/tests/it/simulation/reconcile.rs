//! Compares the ledger with the balance, and resolves uncertain calls.

use std::time::Duration;

use tgscan_mock::core::Outcome;
use tgscan_mock::core::account::{Comparison, ComparisonStart};

use super::audit::{Audit, Checked};
use super::driver::Driver;
use super::violation::Promise;

/// A started comparison, with a balance that may be outdated when it ends.
pub(super) struct PendingComparison {
    comparison: Option<Comparison>,
    balance: i64,
    token: u64,
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap()
}

impl Audit {
    /// Starts a comparison if possible. `late_charge` is the maximum transit time of a request.
    pub(super) fn begin_reconcile(
        &self,
        token: u64,
        late_charge: Duration,
        now: Duration,
    ) -> Result<PendingComparison, &'static str> {
        let balance = self.mock.account().credits;
        match self.ledger.start_comparison(token, late_charge, millis(now)) {
            ComparisonStart::Started(comparison) => {
                Ok(PendingComparison { comparison: Some(comparison), balance, token })
            }
            ComparisonStart::Busy => {
                self.ledger.end_comparison(token);
                Err("reconciled: attempts are running")
            }
            ComparisonStart::TooEarly(_) => Err("reconciled: too early"),
        }
    }

    /// Starts a comparison in the wrong order: reads the balance before new attempts are blocked.
    pub(super) fn read_balance(&self, token: u64) -> PendingComparison {
        PendingComparison { comparison: None, balance: self.mock.account().credits, token }
    }

    /// Ends a comparison, and checks its outcome.
    pub(super) fn end_reconcile(
        &mut self,
        pending: &PendingComparison,
        now: Duration,
        driver: Driver,
    ) -> Checked<&'static str> {
        let comparison = if let Some(comparison) = pending.comparison {
            comparison
        } else {
            let start = self.ledger.start_comparison(pending.token, Duration::ZERO, millis(now));
            let ComparisonStart::Started(comparison) = start else {
                self.ledger.end_comparison(pending.token);
                return Ok("reconciled: not started");
            };
            comparison
        };
        let before = self.ledger.book();
        let report = self.ledger.finish_comparison(comparison, pending.balance, millis(now));
        let after = self.ledger.book();
        let outcome = report.outcome;
        let is_correct = match outcome {
            Outcome::Baseline => !self.has_baseline,
            Outcome::Agrees | Outcome::Resolved(_) => self.has_baseline && self.unrecorded == 0,
            // A reserve does not explain the cost of calls above it.
            Outcome::Unexplained(_) => {
                self.has_baseline && (!self.is_strict || self.spent_by_others > 0) && self.unrecorded == 0
            }
            Outcome::Purchased(_) => {
                self.has_baseline && self.unrecorded > 0 && after.totals() == before.totals()
            }
            _ => after.totals() == before.totals(),
        };
        let is_counted = (report.uncertain, report.uncertain_attempts)
            == (after.totals().uncertain, after.totals().uncertain_attempts);
        self.check(is_correct && is_counted, Promise::Reconciles, None, || {
            format!(
                "{report:?} of a balance of {}, from {:?}, with {driver:?}",
                pending.balance,
                before.totals()
            )
        })?;
        if matches!(outcome, Outcome::Agrees | Outcome::Resolved(_) | Outcome::Unexplained(_)) {
            self.spent_since_comparison = 0;
        }
        self.check_bounds(Promise::Reconciles)?;
        Ok(match outcome {
            Outcome::Baseline => {
                (self.has_baseline, self.unrecorded) = (true, 0);
                "reconciled: baseline"
            }
            Outcome::Agrees => "reconciled: agrees",
            Outcome::Resolved(_) => "reconciled: resolved",
            Outcome::Purchased(_) => "reconciled: purchased",
            Outcome::Unexplained(_) => "reconciled: unexplained",
            Outcome::Overlapped => "reconciled: overlapped",
            _ => "reconciled: not compared",
        })
    }

    /// Buys credits. Records the purchase in the ledger if `is_recorded`.
    pub(super) fn purchase(&mut self, credits: u64, is_recorded: bool) {
        let now = self.mock.account().credits;
        self.mock.set_credits(now + i64::try_from(credits).unwrap());
        if is_recorded {
            self.ledger.record_purchase(credits);
        } else {
            self.unrecorded += credits;
        }
    }

    /// Spends credits as another program.
    pub(super) fn spend_by_others(&mut self, credits: u64) {
        let now = self.mock.account().credits;
        self.mock.set_credits(now - i64::try_from(credits).unwrap());
        self.spent_by_others += credits;
        self.spent_since_comparison += credits;
    }

    /// Records unrecorded purchases.
    pub(super) fn record_late(&mut self) {
        self.ledger.record_purchase(std::mem::take(&mut self.unrecorded));
    }

    /// Resolves all uncertain calls by hand, at their actual cost.
    pub(super) fn resolve_by_hand(&mut self) -> Checked {
        let before = self.ledger.book().totals();
        let cost = self.lost().saturating_sub(before.charged + before.unexplained);
        let resolved = self.ledger.resolve_uncertain(cost);
        // The next comparison sets a new baseline.
        (self.has_baseline, self.spent_since_comparison) = (false, 0);
        let now = self.ledger.book().totals();
        let is_correct = (resolved, now.uncertain_attempts) == (before.uncertain_attempts, 0);
        self.check(is_correct, Promise::Reconciles, None, || {
            format!("{resolved} resolved by hand of {before:?}")
        })?;
        self.check_bounds(Promise::Reconciles)
    }
}
