//! A book in memory, shared by clones and threads.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::{Book, BudgetUse, CapReached, Comparison, Cost, Entry, Limits, Reconciliation, Start};
use crate::panics;
use crate::sync::{Mutex, MutexGuard};

/// The book of an account in memory. Clones share it.
///
/// Every client has one, unless a [store](crate::store) replaces it. A call that can cost credits counts in it from before
/// it is sent until its cost is known. It starts at zero and ends with the process.
///
/// ```
/// use tgscan_core::Ledger;
///
/// let now = Ledger::new().book().totals();
/// assert_eq!((now.charged, now.in_flight, now.uncertain), (0, 0, 0));
/// ```
#[derive(Clone, Default)]
pub struct Ledger {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    book: Book,
    /// Tasks that wait for room, or for a comparison to end.
    waiting: Vec<Waker>,
    changes: u64,
    /// The origin of the times in the book.
    origin: u64,
}

/// A time by one of the clocks that share a ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant {
    /// Which moment it counts from.
    pub(crate) origin: u64,
    pub(crate) millis: u64,
}

impl State {
    /// The time for the book, whose own times count from the same moment afterwards.
    fn read(&mut self, now: Instant) -> u64 {
        if self.origin != now.origin {
            self.origin = now.origin;
            self.book.forget_times();
        }
        now.millis
    }
}

/// Why a call cannot be admitted now.
#[derive(Debug)]
pub(crate) enum Refusal {
    Cap(CapReached),
    /// A comparison with the balance holds new attempts back.
    Held,
}

impl Ledger {
    /// Creates a ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the book as it is now.
    pub fn book(&self) -> Book {
        self.lock().book.clone()
    }

    /// Resolves all uncertain calls by hand: they cost `credits` together. Returns how many attempts that were.
    ///
    /// For a person who has looked at the account's statement; [`Client::reconcile`](crate::Client::reconcile) asks the
    /// service.
    pub fn resolve_uncertain(&self, credits: u64) -> u64 {
        self.change(|state| state.book.resolve_all(credits))
    }

    /// Records a purchase of `credits`, so that comparing with the balance stays exact. Record it when you buy, before the
    /// next comparison.
    pub fn record_purchase(&self, credits: u64) {
        self.change(|state| state.book.purchase(credits));
    }

    /// Replaces the price of an API method, by `ApiMethod::NAME`, for example after a wrong `op_cost`. Returns the old one.
    pub fn set_price(&self, method: &str, price: Option<u64>) -> Option<u64> {
        self.change(|state| state.book.set_price(method, price))
    }

    /// Admits a call. Times are in milliseconds: `now` since any moment, `date` since 1970.
    #[inline]
    pub(crate) fn admit(
        &self,
        method: &'static str,
        limits: &Limits,
        now: u64,
        date: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let book = &mut self.lock().book;
        if book.is_held(now) {
            return Err(Refusal::Held);
        }
        let entry = book.admit(method.into(), limits, date).map_err(Refusal::Cap)?;
        Ok(Reservation { ledger: self.clone(), entry, is_settled: false })
    }

    /// Wakes a task when a call ends or the book changes otherwise. Returns how many times it has.
    pub(crate) fn watch(&self, waker: &Waker) -> u64 {
        let mut state = self.lock();
        if !state.waiting.iter().any(|other| other.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        state.changes
    }

    /// Books a call that was taken for free when it was sent.
    pub(crate) fn charge(&self, method: &'static str, cost: Cost, now: Instant) {
        self.change(|state| {
            let now = state.read(now);
            state.book.charge(method.into(), cost, Some(now));
        });
    }

    /// Whether a method has ever charged anything.
    pub(crate) fn has_charged(&self, method: &str) -> bool {
        self.lock().book.price(method).is_some()
    }

    /// Begins to compare the book with the balance, for custom drivers; [`Client::reconcile`] does all of it.
    ///
    /// Call this until it returns `Start::Begun`, ask for the balance, then call
    /// [`finish_comparison`](Self::finish_comparison). New attempts are held back in between, at most 40 s. `token` tells
    /// concurrent comparisons apart; `late` is how long after its end an uncertain call may still be charged; `now` is the
    /// time in milliseconds since the moment that the calls count from.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tgscan_core::{Ledger, Outcome, account::Start};
    ///
    /// let ledger = Ledger::new();
    /// let Start::Begun(comparison) = ledger.start_comparison(1, Duration::from_secs(30), 0) else { panic!("calls are in flight") };
    /// let balance = 100; // Asked for here.
    /// assert_eq!(ledger.finish_comparison(comparison, balance, 10).outcome, Outcome::Baseline);
    /// ```
    ///
    /// [`Client::reconcile`]: crate::Client::reconcile
    pub fn start_comparison(&self, token: u64, late: Duration, now: u64) -> Start {
        self.start_comparison_at(token, late, Instant { origin: 0, millis: now })
    }

    pub(crate) fn start_comparison_at(&self, token: u64, late: Duration, now: Instant) -> Start {
        let mut state = self.lock();
        let now = state.read(now);
        state.book.start_comparison(token, late, now)
    }

    /// Compares with the balance that was asked for since the comparison began, and resolves uncertain calls if it can.
    pub fn finish_comparison(&self, comparison: Comparison, balance: i64, now: u64) -> Reconciliation {
        self.change(|state| state.book.finish_comparison(comparison, balance, now, 0, &mut []).0)
    }

    /// Ends a comparison without a balance.
    pub fn end_comparison(&self, token: u64) {
        self.change(|state| state.book.end_comparison(token));
    }

    /// Changes the book in a way that may make room.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.changes += 1;
        if !state.waiting.is_empty() {
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(panics::wake);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the numbers whole, so a panic elsewhere does not make them wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that a ledger admitted. Dropped before it has ended, its attempt in flight counts as uncertain.
pub(crate) struct Reservation {
    ledger: Ledger,
    entry: Entry,
    is_settled: bool,
}

impl Reservation {
    /// Notes that no attempt is running. What the call reserved stays reserved.
    pub(crate) fn pause(&mut self) {
        let Self { ledger, entry, .. } = self;
        ledger.change(|state| state.book.pause(entry));
    }

    /// Admits another attempt; `uncertain` attempts of the call have no known cost.
    pub(crate) fn renew(&mut self, uncertain: u32, limits: &Limits, now: u64) -> Result<(), Refusal> {
        let book = &mut self.ledger.lock().book;
        if book.is_held(now) {
            return Err(Refusal::Held);
        }
        book.renew(&mut self.entry, uncertain, limits).map_err(Refusal::Cap)
    }

    /// Books how the call ended, at a time if it matters.
    pub(crate) fn settle(mut self, cost: Cost, now: Option<Instant>) {
        self.is_settled = true;
        let Self { ledger, entry, .. } = &mut self;
        ledger.change(|state| {
            let now = now.map(|now| state.read(now));
            state.book.settle(entry, cost, None, now);
        });
    }

    /// As [`settle`](Self::settle), and returns the limits that the call raised to 80 % or used up.
    pub(crate) fn settle_and_watch(
        mut self,
        cost: Cost,
        now: Option<Instant>,
        limits: &Limits,
    ) -> Vec<BudgetUse> {
        self.is_settled = true;
        let Self { ledger, entry, .. } = &mut self;
        ledger.change(|state| {
            let now = now.map(|now| state.read(now));
            state.book.settle_and_watch(entry, limits, |book, entry| book.settle(entry, cost, None, now))
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_settled {
            let Self { ledger, entry, .. } = self;
            ledger.change(|state| state.book.lose(entry, None));
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.book().totals()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::account::Reserve;

    const METHOD: &str = "search";

    fn limits(credits: u64) -> Limits {
        Limits { cap: Some((credits, Reserve::PerCall(1))), budgets: Vec::new() }
    }

    fn charged(credits: u64) -> Cost {
        Cost { charged: credits, uncertain: 0 }
    }

    #[test]
    fn clones_share_a_book() {
        let ledger = Ledger::new();
        ledger.clone().admit(METHOD, &limits(9), 0, None).unwrap().settle(charged(2), None);
        assert_eq!((ledger.book().totals().charged, ledger.book().price(METHOD)), (2, Some(2)));
        assert!(ledger.has_charged(METHOD) && !ledger.has_charged("other"));
        assert_eq!(ledger.set_price(METHOD, None), Some(2));
        assert!(!ledger.has_charged(METHOD));
    }

    #[test]
    fn dropped_reservation_is_uncertain_while_an_attempt_may_run() {
        let ledger = Ledger::new();
        drop(ledger.admit(METHOD, &limits(9), 0, None).unwrap());
        assert_eq!(ledger.book().totals().uncertain_attempts, 1);
        let mut paused = ledger.admit(METHOD, &limits(9), 0, None).unwrap();
        paused.pause();
        assert_eq!(ledger.book().totals().in_flight, 1);
        drop(paused);
        let now = ledger.book().totals();
        assert_eq!((now.in_flight, now.uncertain_attempts), (0, 1));
        let mut again = ledger.admit(METHOD, &limits(9), 0, None).unwrap();
        again.pause();
        again.renew(0, &limits(9), 0).unwrap();
        drop(again);
        assert_eq!(ledger.book().totals().uncertain_attempts, 2);
    }

    #[test]
    fn late_charge_is_waited_for_also_if_clocks_count_from_different_moments() {
        let (ledger, late) = (Ledger::new(), Duration::from_secs(30));
        let uncertain = Cost { charged: 0, uncertain: 1 };
        let at = |origin, millis| Instant { origin, millis };
        ledger.admit(METHOD, &limits(9), 0, None).unwrap().settle(uncertain, Some(at(1, 1000)));
        assert_eq!(ledger.start_comparison_at(1, late, at(2, 90_000)), Start::TooEarly(late));
        assert!(matches!(ledger.start_comparison_at(1, late, at(2, 120_000)), Start::Begun(_)));
    }

    #[test]
    fn comparison_holds_attempts_back_until_it_ends() {
        let ledger = Ledger::new();
        let mut paused = ledger.admit(METHOD, &limits(9), 0, None).unwrap();
        paused.pause();
        let Start::Begun(comparison) = ledger.start_comparison(1, Duration::ZERO, 0) else { panic!("busy") };
        assert!(matches!(ledger.admit(METHOD, &limits(9), 0, None), Err(Refusal::Held)));
        assert!(matches!(paused.renew(0, &limits(9), 0), Err(Refusal::Held)));
        ledger.finish_comparison(comparison, 5, 0);
        paused.renew(0, &limits(9), 0).unwrap();
        assert!(matches!(ledger.admit(METHOD, &limits(1), 0, None), Err(Refusal::Cap(_))));
    }

    #[test]
    fn changes_that_may_make_room_wake_each_task_once() {
        #[derive(Default)]
        struct Count(AtomicU64);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let ledger = Ledger::new();
        let (one, two) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let woken = || (one.0.load(Ordering::Relaxed), two.0.load(Ordering::Relaxed));
        let wakers = [one.clone().into(), one.clone().into(), two.clone().into()];
        let watch = || wakers.iter().map(|waker| ledger.watch(waker)).collect::<Vec<_>>();
        let before = watch();
        let reservation = ledger.admit(METHOD, &limits(9), 0, None).unwrap();
        assert_eq!((watch(), woken()), (before.clone(), (0, 0)));
        drop(reservation);
        assert_eq!((woken(), ledger.watch(Waker::noop())), ((1, 1), before[0] + 1));
        ledger.record_purchase(5);
        assert_eq!(woken(), (1, 1), "a task that does not watch again is not woken again");
        for (time, change) in [
            (&|| ledger.record_purchase(5)) as &dyn Fn(),
            &|| _ = ledger.resolve_uncertain(0),
            &|| _ = ledger.set_price(METHOD, Some(1)),
            &|| ledger.end_comparison(1),
            &|| ledger.charge(METHOD, charged(1), Instant { origin: 0, millis: 0 }),
        ]
        .into_iter()
        .enumerate()
        {
            watch();
            change();
            assert_eq!(woken().0, time as u64 + 2);
        }
    }
}
