//! Compares the ledger with the service's own balance.

use super::{Ledger, LedgerSnapshot, State};

/// The last balance that the ledger was compared with, and what it said then.
#[derive(Clone, Copy)]
pub(super) struct Baseline {
    balance: i64,
    ledger: LedgerSnapshot,
}

/// What comparing the ledger with the service's balance showed; see [`Ledger::reconcile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// What the account lost since the last comparison, in credits; negative if it gained. 0 at the first one.
    pub lost: i128,
    /// What the ledger says was charged since then.
    pub charged: u64,
    /// What the ledger held as uncertain since then, before this comparison.
    pub uncertain: u64,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The first balance seen: the next one is compared with it.
    Baseline,
    /// The account lost exactly what the ledger says, and nothing was uncertain.
    Agrees,
    /// The account lost what was charged plus this many credits, within what was uncertain: those calls are now
    /// booked as charged with so much in all, and are no longer uncertain.
    Settled(u64),
    /// Paid calls are in flight, or were while the balance was fetched: nothing follows. Try again when they have ended.
    CallsInFlight,
    /// The account lost this many credits more than the ledger can explain (fewer, if negative): somebody else uses
    /// the account, credits were bought, or an uncertain call cost more than its reserve. The comparison starts anew
    /// from this balance; what was uncertain stays so.
    Differs(i128),
}

impl Reconciliation {
    /// Concludes nothing, because paid calls were in flight while the balance was fetched.
    fn inconclusive() -> Self {
        Self { lost: 0, charged: 0, uncertain: 0, verdict: Verdict::CallsInFlight }
    }
}

impl Ledger {
    /// Compares the ledger with a balance that the service reported, and settles what was uncertain if it can.
    ///
    /// It believes the balance: a call that was lost on the way and is charged only later, or spending by others on the
    /// same account, looks like the ledger's own. Leave the service some seconds after a lost call, and give each
    /// account one ledger.
    ///
    /// Exact only if no paid call was in flight when the balance was read; `Client::reconcile` sees to that. The first
    /// call only remembers the balance, so make it before spending.
    pub fn reconcile(&self, balance: i64) -> Reconciliation {
        self.lock().reconcile(balance)
    }

    /// As [`reconcile`](Self::reconcile), unless there was paid activity since `before`. Both under one lock, so that
    /// no call can begin and end between the check and the comparison.
    pub(crate) fn reconcile_since(&self, before: Activity, balance: i64) -> Reconciliation {
        let mut state = self.lock();
        // Calls that were in flight then and still are show in the comparison itself.
        if state.activity() != before {
            return Reconciliation::inconclusive();
        }
        state.reconcile(balance)
    }

    /// What there is of paid activity now.
    pub(crate) fn activity(&self) -> Activity {
        self.lock().activity()
    }
}

/// Equal at two moments with none in flight means that nothing was spent in between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Activity {
    begun: u64,
    in_flight: u64,
}

impl State {
    fn activity(&self) -> Activity {
        Activity { begun: self.begun, in_flight: self.snapshot.in_flight_calls }
    }

    fn reconcile(&mut self, balance: i64) -> Reconciliation {
        let now = self.snapshot;
        let base = self.baseline.unwrap_or(Baseline { balance, ledger: now });
        let lost = i128::from(base.balance) - i128::from(balance);
        let charged = now.charged - base.ledger.charged;
        let uncertain = now.uncertain - base.ledger.uncertain;
        let unexplained = lost - i128::from(charged);
        let verdict = if now.in_flight_calls > 0 {
            Verdict::CallsInFlight
        } else if self.baseline.is_none() {
            Verdict::Baseline
        } else if unexplained == 0 && uncertain == 0 {
            Verdict::Agrees
        } else if let Some(spent) = u64::try_from(unexplained).ok().filter(|spent| *spent <= uncertain) {
            self.snapshot.charged = now.charged.saturating_add(spent);
            self.snapshot.uncertain = base.ledger.uncertain;
            self.snapshot.uncertain_calls = base.ledger.uncertain_calls;
            Verdict::Settled(spent)
        } else {
            // Beyond both ends of what the ledger allows; say by how much.
            Verdict::Differs(if unexplained < 0 { unexplained } else { unexplained - i128::from(uncertain) })
        };
        if verdict != Verdict::CallsInFlight {
            self.baseline = Some(Baseline { balance, ledger: self.snapshot });
        }
        Reconciliation { lost, charged, uncertain, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credits;

    fn spend(ledger: &Ledger, credits: Credits) {
        ledger.reserve().unwrap().settle(credits);
    }

    #[test]
    fn settles_what_was_uncertain() {
        let ledger = Ledger::new().with_reserve(3);
        assert_eq!(ledger.reconcile(100).verdict, Verdict::Baseline);
        spend(&ledger, Credits::Charged(2));
        assert_eq!(ledger.reconcile(98).verdict, Verdict::Agrees);
        spend(&ledger, Credits::Uncertain);
        spend(&ledger, Credits::Uncertain);
        spend(&ledger, Credits::Charged(1));
        let seen = ledger.reconcile(94);
        assert_eq!((seen.lost, seen.charged, seen.uncertain), (4, 1, 6));
        assert_eq!(seen.verdict, Verdict::Settled(3));
        let now = ledger.snapshot();
        assert_eq!((now.charged, now.uncertain, now.uncertain_calls), (6, 0, 0));
        assert_eq!(ledger.reconcile(94).verdict, Verdict::Agrees);
    }

    #[test]
    fn says_what_it_cannot_explain_and_starts_anew() {
        let ledger = Ledger::new();
        ledger.reconcile(100);
        spend(&ledger, Credits::Charged(1));
        assert_eq!(ledger.reconcile(90).verdict, Verdict::Differs(9));
        assert_eq!(ledger.reconcile(90).verdict, Verdict::Agrees);
        spend(&ledger, Credits::Uncertain);
        assert_eq!(ledger.reconcile(85).verdict, Verdict::Differs(4));
        assert_eq!(ledger.snapshot().uncertain, 1, "it stays uncertain");
        assert_eq!(ledger.reconcile(585).verdict, Verdict::Differs(-500));
        spend(&ledger, Credits::Uncertain);
        assert_eq!(
            ledger.reconcile(595).verdict,
            Verdict::Differs(-10),
            "credits gained, whatever was uncertain"
        );
        assert_eq!(ledger.reconcile(i64::MIN).verdict, Verdict::Differs(595 - i128::from(i64::MIN)));
    }

    #[test]
    fn concludes_nothing_from_a_balance_that_a_call_has_overtaken() {
        let ledger = Ledger::new();
        ledger.reconcile(100);
        let before = ledger.activity();
        spend(&ledger, Credits::Charged(1));
        assert_eq!(ledger.reconcile_since(before, 100).verdict, Verdict::CallsInFlight);
        let before = ledger.activity();
        ledger.charge(1);
        assert_eq!(ledger.reconcile_since(before, 99).verdict, Verdict::CallsInFlight);
        assert_eq!(ledger.reconcile_since(ledger.activity(), 98).verdict, Verdict::Agrees);
    }

    #[test]
    fn concludes_nothing_while_calls_are_in_flight() {
        let ledger = Ledger::new();
        ledger.reconcile(100);
        let in_flight = ledger.reserve().unwrap();
        assert_eq!(ledger.reconcile(99).verdict, Verdict::CallsInFlight);
        in_flight.settle(Credits::Charged(1));
        assert_eq!(ledger.reconcile(99).verdict, Verdict::Agrees);
    }
}
