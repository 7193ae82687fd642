//! The totals of an account, and what follows from them: pure arithmetic that every store shares.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{CallId, CallState, Settlement, StoredCall};
use crate::ledger::ReconcileOutcome;
use crate::{Credits, Reserve};

/// The totals of an account in a store. They follow from its rows, one per call, and are kept beside them in the same
/// transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccountBook {
    /// Certainly spent, in credits.
    pub charged: u64,
    /// Gone from the balance, and explained by no call, in credits.
    pub unexplained: u64,
    /// Calls by API method.
    pub methods: Vec<MethodBook>,
    /// The balance of the last comparison, plus purchases recorded since, and `charged` at that time.
    pub baseline: Option<(i64, u64)>,
    /// Calls ever claimed or settled late: tells whether anything happened between two looks.
    pub revision: u64,
    /// Comparisons that have ended.
    pub reconciled: u64,
    /// The last call ever claimed.
    pub last_call: CallId,
    /// The last call that was claimed before the first balance was seen. What was uncertain up to it is *stranded*: no
    /// balance can settle it, because the first one may have lost its cost already.
    pub stranded_up_to: CallId,
    /// When a call last became uncertain, in milliseconds since 1970.
    pub last_uncertain_at: Option<u64>,
}

/// The calls of one API method, in calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MethodBook {
    /// The API method.
    pub method: String,
    /// The highest `op_cost` seen.
    pub price: Option<u64>,
    /// Claimed and not ended.
    pub in_flight: u64,
    /// Ended without saying what they cost.
    pub uncertain: u64,
    /// How many of the uncertain ones no balance can settle: they ended before the first balance was seen.
    pub stranded: u64,
}

impl MethodBook {
    /// Creates the totals of a method.
    pub fn new(
        method: impl Into<String>,
        price: Option<u64>,
        in_flight: u64,
        uncertain: u64,
        stranded: u64,
    ) -> Self {
        Self { method: method.into(), price, in_flight, uncertain, stranded }
    }
}

/// A cap on what an account spends, for all who share it in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreCap {
    /// The most that may be spent, in credits, since the store was created.
    pub credits: u64,
    /// What a call sets aside while the price of its method is unknown.
    pub reserve: Reserve,
}

impl StoreCap {
    /// What a call of a method sets aside; `None` if nothing is known about its price.
    pub fn set_aside(&self, price: Option<u64>) -> Option<u64> {
        match (self.reserve, price) {
            (Reserve::PerCall(least), price) => Some(price.unwrap_or(0).max(least).max(1)),
            (Reserve::OneAtATime, price) => price,
        }
    }
}

/// A call that the cap on a store refused before anything was sent. Amounts are credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreCapReached {
    /// The cap.
    pub cap: u64,
    /// Certainly spent, including what is gone without an explanation.
    pub charged: u64,
    /// Set aside for calls in flight.
    pub in_flight: u64,
    /// Set aside for calls that ended without saying what they cost.
    pub uncertain: u64,
    /// What the call would have set aside; `None` if nothing is known about the price of its method.
    pub price: Option<u64>,
    /// Whether the price of a call in flight is unknown, so that it may cost anything.
    pub in_flight_is_open: bool,
    /// Whether the price of an uncertain call is unknown.
    pub uncertain_is_open: bool,
}

impl StoreCapReached {
    /// Creates a refusal from its parts, in the order of the fields.
    pub fn new(
        cap: u64,
        charged: u64,
        in_flight: u64,
        uncertain: u64,
        price: Option<u64>,
        in_flight_is_open: bool,
        uncertain_is_open: bool,
    ) -> Self {
        Self { cap, charged, in_flight, uncertain, price, in_flight_is_open, uncertain_is_open }
    }

    /// Creates a refusal from an account's totals; `None` if there is room.
    pub fn check(book: &AccountBook, method: &str, cap: &StoreCap) -> Option<Self> {
        let price = book.methods.iter().find(|book| book.method == method).and_then(|book| book.price);
        let (in_flight, in_flight_is_open) = book.held(cap, |book| book.in_flight);
        let (uncertain, uncertain_is_open) = book.held(cap, |book| book.uncertain);
        let refused = Self {
            cap: cap.credits,
            charged: book.charged.saturating_add(book.unexplained),
            in_flight,
            uncertain,
            price: cap.set_aside(price),
            in_flight_is_open,
            uncertain_is_open,
        };
        let is_open = in_flight_is_open || uncertain_is_open;
        (is_open || !refused.fits(in_flight.saturating_add(uncertain))).then_some(refused)
    }

    /// Returns whether waiting can help: there may be room when the calls in flight have ended.
    pub fn is_transient(&self) -> bool {
        self.in_flight > 0 && !self.uncertain_is_open && self.fits(self.uncertain)
    }

    /// Returns whether settling what is uncertain can help.
    pub fn would_fit_if_settled(&self) -> bool {
        self.uncertain > 0 && !self.in_flight_is_open && self.fits(self.in_flight)
    }

    fn fits(&self, held: u64) -> bool {
        let committed = self.charged.saturating_add(held);
        self.cap.saturating_sub(committed) >= self.price.unwrap_or(1)
    }
}

impl fmt::Display for StoreCapReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not sent, because it could pass the cap of {} credits on the store: {} charged, {} in flight, {} uncertain",
            self.cap, self.charged, self.in_flight, self.uncertain
        )?;
        if self.in_flight_is_open || self.uncertain_is_open {
            f.write_str(", and the price of an earlier call is not known")?;
        } else {
            write!(f, ", and this call sets {} aside", self.price.unwrap_or(1))?;
        }
        f.write_str(if self.is_transient() {
            "; wait for the calls in flight"
        } else if self.would_fit_if_settled() {
            "; settle what is uncertain with `Client::reconcile_store` or `Store::resolve`"
        } else {
            "; raise the cap with `StorePolicy::with_cap` to spend more"
        })
    }
}

/// What an account looked like before its balance was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconcileStart {
    /// [`AccountBook::revision`].
    pub revision: u64,
    /// [`AccountBook::reconciled`].
    pub reconciled: u64,
    /// How many calls are in flight.
    pub in_flight: u64,
    /// How long ago a call last became uncertain, if a balance can settle one.
    pub last_uncertain: Option<Duration>,
}

impl ReconcileStart {
    /// Creates the start of a comparison from an account's totals, at a time in milliseconds since 1970.
    pub fn new(book: &AccountBook, now: u64) -> Self {
        let is_left = book.methods.iter().any(|book| book.uncertain > book.stranded);
        let age = |at| Duration::from_millis(now.saturating_sub(at));
        Self {
            revision: book.revision,
            reconciled: book.reconciled,
            in_flight: book.in_flight_calls(),
            last_uncertain: book.last_uncertain_at.filter(|_| is_left).map(age),
        }
    }
}

/// What comparing an account in a store with its balance showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreReconciliation {
    /// How many calls were uncertain before it.
    pub uncertain: u64,
    /// How many still are.
    pub uncertain_left: u64,
    /// What follows.
    pub outcome: ReconcileOutcome,
}

impl StoreReconciliation {
    /// The report of a comparison that showed nothing.
    pub fn inconclusive(book: &AccountBook, outcome: ReconcileOutcome) -> Self {
        let uncertain = book.uncertain_calls();
        Self { uncertain, uncertain_left: uncertain, outcome }
    }

    /// Returns what the calls that it settled cost in all, if it settled any: a store ends each of them as
    /// [`CallState::Settled`] (or [`CallState::Answered`]) and books these credits in the last one's row.
    pub fn settled(&self) -> Option<u64> {
        if self.uncertain_left == self.uncertain {
            return None;
        }
        Some(match self.outcome {
            ReconcileOutcome::Settled(spent) => spent,
            // Booked as unexplained.
            _ => 0,
        })
    }
}

impl AccountBook {
    fn method(&mut self, method: &str) -> &mut MethodBook {
        let at = self.methods.iter().position(|book| book.method == method).unwrap_or_else(|| {
            self.methods.push(MethodBook { method: method.to_owned(), ..MethodBook::default() });
            self.methods.len() - 1
        });
        &mut self.methods[at]
    }

    /// What some calls may cost, and whether one of them may cost anything.
    fn held(&self, cap: &StoreCap, calls: impl Fn(&MethodBook) -> u64) -> (u64, bool) {
        let mut held = (0_u64, false);
        for book in &self.methods {
            let (count, price) = (calls(book), cap.set_aside(book.price));
            held.0 = held.0.saturating_add(count.saturating_mul(price.unwrap_or(1)));
            held.1 |= count > 0 && price.is_none();
        }
        held
    }

    /// Returns how many calls are uncertain.
    pub fn uncertain_calls(&self) -> u64 {
        self.methods.iter().map(|book| book.uncertain).sum()
    }

    /// Returns how many calls are in flight.
    pub fn in_flight_calls(&self) -> u64 {
        self.methods.iter().map(|book| book.in_flight).sum()
    }

    /// Books a claim.
    pub fn claim(&mut self, call: CallId, method: &str) {
        self.method(method).in_flight += 1;
        self.revision += 1;
        self.last_call = call;
    }

    /// Books that the owner of a call in flight died: it is [`CallState::Uncertain`] from `now` on, in milliseconds since
    /// 1970.
    pub fn owner_died(&mut self, method: &str, now: u64) {
        let book = self.method(method);
        book.in_flight = book.in_flight.saturating_sub(1);
        self.revision += 1;
        self.became_uncertain(method, now);
    }

    /// Books how a call ended, at a time in milliseconds since 1970. `state` and `charged` are what its row says.
    /// Returns its new state and credits, or `None` if its row goes. Where nothing changes, these are the old ones.
    pub fn settle(
        &mut self,
        row: &StoredCall,
        settlement: &Settlement,
        now: u64,
    ) -> Option<(CallState, u64)> {
        let method = row.method.as_str();
        match row.state {
            // It is as uncertain as before, and as far from what a balance can settle.
            CallState::Uncertain if *settlement == Settlement::Unanswered(None) => {
                return Some((CallState::Uncertain, 0));
            }
            CallState::Uncertain
                if matches!(settlement, Settlement::Answered { credits: Credits::Uncertain, .. }) =>
            {
                return Some((CallState::AnsweredUncertain, 0));
            }
            CallState::InFlight => {
                let book = self.method(method);
                book.in_flight = book.in_flight.saturating_sub(1);
            }
            // Its owner was taken for dead.
            CallState::Uncertain => {
                self.no_longer_uncertain(row);
                if let Settlement::Answered { credits: Credits::Charged(credits), .. }
                | Settlement::Unanswered(Some(credits)) = settlement
                {
                    self.lost_before(row, *credits);
                }
            }
            // It has ended. What a person or the balance settled stays: the cost of several calls may be in one row.
            _ => return Some((row.state, row.charged)),
        }
        match *settlement {
            Settlement::NotCharged => None,
            Settlement::Answered { credits: Credits::NotCharged, .. } => Some((CallState::Answered, 0)),
            Settlement::Answered { credits: Credits::Charged(credits), .. } => {
                self.charge(method, credits);
                Some((CallState::Answered, credits))
            }
            Settlement::Answered { credits: Credits::Uncertain, .. } => {
                self.became_uncertain(method, now);
                Some((CallState::AnsweredUncertain, 0))
            }
            Settlement::Unanswered(Some(credits)) => {
                self.charge(method, credits);
                Some((CallState::Unanswered, credits))
            }
            Settlement::Unanswered(None) => {
                self.became_uncertain(method, now);
                Some((CallState::Uncertain, 0))
            }
        }
    }

    /// Settles a call by hand. Returns its new state and credits, or `None` if there is nothing to settle.
    pub fn resolve(&mut self, row: &StoredCall, credits: u64) -> Option<(CallState, u64)> {
        let state = match row.state {
            // What it cost is known; only its question is set free.
            CallState::Unanswered => return Some((CallState::Settled, row.charged)),
            CallState::Uncertain => CallState::Settled,
            CallState::AnsweredUncertain => CallState::Answered,
            _ => return None,
        };
        self.no_longer_uncertain(row);
        if credits > 0 {
            self.charge(&row.method, credits);
        }
        self.lost_before(row, credits);
        Some((state, credits))
    }

    /// The balance that was seen first had lost already what a stranded call cost.
    fn lost_before(&mut self, row: &StoredCall, credits: u64) {
        match &mut self.baseline {
            Some((_, charged)) if row.id <= self.stranded_up_to => *charged = charged.saturating_add(credits),
            _ => {}
        }
    }

    fn became_uncertain(&mut self, method: &str, now: u64) {
        self.method(method).uncertain += 1;
        self.last_uncertain_at = self.last_uncertain_at.max(Some(now));
    }

    fn no_longer_uncertain(&mut self, row: &StoredCall) {
        let is_stranded = row.id <= self.stranded_up_to;
        let book = self.method(&row.method);
        book.uncertain = book.uncertain.saturating_sub(1);
        book.stranded = book.stranded.saturating_sub(u64::from(is_stranded)).min(book.uncertain);
        self.revision += 1;
    }

    /// Records a purchase.
    pub fn record_top_up(&mut self, credits: u64) {
        if let Some((balance, _)) = &mut self.baseline {
            *balance = balance.saturating_add(i64::try_from(credits).unwrap_or(i64::MAX));
        }
    }

    /// Compares with a balance that was asked for since `start`. Nothing is concluded if calls were in flight, or another
    /// comparison ended meanwhile.
    ///
    /// A balance above what the purchases on record explain settles nothing and is not remembered
    /// (`ReconcileOutcome::ToppedUp`): record the purchase with [`record_top_up`](Self::record_top_up), then compare
    /// again. The first comparison only remembers the balance.
    pub fn reconcile(&mut self, start: ReconcileStart, balance: i64) -> StoreReconciliation {
        if start.in_flight > 0 || self.in_flight_calls() > 0 || self.revision != start.revision {
            return StoreReconciliation::inconclusive(self, ReconcileOutcome::CallsInFlight);
        }
        if self.reconciled != start.reconciled {
            return StoreReconciliation::inconclusive(self, ReconcileOutcome::Overlapped);
        }
        let uncertain = self.uncertain_calls();
        self.reconciled += 1;
        let Some((before, charged_before)) = self.baseline else {
            // What these calls cost, this balance may have lost already.
            self.stranded_up_to = self.last_call;
            for book in &mut self.methods {
                book.stranded = book.uncertain;
            }
            self.baseline = Some((balance, self.charged));
            return StoreReconciliation::inconclusive(self, ReconcileOutcome::Baseline);
        };
        let lost = i128::from(before) - i128::from(balance);
        let excess = lost - i128::from(self.charged.saturating_sub(charged_before));
        let open = |book: &MethodBook| book.uncertain - book.stranded;
        let open_calls: u64 = self.methods.iter().map(open).sum();
        let limit = self.methods.iter().filter(|book| open(book) > 0).try_fold(0_u64, |limit, book| {
            Some(limit.saturating_add(open(book).saturating_mul(book.price?)))
        });
        let outcome = match u64::try_from(excess) {
            Ok(0) if open_calls == 0 => ReconcileOutcome::Agrees,
            Ok(spent) if open_calls > 0 && limit.is_none_or(|limit| spent <= limit) => {
                self.charged = self.charged.saturating_add(spent);
                if let (1, true) = (open_calls, spent > 0) {
                    // What a single call cost is the price of its method.
                    if let Some(book) = self.methods.iter_mut().find(|book| open(book) > 0) {
                        book.price = book.price.max(Some(spent));
                    }
                }
                ReconcileOutcome::Settled(spent)
            }
            Ok(spent) => {
                self.unexplained = self.unexplained.saturating_add(spent);
                ReconcileOutcome::Differs(spent.saturating_sub(limit.unwrap_or(0)))
            }
            Err(_) => {
                let gain = u64::try_from(-excess).unwrap_or(u64::MAX);
                return StoreReconciliation::inconclusive(self, ReconcileOutcome::ToppedUp(gain));
            }
        };
        for book in &mut self.methods {
            book.uncertain = book.stranded;
        }
        self.baseline = Some((balance, self.charged));
        StoreReconciliation { uncertain, uncertain_left: self.uncertain_calls(), outcome }
    }

    fn charge(&mut self, method: &str, credits: u64) {
        let book = self.method(method);
        book.price = book.price.max(Some(credits));
        self.charged = self.charged.saturating_add(credits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_method() {
        let mut book = AccountBook::default();
        for (call, method) in [(1, "search"), (2, "similar_groups"), (3, "search")] {
            book.claim(call, method);
        }
        let counts: Vec<_> = book.methods.iter().map(|book| (book.method.as_str(), book.in_flight)).collect();
        assert_eq!(counts, [("search", 2), ("similar_groups", 1)]);
    }
}
