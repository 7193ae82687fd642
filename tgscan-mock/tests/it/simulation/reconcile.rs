//! Compares what a reconciliation concludes with what it must conclude, and frees what is uncertain.

use tgscan_mock::core::ledger::{Reconcile, ReconcileOutcome};

use super::audit::{Audit, Checked};
use super::driver::Driver;
use super::violation::Promise;

/// A comparison that has begun, with a balance that may be old when it ends.
pub(super) struct Begun {
    comparison: Reconcile,
    balance: i64,
    arrivals: u64,
    activity: u64,
    conclusions: u64,
    was_busy: bool,
}

impl Audit {
    pub(super) fn begin_reconcile(&self) -> Begun {
        Begun {
            comparison: self.ledger.start_reconcile(),
            balance: self.mock.account().credits,
            arrivals: self.arrivals,
            activity: self.activity,
            conclusions: self.conclusions,
            was_busy: !self.model.in_flight.is_empty(),
        }
    }

    /// Ends a comparison. What it concludes must be what the documentation says, and nothing may change if a call or
    /// another comparison overtook it.
    pub(super) fn end_reconcile(&mut self, begun: Begun, driver: Driver) -> Checked<ReconcileOutcome> {
        let before = self.ledger.snapshot();
        let comparison = match driver {
            Driver::BelievesOldBalances => self.ledger.start_reconcile(),
            _ => begun.comparison,
        };
        let seen = comparison.finish(begun.balance);
        let is_overtaken =
            begun.was_busy || !self.model.in_flight.is_empty() || begun.activity != self.activity;
        let must = if is_overtaken {
            ReconcileOutcome::CallsInFlight
        } else if begun.conclusions != self.conclusions {
            ReconcileOutcome::Overlapped
        } else {
            if begun.arrivals == self.arrivals {
                self.explains(begun.balance)?;
            }
            self.unseen = 0;
            let (must, settled) = self.model.compare(begun.balance);
            if !matches!(must, ReconcileOutcome::Baseline | ReconcileOutcome::ToppedUp(_)) {
                self.model.show_stranded(self.read, begun.arrivals);
            }
            self.settled(&settled, begun.arrivals);
            let is_shown = !matches!(must, ReconcileOutcome::Baseline | ReconcileOutcome::ToppedUp(_));
            self.seen_until(begun.arrivals, is_shown);
            self.conclusions += 1;
            must
        };
        let is_right = seen.outcome == must
            && seen.uncertain == before.uncertain
            && seen.uncertain_left == self.ledger.snapshot().uncertain
            && (must.is_conclusive() || self.ledger.snapshot() == before);
        self.check(is_right, Promise::Reconciles, None, || {
            format!("{seen:?} of a balance of {}, which means {must:?}, from {before:?}", begun.balance)
        })?;
        self.agrees(None)?;
        Ok(must)
    }

    /// What the account lost since the last comparison is what callers were told, what uncertain attempts and late ones
    /// took, less what was bought.
    fn explains(&self, balance: i64) -> Checked {
        let Some(excess) = self.model.excess(balance) else { return Ok(()) };
        let taken = self.model.open_truth() + self.model.stranded_since(self.read) + self.late_unseen();
        let taken = i128::from(taken) - i128::from(self.unseen);
        self.check(excess == taken, Promise::Reconciles, None, || {
            format!("the account lost {excess} more than was told, and uncertain and late calls took {taken}")
        })
    }

    /// Credits are bought, and the ledger is told or not.
    pub(super) fn top_up(&mut self, credits: u64, is_told: bool) -> Checked {
        let now = self.mock.account().credits;
        self.mock.set_credits(now + i64::try_from(credits).unwrap());
        if is_told {
            self.ledger.record_top_up(credits);
            self.model.top_up(credits);
        } else {
            self.unseen += credits;
        }
        self.agrees(None)
    }

    /// What was bought without telling is explained. It settles nothing if calls cost more than was set aside for them.
    pub(super) fn explain(&mut self, credits: u64) -> Checked<bool> {
        let calls = self.ledger.settle_top_up(credits);
        let settled = self.model.explain(credits);
        self.settled(&settled, self.read);
        let is_right = calls == settled.len() as u64;
        self.check(is_right, Promise::Reconciles, None, || {
            format!("{calls} settled, not {}", settled.len())
        })?;
        self.agrees(None)?;
        Ok(calls > 0)
    }

    /// From every state a budget can be freed: what no balance settles, a person does.
    pub(super) fn free(&mut self) -> Checked {
        let truth = self.model.uncertain_truth();
        let calls = self.ledger.settle_uncertain(truth);
        let settled = self.model.settle_by_hand(truth);
        self.settled(&settled, u64::MAX);
        self.activity += 1;
        self.conclusions += 1;
        // The next comparison is the first one again.
        self.seen_until(self.arrivals, false);
        let now = self.ledger.snapshot();
        let is_free = now.uncertain_calls == 0
            && calls == settled.len() as u64
            && now.remaining() == now.cap.map(|cap| cap.saturating_sub(now.charged + now.unexplained));
        self.check(is_free, Promise::Reconciles, None, || {
            format!("{calls} settled by hand, and {now:?} is left")
        })?;
        self.agrees(None)
    }
}
