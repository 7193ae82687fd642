//! The credit ledger: adds up what calls cost, across clones and threads, and holds a cap.

mod reconcile;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use reconcile::{Reconciliation, Verdict};

use crate::Credits;

/// Adds up what calls cost and refuses those that a cap does not allow.
///
/// Clones share one ledger. Every paid call reserves credits before it is sent and settles them when it ends, so the
/// cap counts calls in flight and uncertain ones too and holds under any concurrency, as long as no call costs more
/// than its reserve. Otherwise it can be passed by what calls in flight or uncertain cost beyond theirs. The reserve
/// rises to the highest `op_cost` seen.
///
/// ```
/// use tgscan_core::Ledger;
///
/// let ledger = Ledger::new().with_cap(100).with_reserve(2);
/// let now = ledger.snapshot();
/// assert_eq!((now.cap, now.reserve, now.charged, now.uncertain), (Some(100), 2, 0, 0));
/// ```
#[derive(Clone, Default)]
pub struct Ledger {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    snapshot: LedgerSnapshot,
    baseline: Option<reconcile::Baseline>,
    /// Paid attempts ever begun, and free ones that were charged: tells whether anything happened between two looks.
    begun: u64,
}

/// What a [`Ledger`] says at one moment. All amounts are credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerSnapshot {
    /// The most that may be spent, if there is a cap.
    pub cap: Option<u64>,
    /// What is set aside for each paid call until its cost is known.
    pub reserve: u64,
    /// Certainly spent, as the answers' `op_cost` says.
    pub charged: u64,
    /// How many calls were charged.
    pub charged_calls: u64,
    /// Set aside for calls that have not ended.
    pub in_flight: u64,
    /// How many paid calls have not ended.
    pub in_flight_calls: u64,
    /// Set aside for calls that ended without saying what they cost.
    pub uncertain: u64,
    /// How many attempts ended so.
    pub uncertain_calls: u64,
    /// How many paid attempts ended without cost.
    pub not_charged_calls: u64,
    /// How many calls the cap refused.
    pub refused_calls: u64,
}

impl Default for LedgerSnapshot {
    fn default() -> Self {
        Self {
            cap: None,
            // The cheapest call that costs anything; raised by the first answer that costs more.
            reserve: 1,
            charged: 0,
            charged_calls: 0,
            in_flight: 0,
            in_flight_calls: 0,
            uncertain: 0,
            uncertain_calls: 0,
            not_charged_calls: 0,
            refused_calls: 0,
        }
    }
}

impl LedgerSnapshot {
    /// Everything that the cap counts: charged, in flight and uncertain.
    pub fn committed(&self) -> u64 {
        self.charged.saturating_add(self.in_flight).saturating_add(self.uncertain)
    }
}

/// A call that the cap refused before anything was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapReached {
    /// The ledger at that moment.
    pub ledger: LedgerSnapshot,
}

impl std::error::Error for CapReached {}

impl fmt::Display for CapReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = &self.ledger;
        write!(
            f,
            "not sent, because it would pass the cap of {} credits: {} charged, {} in flight, {} uncertain, \
             and this call reserves {}",
            now.cap.unwrap_or(u64::MAX),
            now.charged,
            now.in_flight,
            now.uncertain,
            now.reserve
        )
    }
}

impl Ledger {
    /// An empty ledger without a cap.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most credits that may be spent, counted from the ledger's start.
    #[must_use]
    pub fn with_cap(self, credits: u64) -> Self {
        self.lock().snapshot.cap = Some(credits);
        self
    }

    /// Sets what is set aside for each paid call until its cost is known. At least 1, which is the default.
    ///
    /// The documentation states no prices; set this to the highest you expect, so that the cap holds from the first
    /// call on.
    #[must_use]
    pub fn with_reserve(self, credits: u64) -> Self {
        self.lock().snapshot.reserve = credits.max(1);
        self
    }

    /// Changes the cap of a ledger in use; `None` removes it. Calls in flight are not affected.
    pub fn set_cap(&self, cap: Option<u64>) {
        self.lock().snapshot.cap = cap;
    }

    /// What the ledger says now.
    pub fn snapshot(&self) -> LedgerSnapshot {
        self.lock().snapshot
    }

    /// Sets the reserve aside for one attempt of a paid call.
    pub(crate) fn reserve(&self) -> Result<Reservation, CapReached> {
        let mut state = self.lock();
        let now = &mut state.snapshot;
        if now.cap.is_some_and(|cap| now.committed().saturating_add(now.reserve) > cap) {
            now.refused_calls += 1;
            return Err(CapReached { ledger: *now });
        }
        now.in_flight = now.in_flight.saturating_add(now.reserve);
        now.in_flight_calls += 1;
        let held = now.reserve;
        state.begun += 1;
        Ok(Reservation { ledger: self.clone(), held, is_settled: false })
    }

    /// Books the cost of a call that should have been free.
    pub(crate) fn charge(&self, credits: u64) {
        let mut state = self.lock();
        state.snapshot.charge(credits);
        state.begun += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the numbers whole, so a panic elsewhere does not make them wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LedgerSnapshot {
    fn charge(&mut self, credits: u64) {
        self.charged = self.charged.saturating_add(credits);
        self.charged_calls += 1;
        self.reserve = self.reserve.max(credits);
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.snapshot()).finish()
    }
}

/// Credits set aside for one attempt. Dropped unsettled, as when a call's future is dropped, it counts as uncertain.
pub(crate) struct Reservation {
    ledger: Ledger,
    held: u64,
    is_settled: bool,
}

impl Reservation {
    /// Books how the attempt ended.
    pub(crate) fn settle(mut self, credits: Credits) {
        self.book(credits);
    }

    fn book(&mut self, credits: Credits) {
        self.is_settled = true;
        let mut state = self.ledger.lock();
        let now = &mut state.snapshot;
        now.in_flight = now.in_flight.saturating_sub(self.held);
        now.in_flight_calls = now.in_flight_calls.saturating_sub(1);
        match credits {
            Credits::Charged(credits) => now.charge(credits),
            Credits::NotCharged => now.not_charged_calls += 1,
            Credits::Uncertain => {
                now.uncertain = now.uncertain.saturating_add(self.held);
                now.uncertain_calls += 1;
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_settled {
            self.book(Credits::Uncertain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_counts_what_is_charged_in_flight_and_uncertain() {
        let ledger = Ledger::new().with_cap(4);
        let [a, b, c, d] = std::array::from_fn(|_| ledger.reserve().unwrap());
        let refused = ledger.reserve().err().unwrap();
        assert_eq!(
            refused.to_string(),
            "not sent, because it would pass the cap of 4 credits: 0 charged, 4 in flight, 0 uncertain, \
             and this call reserves 1"
        );
        a.settle(Credits::Charged(1));
        b.settle(Credits::Uncertain);
        drop(c);
        let now = ledger.snapshot();
        assert_eq!((now.charged, now.uncertain, now.in_flight, now.refused_calls), (1, 2, 1, 1));
        assert!(ledger.reserve().is_err());
        d.settle(Credits::NotCharged);
        ledger.reserve().unwrap().settle(Credits::NotCharged);
        assert_eq!(ledger.snapshot().not_charged_calls, 2);
    }

    #[test]
    fn the_reserve_rises_to_the_highest_cost_seen() {
        let ledger = Ledger::new().with_cap(10).with_reserve(0);
        assert_eq!(ledger.snapshot().reserve, 1);
        ledger.reserve().unwrap().settle(Credits::Charged(6));
        ledger.charge(2);
        let now = ledger.snapshot();
        assert_eq!((now.reserve, now.charged, now.charged_calls), (6, 8, 2));
        assert!(ledger.reserve().is_err(), "8 + 6 passes 10");
        ledger.set_cap(None);
        assert!(ledger.reserve().is_ok());
    }

    #[test]
    fn clones_share_and_threads_add_up_exactly() {
        let ledger = Ledger::new().with_cap(500);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let ledger = ledger.clone();
                scope.spawn(move || {
                    for _ in 0..100 {
                        if let Ok(reservation) = ledger.reserve() {
                            reservation.settle(Credits::Charged(1));
                        }
                    }
                });
            }
        });
        let now = ledger.snapshot();
        assert_eq!((now.charged, now.in_flight, now.refused_calls), (500, 0, 300));
    }

    #[test]
    fn huge_amounts_saturate() {
        let ledger = Ledger::new().with_cap(u64::MAX);
        ledger.reserve().unwrap().settle(Credits::Charged(u64::MAX));
        ledger.charge(5);
        assert_eq!(ledger.snapshot().committed(), u64::MAX);
    }
}
