//! The credit ledger: adds up what calls cost, across clones and threads, and holds a cap.

mod children;
mod reconcile;
mod snapshot;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

pub use reconcile::{Reconcile, ReconcileOutcome, Reconciliation};
pub use snapshot::{CapReached, LedgerSnapshot};
use state::State;

use crate::{Credits, panics};

/// What a paid call sets aside under a cap while the price of its method is unknown.
///
/// The documentation states no prices: each answer's `op_cost` is the only source. The price of a method is the highest
/// `op_cost` that it was charged so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reserve {
    /// Sets aside at least this many credits for each paid call; 0 means 1. Give the most that you expect one call to
    /// cost: the cap then holds from the first call on, with any number of calls at once.
    PerCall(u64),
    /// Sets aside all that is left of the cap, so that paid calls go one at a time until the first charge shows the
    /// price of their method. The cap can be passed by what that first call costs.
    OneAtATime,
}

/// Adds up what calls cost and refuses those that a cap does not allow.
///
/// Clones share one ledger. Each attempt of a call that can cost credits sets aside the price of its method before it
/// is sent, and books what it really cost when it ends.
///
/// ```
/// use tgscan_core::{Ledger, Reserve};
///
/// let ledger = Ledger::with_cap(100, Reserve::PerCall(2));
/// let now = ledger.snapshot();
/// assert_eq!((now.cap, now.charged, now.in_flight, now.uncertain), (Some(100), 0, 0, 0));
/// ```
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Whose part this ledger is; see [`Ledger::child`].
    parent: Option<Ledger>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// Creates a ledger without a cap.
    pub fn new() -> Self {
        Self::create(None, Reserve::OneAtATime, None)
    }

    /// Creates a ledger that refuses calls which could pass `credits`, counted from its start.
    ///
    /// The cap counts what is charged, in flight, uncertain, and gone from the balance without an explanation
    /// (`ReconcileOutcome::Differs`). Calls in flight and uncertain ones count at the price of their method, also
    /// when that price becomes known or rises after they were sent.
    ///
    /// The cap holds as long as no call costs more than was set aside for it: its method's highest `op_cost` so far, and
    /// at least what [`Reserve::PerCall`] says. It cannot hold
    /// - for a call that costs more than that: the cap is passed by the difference, for each such call in flight or
    ///   uncertain at the time;
    /// - for the first paid call of each method with [`Reserve::OneAtATime`];
    /// - for a charge that comes after its call was settled as free, until a comparison with the balance shows it;
    /// - for a method that is documented as free and charges all the same, until it has done so once;
    /// - for requests built by [`Api::request`](crate::Api::request), which the ledger does not see.
    ///
    /// Either way, no further call is sent that is known to pass it.
    pub fn with_cap(credits: u64, reserve: Reserve) -> Self {
        Self::create(Some(credits), reserve, None)
    }

    fn create(cap: Option<u64>, reserve: Reserve, parent: Option<Self>) -> Self {
        let state = Mutex::new(State::new(cap, reserve));
        Self { shared: Arc::new(Shared { state, parent }) }
    }

    /// Changes the cap **for every clone of this ledger**; `None` removes it. Calls in flight are not affected.
    pub fn set_cap(&self, cap: Option<u64>) {
        self.change(|state| state.cap = cap);
    }

    /// Changes what is set aside while a price is unknown, **for every clone of this ledger**.
    pub fn set_reserve(&self, reserve: Reserve) {
        self.change(|state| state.reserve = reserve);
    }

    /// Returns what the ledger says now.
    pub fn snapshot(&self) -> LedgerSnapshot {
        self.lock().snapshot()
    }

    /// Returns the highest `op_cost` that calls of an API method were charged so far, by `ApiMethod::NAME`, or `None`
    /// before the first charge.
    pub fn price(&self, method: &str) -> Option<u64> {
        self.lock().price_of(method)
    }

    /// Books everything that is uncertain as having cost `credits` in all, and nothing if 0: for a person who has
    /// looked at the account's statement. Returns how many attempts are settled by it.
    ///
    /// Comparing with the balance starts anew: the next reconciliation is a `ReconcileOutcome::Baseline`. A child settles
    /// its own calls only, and its parent compares as before.
    pub fn settle_uncertain(&self, credits: u64) -> u64 {
        let settled = self.change(|state| {
            let settled = state.settle_by_hand(credits);
            state.settle_children();
            settled
        });
        if let Some(parent) = &self.shared.parent {
            parent.lock().children.forget_settled();
        }
        settled
    }

    /// Records a purchase of `credits`, so that comparing with the balance stays exact. Call it when you buy, before the
    /// next reconciliation.
    pub fn record_top_up(&self, credits: u64) {
        self.account().lock().record_top_up(credits);
    }

    /// Settles what `ReconcileOutcome::ToppedUp` left uncertain, given that `credits` were bought in all by the purchases
    /// that reconciliations reported since. Returns how many attempts are settled; 0 if the amount does not fit.
    pub fn settle_top_up(&self, credits: u64) -> u64 {
        self.account().change(|state| {
            let settled = state.settle_top_up(credits);
            state.settle_children();
            settled
        })
    }

    /// Sets credits aside for one attempt of a paid call.
    #[inline]
    pub(crate) fn reserve(&self, method: &'static str) -> Result<Reservation, CapReached> {
        self.try_reserve(method, None)
    }

    /// As [`reserve`](Self::reserve), but where waiting can help it wakes `waker` when something has ended.
    pub(crate) fn poll_reserve(
        &self,
        method: &'static str,
        waker: &Waker,
    ) -> Poll<Result<Reservation, CapReached>> {
        match self.try_reserve(method, Some(waker)) {
            Err(refused) if refused.is_transient() => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn try_reserve(&self, method: &'static str, waker: Option<&Waker>) -> Result<Reservation, CapReached> {
        let Some(parent) = &self.shared.parent else {
            let book = self.lock().reserve(method, None, waker)?;
            return Ok(Reservation { ledger: self.clone(), book, is_settled: false, parent: None });
        };
        let price = parent.account().price(method);
        // This ledger first, so that one without room leaves its siblings alone.
        let book = self.lock().reserve(method, price, waker)?;
        match parent.try_reserve(method, waker) {
            Ok(reservation) => {
                let parent = Some(Box::new(reservation));
                Ok(Reservation { ledger: self.clone(), book, is_settled: false, parent })
            }
            Err(refused) => {
                self.change(|state| state.release(book));
                Err(refused)
            }
        }
    }

    /// How the cap would refuse a paid call now, if it would. Nothing is set aside or counted.
    pub(crate) fn refusal(&self, method: &'static str) -> Option<CapReached> {
        let own = {
            let mut state = self.lock();
            let book = state.book(method);
            state.refusal(book)
        };
        own.or_else(|| self.shared.parent.as_ref()?.refusal(method))
    }

    /// Books the cost of a call that should have been free.
    pub(crate) fn charge(&self, method: &'static str, credits: u64) {
        for ledger in self.line() {
            let mut state = ledger.lock();
            let book = state.book(method);
            state.charge(book, credits);
        }
    }

    /// Books a call as uncertain that was thought to be free when it was sent.
    pub(crate) fn uncertain(&self, method: &'static str) {
        for ledger in self.line() {
            let mut state = ledger.lock();
            let book = state.book(method);
            state.uncertain(book);
        }
    }

    /// Whether a method has ever charged anything.
    pub(crate) fn has_charged(&self, method: &str) -> bool {
        self.line().any(|ledger| ledger.price(method).is_some())
    }

    /// This ledger, its parent, and so on.
    fn line(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |ledger| ledger.shared.parent.as_ref())
    }

    /// The ledger of the whole account, which is compared with the balance.
    fn account(&self) -> &Self {
        let mut account = self;
        while let Some(parent) = &account.shared.parent {
            account = parent;
        }
        account
    }

    /// Changes something that may make room.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        if !state.waiting.is_empty() {
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(panics::wake);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the numbers whole, so a panic elsewhere does not make them wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    book: usize,
    is_settled: bool,
    /// What the parent has set aside for the same attempt.
    parent: Option<Box<Reservation>>,
}

impl Reservation {
    /// Books how the attempt ended.
    pub(crate) fn settle(mut self, credits: Credits) {
        self.settle_in_place(credits);
    }

    fn settle_in_place(&mut self, credits: Credits) {
        self.is_settled = true;
        self.ledger.change(|state| {
            state.release(self.book);
            match credits {
                Credits::Charged(credits) => state.charge(self.book, credits),
                Credits::NotCharged => state.not_charged(),
                Credits::Uncertain => state.uncertain(self.book),
            }
        });
        // Afterwards: a parent with nothing in flight knows all that its children have.
        if let Some(parent) = &mut self.parent {
            parent.settle_in_place(credits);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_settled {
            self.settle_in_place(Credits::Uncertain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: &str = "similar_groups";
    const DEAR: &str = "search";

    #[test]
    fn cap_counts_charged_in_flight_and_uncertain() {
        let ledger = Ledger::with_cap(4, Reserve::PerCall(1));
        let [a, b, c, d] = std::array::from_fn(|_| ledger.reserve(DEAR).unwrap());
        let refused = ledger.reserve(DEAR).err().unwrap();
        assert_eq!(
            refused.to_string(),
            "not sent, because it could pass the cap of 4 credits: 0 charged, 4 in flight, 0 uncertain, and this call \
             sets 1 aside; wait for the calls in flight"
        );
        a.settle(Credits::Charged(1));
        b.settle(Credits::Uncertain);
        drop(c);
        let now = ledger.snapshot();
        assert_eq!((now.charged, now.uncertain, now.in_flight, now.refused_calls), (1, 2, 1, 1));
        assert!(ledger.reserve(DEAR).is_err());
        d.settle(Credits::NotCharged);
        ledger.reserve(DEAR).unwrap().settle(Credits::NotCharged);
        assert_eq!(ledger.snapshot().not_charged_calls, 2);
    }

    #[test]
    fn price_belongs_to_the_method() {
        let ledger = Ledger::with_cap(100, Reserve::OneAtATime);
        ledger.reserve(DEAR).unwrap().settle(Credits::Charged(51));
        assert_eq!((ledger.price(DEAR), ledger.price(CHEAP)), (Some(51), None));
        assert!(ledger.reserve(DEAR).is_err(), "51 + 51 passes 100");
        ledger.reserve(CHEAP).unwrap().settle(Credits::Charged(1));
        let at_once: Vec<_> = (0..48).map(|_| ledger.reserve(CHEAP).unwrap()).collect();
        assert!(ledger.reserve(CHEAP).is_err(), "51 + 1 + 48 is all");
        assert_eq!(at_once.len(), 48);
    }

    #[test]
    fn sends_one_paid_call_at_a_time_until_its_price_is_known() {
        let ledger = Ledger::with_cap(10, Reserve::OneAtATime);
        let first = ledger.reserve(DEAR).unwrap();
        for method in [DEAR, CHEAP] {
            let refused = ledger.reserve(method).err().unwrap();
            assert!(refused.is_transient() && !refused.would_fit_if_settled(), "{refused}");
        }
        first.settle(Credits::Charged(3));
        let second = ledger.reserve(DEAR).unwrap();
        assert!(ledger.reserve(CHEAP).is_ok(), "its price is unknown, but there is room");
        drop(second);
    }

    #[test]
    fn uncertain_call_of_unknown_price_takes_all_that_is_left() {
        let ledger = Ledger::with_cap(10, Reserve::OneAtATime);
        drop(ledger.reserve(DEAR).unwrap());
        let refused = ledger.reserve(DEAR).err().unwrap();
        assert!(!refused.is_transient() && refused.would_fit_if_settled());
        assert_eq!(
            refused.to_string(),
            "not sent, because it could pass the cap of 10 credits: 0 charged, 0 in flight, 1 uncertain, and the price \
             of an earlier call is not known; settle what is uncertain with `Client::reconcile` or \
             `Ledger::settle_uncertain`"
        );
        assert_eq!(ledger.snapshot().remaining(), Some(0));
        assert_eq!(ledger.settle_uncertain(4), 1);
        assert_eq!((ledger.snapshot().charged, ledger.snapshot().remaining()), (4, Some(6)));
    }

    #[test]
    fn uncertain_and_in_flight_calls_rise_with_the_price() {
        let ledger = Ledger::with_cap(100, Reserve::PerCall(1));
        let [a, b, c] = std::array::from_fn(|_| ledger.reserve(DEAR).unwrap());
        drop(a);
        assert_eq!((ledger.snapshot().uncertain, ledger.snapshot().in_flight), (1, 2));
        b.settle(Credits::Charged(40));
        assert_eq!((ledger.snapshot().uncertain, ledger.snapshot().in_flight), (40, 40));
        assert!(ledger.reserve(DEAR).is_err());
        c.settle(Credits::NotCharged);
        assert!(ledger.reserve(DEAR).is_err(), "40 charged, 40 uncertain, 40 more pass 100");
        assert!(ledger.reserve(CHEAP).is_ok());
    }

    #[test]
    fn clones_share_and_threads_add_up_exactly() {
        let ledger = Ledger::with_cap(500, Reserve::PerCall(1));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let ledger = ledger.clone();
                scope.spawn(move || {
                    for _ in 0..100 {
                        if let Ok(reservation) = ledger.reserve(DEAR) {
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
        let ledger = Ledger::with_cap(u64::MAX, Reserve::OneAtATime);
        ledger.reserve(DEAR).unwrap().settle(Credits::Charged(u64::MAX));
        ledger.charge(DEAR, 5);
        assert_eq!(ledger.snapshot().committed(), u64::MAX);
        assert!(ledger.reserve(DEAR).is_err());
        ledger.set_cap(None);
        let held: Vec<_> = (0..3).map(|_| ledger.reserve(DEAR).unwrap()).collect();
        assert_eq!((ledger.snapshot().in_flight, held.len()), (u64::MAX, 3));
    }

    #[test]
    fn reserve_of_nothing_is_one() {
        let ledger = Ledger::with_cap(2, Reserve::PerCall(0));
        let held = [ledger.reserve(DEAR).unwrap(), ledger.reserve(DEAR).unwrap()];
        assert!(ledger.reserve(DEAR).is_err());
        drop(held);
    }
}
