//! Compares the ledger with the balance, and resolves what is uncertain.

use std::time::Duration;

use tgscan_mock::core::Outcome;
use tgscan_mock::core::account::{Comparison, Start};

use super::audit::{Audit, Checked};
use super::driver::Driver;
use super::violation::Promise;

/// A comparison that has begun, with a balance that may be old when it ends.
pub(super) struct Begun {
    comparison: Option<Comparison>,
    balance: i64,
    token: u64,
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap()
}

impl Audit {
    /// Begins a comparison if it can. `late` is how long a request can be on its way.
    pub(super) fn begin_reconcile(
        &self,
        token: u64,
        late: Duration,
        now: Duration,
    ) -> Result<Begun, &'static str> {
        let balance = self.mock.account().credits;
        match self.ledger.start_comparison(token, late, millis(now)) {
            Start::Begun(comparison) => Ok(Begun { comparison: Some(comparison), balance, token }),
            Start::Busy => {
                self.ledger.end_comparison(token);
                Err("reconciled: attempts are running")
            }
            Start::TooEarly(_) => Err("reconciled: too early"),
        }
    }

    /// Begins a comparison in the wrong order: it asks for the balance before new attempts are held back.
    pub(super) fn read_balance(&self, token: u64) -> Begun {
        Begun { comparison: None, balance: self.mock.account().credits, token }
    }

    /// Ends a comparison. What it concludes must be true.
    pub(super) fn end_reconcile(
        &mut self,
        begun: &Begun,
        now: Duration,
        driver: Driver,
    ) -> Checked<&'static str> {
        let comparison = if let Some(comparison) = begun.comparison {
            comparison
        } else {
            let start = self.ledger.start_comparison(begun.token, Duration::ZERO, millis(now));
            let Start::Begun(comparison) = start else {
                self.ledger.end_comparison(begun.token);
                return Ok("reconciled: not begun");
            };
            comparison
        };
        let before = self.ledger.book();
        let report = self.ledger.finish_comparison(comparison, begun.balance, millis(now));
        let after = self.ledger.book();
        let outcome = report.outcome;
        let is_right = match outcome {
            Outcome::Baseline => !self.has_baseline,
            Outcome::Agrees | Outcome::Resolved(_) => self.has_baseline && self.unrecorded == 0,
            // Calls that cost more than their reserve are not explained by it.
            Outcome::Unexplained(_) => {
                self.has_baseline && (!self.is_strict || self.elsewhere > 0) && self.unrecorded == 0
            }
            Outcome::Purchased(_) => {
                self.has_baseline && self.unrecorded > 0 && after.totals() == before.totals()
            }
            _ => after.totals() == before.totals(),
        };
        let is_counted = (report.uncertain, report.uncertain_attempts)
            == (after.totals().uncertain, after.totals().uncertain_attempts);
        self.check(is_right && is_counted, Promise::Reconciles, None, || {
            format!(
                "{report:?} of a balance of {}, from {:?}, with {driver:?}",
                begun.balance,
                before.totals()
            )
        })?;
        if matches!(outcome, Outcome::Agrees | Outcome::Resolved(_) | Outcome::Unexplained(_)) {
            self.unseen = 0;
        }
        self.bracket(Promise::Reconciles)?;
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

    /// Buys credits, and records it in the ledger or not.
    pub(super) fn purchase(&mut self, credits: u64, is_recorded: bool) {
        let now = self.mock.account().credits;
        self.mock.set_credits(now + i64::try_from(credits).unwrap());
        if is_recorded {
            self.ledger.record_purchase(credits);
        } else {
            self.unrecorded += credits;
        }
    }

    /// Lets another program spend credits of the account.
    pub(super) fn spend_elsewhere(&mut self, credits: u64) {
        let now = self.mock.account().credits;
        self.mock.set_credits(now - i64::try_from(credits).unwrap());
        self.elsewhere += credits;
        self.unseen += credits;
    }

    /// Records purchases that were not recorded.
    pub(super) fn record_late(&mut self) {
        self.ledger.record_purchase(std::mem::take(&mut self.unrecorded));
    }

    /// Resolves by hand what no balance resolves, at what it really cost. No state of the ledger is final.
    pub(super) fn resolve_by_hand(&mut self) -> Checked {
        let before = self.ledger.book().totals();
        let cost = self.lost().saturating_sub(before.charged + before.unexplained);
        let resolved = self.ledger.resolve_uncertain(cost);
        // The next comparison is a first one.
        (self.has_baseline, self.unseen) = (false, 0);
        let now = self.ledger.book().totals();
        let is_right = (resolved, now.uncertain_attempts) == (before.uncertain_attempts, 0);
        self.check(is_right, Promise::Reconciles, None, || {
            format!("{resolved} resolved by hand of {before:?}")
        })?;
        self.bracket(Promise::Reconciles)
    }
}
