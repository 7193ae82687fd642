//! Compares what [`Ledger::reconcile`](tgscan_mock::core::Ledger::reconcile) concludes with what the account knows.

use tgscan_mock::core::Verdict;

use super::audit::{Audit, Checked};
use super::violation::Promise;

impl Audit {
    /// Compares with the balance while calls are in flight, which must conclude and change nothing.
    pub(super) fn reconcile_in_flight(&self) -> Checked {
        let before = self.ledger.snapshot();
        let verdict = self.ledger.reconcile(self.mock.account().credits).verdict;
        let is_right = verdict == Verdict::CallsInFlight && self.ledger.snapshot() == before;
        self.check(is_right, Promise::Reconciles, None, || format!("{verdict:?} in flight, after {before:?}"))
    }

    /// Compares with the balance when no call and no request is left.
    pub(super) fn reconcile_at_rest(&mut self) -> Checked<Verdict> {
        let (before, account) = (self.ledger.snapshot(), self.mock.account());
        let seen = self.ledger.reconcile(account.credits);
        let after = self.ledger.snapshot();
        let is_right = match &self.compared {
            None => seen.verdict == Verdict::Baseline && after == before,
            Some((account_then, ledger_then)) => {
                let bought = i128::from(account.granted) - i128::from(account_then.granted);
                let lost = i128::from(account.spent - account_then.spent) - bought;
                let unexplained = lost - i128::from(before.charged - ledger_then.charged);
                match seen.verdict {
                    Verdict::Agrees => unexplained == 0 && self.uncertain.is_empty() && after == before,
                    Verdict::Settled(spent) => {
                        i128::from(spent) == unexplained
                            && !self.uncertain.is_empty()
                            && after.charged == before.charged + spent
                            && after.uncertain == ledger_then.uncertain
                            && after.uncertain_calls == ledger_then.uncertain_calls
                    }
                    // Credits were bought, or uncertain calls cost more than their reserve: nothing else is possible.
                    Verdict::Differs(by) if by < 0 => by == unexplained && by >= -bought,
                    Verdict::Differs(by) => {
                        let uncertain = i128::from(before.uncertain - ledger_then.uncertain);
                        by > 0 && by == unexplained - uncertain && by <= self.beyond_uncertain()
                    }
                    _ => false,
                }
            }
        };
        self.check(is_right, Promise::Reconciles, None, || {
            format!(
                "{seen:?} of {account:?}, from {before:?} to {after:?}, last compared {:?}",
                self.compared
            )
        })?;
        let uncertain = std::mem::take(&mut self.uncertain);
        if let Verdict::Settled(_) = seen.verdict {
            for (call, number) in uncertain {
                self.learned(call, number);
            }
        }
        self.compared = Some((account, after));
        Ok(seen.verdict)
    }

    /// What attempts that ended uncertain since the last comparison took beyond their reserves.
    fn beyond_uncertain(&self) -> i128 {
        let beyond = |(call, number): &(usize, usize)| self.calls[*call].attempts[*number].beyond();
        self.uncertain.iter().map(beyond).map(i128::from).sum()
    }
}
