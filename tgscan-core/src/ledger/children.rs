//! Ledgers that are parts of another one, e.g. of tenants who share an account.

use std::sync::{Arc, Weak};

use super::state::State;
use super::{Ledger, Reserve, Shared};

/// The children of a ledger, and what was settled of their calls that they do not know of yet.
#[derive(Default)]
pub(super) struct Children {
    ledgers: Vec<Weak<Shared>>,
    calls: u64,
    /// What they cost in all; `None` if that is not known.
    spent: Option<u64>,
}

impl Ledger {
    /// Creates a ledger without a cap for a part of this one, e.g. for a tenant: each call counts in both, and both caps
    /// hold. A price that one of them learns is the price in all.
    ///
    /// Comparing with the balance, and what is said of purchases, goes to the account's ledger, which has no parent. Once
    /// nothing is uncertain there any more, the calls of its children are settled with it: as free, if they cost nothing;
    /// else with what they cost, if they are all of one child. How several children share a cost no balance can tell:
    /// settle each with [`settle_uncertain`](Self::settle_uncertain).
    ///
    /// ```
    /// use tgscan_core::{Ledger, Reserve};
    ///
    /// let account = Ledger::with_cap(1000, Reserve::PerCall(5));
    /// let tenant = account.child_with_cap(100, Reserve::PerCall(5));
    /// assert_eq!(tenant.snapshot().cap, Some(100));
    /// // client.clone().with_ledger(tenant)
    /// ```
    #[must_use]
    pub fn child(&self) -> Self {
        self.create_child(None, Reserve::OneAtATime)
    }

    /// As [`child`](Self::child), with a cap of its own; see [`with_cap`](Self::with_cap).
    #[must_use]
    pub fn child_with_cap(&self, credits: u64, reserve: Reserve) -> Self {
        self.create_child(Some(credits), reserve)
    }

    fn create_child(&self, cap: Option<u64>, reserve: Reserve) -> Self {
        let child = Self::create(cap, reserve, Some(self.clone()));
        let children = &mut self.lock().children.ledgers;
        children.retain(|child| child.strong_count() > 0);
        children.push(Arc::downgrade(&child.shared));
        child
    }
}

impl Children {
    /// Remembers that so many calls were settled, which cost so much in all.
    pub(super) fn settled(&mut self, calls: u64, spent: Option<u64>) {
        let before = if self.calls == 0 { Some(0) } else { self.spent };
        self.spent = before.zip(spent).map(|(before, spent)| before.saturating_add(spent));
        self.calls += calls;
    }

    /// Those that have uncertain calls.
    fn uncertain(&self) -> Vec<Arc<Shared>> {
        let children = self.ledgers.iter().filter_map(Weak::upgrade);
        children.filter(|child| child.lock().uncertain_calls() > 0).collect()
    }

    /// Forgets what was settled, if no child waits for it any more.
    pub(super) fn forget_settled(&mut self) {
        if self.uncertain().is_empty() {
            self.calls = 0;
        }
    }
}

impl State {
    /// Settles what children have as uncertain, once nothing is here any more.
    pub(super) fn settle_children(&mut self) {
        if self.in_flight_calls() > 0 || self.uncertain_calls() > 0 || self.children.calls == 0 {
            return;
        }
        let uncertain = self.children.uncertain();
        let calls = self.children.calls;
        let is_of_one = matches!(&uncertain[..], [child] if child.lock().uncertain_calls() == calls);
        let spent = match self.children.spent {
            Some(spent) if spent == 0 || is_of_one || uncertain.is_empty() => spent,
            // Remembered, so that a later comparison does not take these calls for free ones.
            _ => return,
        };
        self.children.calls = 0;
        for child in uncertain {
            let mut state = child.lock();
            state.settle_by_hand(spent);
            state.settle_children();
            // Woken when the lock of the whole line is free.
            self.waiting.append(&mut state.waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credits;
    use crate::ledger::ReconcileOutcome;

    const METHOD: &str = "search";

    fn spend(ledger: &Ledger, credits: Credits) {
        ledger.reserve(METHOD).unwrap().settle(credits);
    }

    #[test]
    fn caps_of_child_and_parent_hold() {
        let account = Ledger::with_cap(5, Reserve::PerCall(1));
        let (one, other) = (account.child_with_cap(3, Reserve::PerCall(1)), account.child());
        for _ in 0..3 {
            spend(&one, Credits::Charged(1));
        }
        assert_eq!(one.reserve(METHOD).err().unwrap().ledger.cap, Some(3));
        spend(&other, Credits::Charged(2));
        assert_eq!(other.reserve(METHOD).err().unwrap().ledger.cap, Some(5));
        let charged = |ledger: &Ledger| ledger.snapshot().charged;
        assert_eq!((charged(&account), charged(&one), charged(&other)), (5, 3, 2));
        let now = other.snapshot();
        assert_eq!((now.in_flight_calls, now.uncertain_calls, now.not_charged_calls), (0, 0, 0));
    }

    #[test]
    fn child_knows_the_price_that_its_siblings_paid() {
        let account = Ledger::with_cap(100, Reserve::OneAtATime);
        let (one, other) = (account.child(), account.child_with_cap(10, Reserve::OneAtATime));
        spend(&one, Credits::Charged(4));
        let held = [other.reserve(METHOD).unwrap(), other.reserve(METHOD).unwrap()];
        assert!(other.reserve(METHOD).is_err(), "4 + 4 + 4 passes 10");
        drop(held);
    }

    #[test]
    fn balance_settles_children_with_their_account() {
        let account = Ledger::with_cap(100, Reserve::PerCall(3));
        let (one, other) = (account.child(), account.child());
        let reconcile = |balance| one.start_reconcile().finish(balance).outcome;
        assert_eq!(reconcile(100), ReconcileOutcome::Baseline);
        let uncertain = |ledger: &Ledger| ledger.snapshot().uncertain_calls;

        spend(&one, Credits::Uncertain);
        spend(&other, Credits::Uncertain);
        assert_eq!(reconcile(100), ReconcileOutcome::Settled(0));
        assert_eq!((uncertain(&account), uncertain(&one), uncertain(&other)), (0, 0, 0));

        spend(&other, Credits::Uncertain);
        assert_eq!(reconcile(98), ReconcileOutcome::Settled(2));
        assert_eq!((uncertain(&other), other.snapshot().charged, one.snapshot().charged), (0, 2, 0));

        // Whose these two were, no balance can tell.
        spend(&one, Credits::Uncertain);
        spend(&other, Credits::Uncertain);
        assert_eq!(reconcile(96), ReconcileOutcome::Settled(2));
        assert_eq!((uncertain(&account), uncertain(&one), uncertain(&other)), (0, 1, 1));
        assert_eq!((one.settle_uncertain(2), other.settle_uncertain(0)), (1, 1));
        assert_eq!((account.snapshot().charged, one.snapshot().charged), (4, 2));
        assert_eq!(reconcile(96), ReconcileOutcome::Agrees);
        spend(&one, Credits::Uncertain);
        assert_eq!(reconcile(93), ReconcileOutcome::Settled(3));
        assert_eq!((uncertain(&one), one.snapshot().charged), (0, 5), "the earlier ones are settled");
    }

    #[test]
    fn cost_that_no_child_was_charged_is_not_taken_for_free_later() {
        let account = Ledger::with_cap(100, Reserve::PerCall(3));
        let (one, other) = (account.child(), account.child());
        let reconcile = |balance| account.start_reconcile().finish(balance).outcome;
        let uncertain = || (one.snapshot().uncertain_calls, other.snapshot().uncertain_calls);
        reconcile(100);
        // Whose these two were is not known; and of the next ones not even whether they were somebody else's.
        for (balance, outcome) in [(98, ReconcileOutcome::Settled(2)), (50, ReconcileOutcome::Differs(42))] {
            spend(&one, Credits::Uncertain);
            spend(&other, Credits::Uncertain);
            assert_eq!(reconcile(balance), outcome);
            let before = uncertain();
            spend(&one, Credits::Uncertain);
            assert_eq!(reconcile(balance), ReconcileOutcome::Settled(0));
            assert_eq!(uncertain(), (before.0 + 1, before.1));
        }
        assert_eq!((one.settle_uncertain(4), other.settle_uncertain(1)), (4, 2));
    }

    #[test]
    fn free_method_that_charges_counts_in_the_whole_line() {
        let account = Ledger::new();
        let child = account.child().child();
        child.charge("user_check", 1);
        child.uncertain("user_check");
        assert!(account.child().has_charged("user_check"));
        assert_eq!((account.snapshot().charged, account.snapshot().uncertain_calls), (1, 1));
    }
}
