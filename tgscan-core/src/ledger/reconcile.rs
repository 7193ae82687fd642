//! Compares the ledger with the service's own balance.

use super::Ledger;
use super::state::State;

/// What comparing the ledger with the service's balance showed; see [`Client::reconcile`](crate::Client::reconcile).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// What the account lost since the last comparison, in credits; negative if it gained. 0 at the first one.
    pub lost: i128,
    /// What the ledger says was charged since then.
    pub charged: u64,
    /// What the ledger held as uncertain in all before this comparison.
    pub uncertain: u64,
    /// What it still holds as uncertain in all: what this comparison could not settle.
    pub uncertain_left: u64,
    /// What follows.
    pub outcome: ReconcileOutcome,
}

/// What follows from a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReconcileOutcome {
    /// The first balance seen: the next one is compared with it. What was uncertain before can only be settled by
    /// hand ([`Ledger::settle_uncertain`]).
    Baseline,
    /// The account lost exactly what the ledger says, and nothing uncertain was left to settle.
    Agrees,
    /// The account lost what was charged plus this many credits, within what was uncertain: those calls are now
    /// booked as charged with so much in all, and are no longer uncertain.
    Settled(u64),
    /// The account has at least this many credits more than the ledger can explain: some were bought. Since it is not
    /// known how many, what was uncertain stays so, until [`Ledger::settle_top_up`] or [`Ledger::settle_uncertain`] is
    /// called. Later calls are compared with this balance.
    ToppedUp(u64),
    /// The account lost this many credits more than the ledger can explain, what was uncertain included: somebody else
    /// uses the account, or a call was charged late or above its price. They are gone, and so count against the cap, as
    /// [`LedgerSnapshot::unexplained`](super::LedgerSnapshot::unexplained) along with what was uncertain.
    Differs(u64),
    /// Paid calls are in flight, or were while the balance was fetched: nothing follows. Try again when they have ended.
    CallsInFlight,
    /// Another comparison ended while the balance was fetched, so that this balance may be the older one: nothing follows.
    Overlapped,
    /// A call ended uncertain too short a time ago, and may still be charged: nothing follows.
    TooEarly,
}

impl ReconcileOutcome {
    /// Returns whether anything was compared.
    pub fn is_conclusive(self) -> bool {
        !matches!(self, Self::CallsInFlight | Self::Overlapped | Self::TooEarly)
    }
}

/// What is known from earlier comparisons.
#[derive(Default)]
pub(super) struct Comparison {
    /// The last balance, and what the ledger had as charged then.
    baseline: Option<Baseline>,
    /// How many comparisons have ended.
    ended: u64,
    /// What the account gained at least by purchases while calls were uncertain that no later balance can settle: the
    /// stranded ones. `None` if there is nothing to compare those calls with.
    gap: Option<i128>,
    /// The uncertainty for which a client has compared by itself.
    settled_by_client: u64,
}

#[derive(Clone, Copy)]
struct Baseline {
    balance: i128,
    charged: u64,
}

/// A comparison that has begun: made before the balance is asked for, so that what happens meanwhile is noticed.
#[must_use = "a comparison ends with `finish`"]
#[derive(Debug)]
pub struct Reconcile {
    ledger: Ledger,
    revision: u64,
    was_busy: bool,
    ended: u64,
    pub(crate) uncertain_ever: u64,
}

impl Reconcile {
    /// Compares the ledger with `balance`, which was asked for after [`Ledger::start_reconcile`], and settles what was
    /// uncertain if it can.
    pub fn finish(self, balance: i64) -> Reconciliation {
        self.ledger.change(|state| {
            let outcome = if self.was_busy || state.in_flight_calls() > 0 || state.revision != self.revision {
                ReconcileOutcome::CallsInFlight
            } else if state.comparison.ended != self.ended {
                ReconcileOutcome::Overlapped
            } else {
                let seen = state.compare(balance);
                state.settle_children();
                return seen;
            };
            state.inconclusive(outcome)
        })
    }
}

impl Ledger {
    /// Begins to compare the ledger with the balance, for drivers of their own; [`Client::reconcile`] does all of it.
    ///
    /// Call this, ask for the balance, then call [`Reconcile::finish`]. Nothing is concluded if a paid call was in flight
    /// or another comparison ended in between. The first comparison only remembers the balance, so make it before
    /// spending.
    ///
    /// It believes the balance: a call that was lost on the way and is charged only later, or spending by others on the
    /// same account, looks like the ledger's own. So wait before you begin until no late charge can come, and give each
    /// account one ledger.
    ///
    /// ```
    /// use tgscan_core::{Ledger, ledger::ReconcileOutcome};
    ///
    /// let ledger = Ledger::new();
    /// let comparison = ledger.start_reconcile();
    /// let balance = 100; // Asked for here.
    /// assert_eq!(comparison.finish(balance).outcome, ReconcileOutcome::Baseline);
    /// assert_eq!(ledger.start_reconcile().finish(100).outcome, ReconcileOutcome::Agrees);
    /// ```
    ///
    /// [`Client::reconcile`]: crate::Client::reconcile
    pub fn start_reconcile(&self) -> Reconcile {
        let account = self.account();
        let state = account.lock();
        Reconcile {
            ledger: account.clone(),
            revision: state.revision,
            was_busy: state.in_flight_calls() > 0,
            ended: state.comparison.ended,
            uncertain_ever: state.uncertain_ever,
        }
    }

    /// How many attempts ever ended uncertain, if some of them can still be settled by comparing.
    pub(crate) fn to_settle(&self) -> Option<u64> {
        let state = self.account().lock();
        let is_left = state.books.iter().any(|book| book.uncertain > book.stranded);
        (is_left && state.comparison.baseline.is_some()).then_some(state.uncertain_ever)
    }

    /// Whether a balance was ever compared with.
    pub(crate) fn has_baseline(&self) -> bool {
        self.account().lock().comparison.baseline.is_some()
    }

    /// Allows a client to compare by itself: once for each new uncertainty.
    pub(crate) fn claim_reconcile(&self) -> bool {
        let mut state = self.account().lock();
        let seen = state.uncertain_ever;
        std::mem::replace(&mut state.comparison.settled_by_client, seen) != seen
    }

    /// Takes such a claim back, because nothing was concluded.
    pub(crate) fn unclaim_reconcile(&self) {
        self.account().lock().comparison.settled_by_client = 0;
    }

    /// What a comparison shows that does not take place.
    pub(crate) fn inconclusive(&self, outcome: ReconcileOutcome) -> Reconciliation {
        self.account().lock().inconclusive(outcome)
    }
}

impl State {
    fn inconclusive(&self, outcome: ReconcileOutcome) -> Reconciliation {
        let uncertain = self.held(|book| book.uncertain).credits;
        Reconciliation { lost: 0, charged: 0, uncertain, uncertain_left: uncertain, outcome }
    }

    fn compare(&mut self, balance: i64) -> Reconciliation {
        let balance = i128::from(balance);
        let uncertain = self.held(|book| book.uncertain).credits;
        let open = self.held(|book| book.uncertain - book.stranded);
        let has_open = self.books.iter().any(|book| book.uncertain > book.stranded);
        let base = self.comparison.baseline.unwrap_or(Baseline { balance, charged: self.charged });
        let lost = base.balance - balance;
        let charged = self.charged.saturating_sub(base.charged);
        let excess = lost - i128::from(charged);
        let outcome = if self.comparison.baseline.is_none() {
            self.strand(None);
            ReconcileOutcome::Baseline
        } else {
            match u64::try_from(excess) {
                Ok(0) if !has_open => ReconcileOutcome::Agrees,
                Ok(spent) if has_open && (open.is_open || spent <= open.credits) => {
                    self.settle_open(spent);
                    ReconcileOutcome::Settled(spent)
                }
                Ok(spent) => {
                    // All of it is gone, whoever spent it: what was uncertain cannot have taken more than that.
                    self.unexplained = self.unexplained.saturating_add(spent);
                    self.clear_open(None);
                    ReconcileOutcome::Differs(spent.saturating_sub(open.credits))
                }
                Err(_) if excess < 0 => {
                    self.strand(Some(-excess));
                    ReconcileOutcome::ToppedUp(u64::try_from(-excess).unwrap_or(u64::MAX))
                }
                // More than any account holds.
                Err(_) => {
                    self.unexplained = u64::MAX;
                    self.clear_open(None);
                    ReconcileOutcome::Differs(u64::MAX)
                }
            }
        };
        self.comparison.baseline = Some(Baseline { balance, charged: self.charged });
        self.comparison.ended += 1;
        let uncertain_left = self.held(|book| book.uncertain).credits;
        Reconciliation { lost, charged, uncertain, uncertain_left, outcome }
    }

    /// Books what can be settled as having cost `spent` in all.
    fn settle_open(&mut self, spent: u64) {
        let mut open = self.books.iter_mut().filter(|book| book.uncertain > book.stranded);
        // What a single call cost is the price of its method.
        if let (Some(book), None, true) = (open.next(), open.next(), spent > 0) {
            if book.uncertain - book.stranded == 1 {
                book.price = book.price.max(Some(spent));
            }
        }
        self.charged = self.charged.saturating_add(spent);
        self.clear_open(Some(spent));
    }

    /// Ends what can be settled; `spent` is what it cost, if that is known.
    fn clear_open(&mut self, spent: Option<u64>) {
        let mut calls = 0;
        for book in &mut self.books {
            calls += book.uncertain - book.stranded;
            book.uncertain = book.stranded;
        }
        self.children.settled(calls, spent);
    }

    /// Puts what is uncertain out of reach of later balances, because the account gained at least `gain` in between; or
    /// because there is no earlier balance.
    fn strand(&mut self, gain: Option<i128>) {
        let were_stranded = self.books.iter().any(|book| book.stranded > 0);
        let open = self.books.iter().any(|book| book.uncertain > book.stranded);
        self.comparison.gap = match (were_stranded, self.comparison.gap, gain) {
            (false, _, gain) if open => gain,
            (true, Some(gap), Some(gain)) => Some(gap + gain),
            _ => None,
        };
        for book in &mut self.books {
            book.stranded = book.uncertain;
        }
    }

    pub(super) fn record_top_up(&mut self, credits: u64) {
        if let Some(baseline) = &mut self.comparison.baseline {
            baseline.balance += i128::from(credits);
        }
    }

    pub(super) fn settle_top_up(&mut self, credits: u64) -> u64 {
        let stranded = self.held(|book| book.stranded);
        let Some(gap) = self.comparison.gap else { return 0 };
        // The account gained what was bought less what the stranded calls took.
        let spent = u64::try_from(i128::from(credits) - gap).ok();
        let Some(spent) = spent.filter(|spent| stranded.is_open || *spent <= stranded.credits) else {
            return 0;
        };
        self.charged = self.charged.saturating_add(spent);
        if let Some(baseline) = &mut self.comparison.baseline {
            // Spent before that balance was seen.
            baseline.charged = baseline.charged.saturating_add(spent);
        }
        let mut settled = 0;
        for book in &mut self.books {
            settled += book.stranded;
            book.uncertain -= book.stranded;
            book.stranded = 0;
        }
        self.comparison.gap = None;
        self.children.settled(settled, Some(spent));
        settled
    }

    pub(super) fn settle_by_hand(&mut self, credits: u64) -> u64 {
        let calls = self.uncertain_calls();
        self.children.settled(calls, Some(credits));
        for book in &mut self.books {
            (book.uncertain, book.stranded) = (0, 0);
        }
        self.charged = self.charged.saturating_add(credits);
        self.revision += 1;
        self.comparison.baseline = None;
        self.comparison.gap = None;
        self.comparison.ended += 1;
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credits, Reserve};

    const METHOD: &str = "search";

    fn spend(ledger: &Ledger, credits: Credits) {
        ledger.reserve(METHOD).unwrap().settle(credits);
    }

    fn reconcile(ledger: &Ledger, balance: i64) -> ReconcileOutcome {
        ledger.start_reconcile().finish(balance).outcome
    }

    /// A ledger that holds 3 credits for each uncertain call, and has seen a balance of 100.
    fn compared() -> Ledger {
        let ledger = Ledger::with_cap(1000, Reserve::PerCall(3));
        assert_eq!(reconcile(&ledger, 100), ReconcileOutcome::Baseline);
        ledger
    }

    #[test]
    fn settles_what_was_uncertain() {
        let ledger = compared();
        spend(&ledger, Credits::Charged(2));
        assert_eq!(reconcile(&ledger, 98), ReconcileOutcome::Agrees);
        spend(&ledger, Credits::Uncertain);
        spend(&ledger, Credits::Uncertain);
        spend(&ledger, Credits::Charged(1));
        let seen = ledger.start_reconcile().finish(94);
        assert_eq!((seen.lost, seen.charged, seen.uncertain, seen.uncertain_left), (4, 1, 6, 0));
        assert_eq!(seen.outcome, ReconcileOutcome::Settled(3));
        let now = ledger.snapshot();
        assert_eq!((now.charged, now.uncertain, now.uncertain_calls), (6, 0, 0));
        assert_eq!(reconcile(&ledger, 94), ReconcileOutcome::Agrees);
    }

    #[test]
    fn learns_the_price_of_a_single_uncertain_call() {
        let ledger = Ledger::new();
        reconcile(&ledger, 100);
        spend(&ledger, Credits::Uncertain);
        assert_eq!(reconcile(&ledger, 60), ReconcileOutcome::Settled(40), "its price was not known");
        assert_eq!(ledger.price(METHOD), Some(40));
        for _ in 0..2 {
            spend(&ledger, Credits::Uncertain);
        }
        assert_eq!(reconcile(&ledger, 10), ReconcileOutcome::Settled(50));
        assert_eq!(ledger.price(METHOD), Some(40), "which of the two cost what is not known");
    }

    #[test]
    fn counts_what_the_balance_shows_as_gone_against_the_cap() {
        let ledger = compared();
        spend(&ledger, Credits::Charged(1));
        assert_eq!(reconcile(&ledger, 90), ReconcileOutcome::Differs(9));
        assert_eq!((ledger.snapshot().unexplained, ledger.snapshot().committed()), (9, 10));
        assert_eq!(reconcile(&ledger, 90), ReconcileOutcome::Agrees);
        spend(&ledger, Credits::Uncertain);
        assert_eq!(reconcile(&ledger, 85), ReconcileOutcome::Differs(2), "3 of 5 were held as uncertain");
        let now = ledger.snapshot();
        assert_eq!((now.unexplained, now.uncertain, now.committed()), (14, 0, 15));
        ledger.set_cap(Some(16));
        assert!(ledger.reserve(METHOD).is_err(), "3 more pass it");
        assert_eq!(reconcile(&ledger, i64::MIN), ReconcileOutcome::Differs(85 + (1 << 63)));
    }

    #[test]
    fn late_charge_counts_when_it_comes() {
        let ledger = compared();
        spend(&ledger, Credits::Uncertain);
        assert_eq!(reconcile(&ledger, 100), ReconcileOutcome::Settled(0), "nothing was taken so far");
        assert_eq!(reconcile(&ledger, 97), ReconcileOutcome::Differs(3));
        assert_eq!(ledger.snapshot().committed(), 3);
    }

    #[test]
    fn top_up_leaves_what_was_uncertain_to_be_settled() {
        let ledger = compared();
        spend(&ledger, Credits::Uncertain);
        let seen = ledger.start_reconcile().finish(598);
        assert_eq!((seen.outcome, seen.uncertain_left), (ReconcileOutcome::ToppedUp(498), 3));
        // Later calls are settled all the same, and leave the stranded one alone.
        spend(&ledger, Credits::Uncertain);
        let seen = ledger.start_reconcile().finish(597);
        assert_eq!((seen.outcome, seen.uncertain_left), (ReconcileOutcome::Settled(1), 3));
        // The 500 that were bought say what it cost: 2.
        assert_eq!(ledger.settle_top_up(502), 0, "it would have cost 4, and 3 are held");
        assert_eq!(ledger.settle_top_up(500), 1);
        let now = ledger.snapshot();
        assert_eq!((now.charged, now.uncertain, now.uncertain_calls), (3, 0, 0));
        assert_eq!(reconcile(&ledger, 597), ReconcileOutcome::Agrees);
    }

    #[test]
    fn top_up_that_was_told_changes_no_comparison() {
        let ledger = compared();
        spend(&ledger, Credits::Uncertain);
        ledger.record_top_up(500);
        assert_eq!(reconcile(&ledger, 598), ReconcileOutcome::Settled(2));
        ledger.record_top_up(10);
        assert_eq!(reconcile(&ledger, 608), ReconcileOutcome::Agrees);
    }

    #[test]
    fn two_top_ups_settle_together() {
        let ledger = compared();
        spend(&ledger, Credits::Uncertain);
        reconcile(&ledger, 299);
        spend(&ledger, Credits::Uncertain);
        assert_eq!(reconcile(&ledger, 497), ReconcileOutcome::ToppedUp(198));
        assert_eq!(ledger.settle_top_up(200), 0, "one of two purchases");
        assert_eq!(ledger.settle_top_up(400), 2);
        assert_eq!((ledger.snapshot().charged, ledger.snapshot().uncertain_calls), (3, 0));
    }

    #[test]
    fn settles_by_hand_and_compares_anew() {
        let ledger = Ledger::with_cap(5, Reserve::PerCall(1));
        for _ in 0..4 {
            spend(&ledger, Credits::Uncertain);
        }
        assert_eq!(reconcile(&ledger, 100), ReconcileOutcome::Baseline);
        assert_eq!(ledger.snapshot().uncertain_calls, 4, "nothing to compare them with");
        assert_eq!(reconcile(&ledger, 100), ReconcileOutcome::Agrees);
        assert_eq!(ledger.settle_uncertain(1), 4);
        assert_eq!((ledger.snapshot().charged, ledger.snapshot().remaining()), (1, Some(4)));
        assert_eq!(reconcile(&ledger, 100), ReconcileOutcome::Baseline);
    }

    #[test]
    fn concludes_nothing_from_a_balance_that_a_call_has_overtaken() {
        let ledger = compared();
        let comparison = ledger.start_reconcile();
        spend(&ledger, Credits::Charged(1));
        assert_eq!(comparison.finish(100).outcome, ReconcileOutcome::CallsInFlight);
        let comparison = ledger.start_reconcile();
        ledger.charge("free", 1);
        assert_eq!(comparison.finish(99).outcome, ReconcileOutcome::CallsInFlight);
        assert_eq!(reconcile(&ledger, 98), ReconcileOutcome::Agrees);
    }

    #[test]
    fn concludes_nothing_while_calls_are_in_flight() {
        let ledger = compared();
        let in_flight = ledger.reserve(METHOD).unwrap();
        assert_eq!(reconcile(&ledger, 99), ReconcileOutcome::CallsInFlight);
        let comparison = ledger.start_reconcile();
        in_flight.settle(Credits::Charged(1));
        assert_eq!(comparison.finish(99).outcome, ReconcileOutcome::CallsInFlight, "it was in flight before");
        assert_eq!(reconcile(&ledger, 99), ReconcileOutcome::Agrees);
    }

    #[test]
    fn overlapping_comparison_does_not_believe_the_older_balance() {
        let ledger = compared();
        let slow = ledger.start_reconcile();
        // Somebody else spends 2; the quick comparison sees it, and the slow one read the balance before.
        assert_eq!(reconcile(&ledger, 98), ReconcileOutcome::Differs(2));
        assert_eq!(slow.finish(100).outcome, ReconcileOutcome::Overlapped);
        assert_eq!(reconcile(&ledger, 98), ReconcileOutcome::Agrees);
        let slow = ledger.start_reconcile();
        ledger.settle_uncertain(0);
        assert_eq!(slow.finish(98).outcome, ReconcileOutcome::CallsInFlight);
    }
}
