//! A book in memory, shared by clones and threads.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::{Book, BudgetUse, CapReached, Comparison, ComparisonStart, Cost, Entry, Limits, Reconciliation};
use crate::panics;
use crate::sync::{Mutex, MutexGuard};

/// The book of an account in memory. Clones share it.
///
/// Every client has one, unless a [store](crate::store) replaces it. It starts at zero, and is lost when the process
/// ends.
///
/// Share it between clones of one client. Clients that were created separately can share it too, but their clocks count
/// from different moments, so a comparison by another client waits the whole late-charge window again.
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
    /// Tasks that wait for room under a limit, or for the end of a comparison.
    waiting: Vec<Waker>,
    changes: u64,
    /// The origin of the times in the book.
    origin: u64,
}

/// A time by one of the clocks that share a ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LedgerTime {
    /// Identifies the moment that the clock counts from.
    pub(crate) origin: u64,
    pub(crate) millis: u64,
}

impl State {
    /// Returns the time in milliseconds. Discards the times in the book if they count from another moment.
    fn book_time(&mut self, now: LedgerTime) -> u64 {
        if self.origin != now.origin {
            self.origin = now.origin;
            self.book.discard_times();
        }
        now.millis
    }
}

/// The reason why an attempt is not admitted.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    Cap(CapReached),
    /// A comparison with the balance blocks new attempts.
    ComparisonRunning,
}

impl Ledger {
    /// Creates an empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a copy of the book.
    pub fn book(&self) -> Book {
        self.lock().book.clone()
    }

    /// Resolves all uncertain calls by hand, at a total cost of `credits`. Returns the number of their uncertain
    /// attempts.
    ///
    /// The next comparison then only records the balance, as the first one does.
    /// [`Client::reconcile`](crate::Client::reconcile) resolves calls by the balance instead.
    pub fn resolve_uncertain(&self, credits: u64) -> u64 {
        self.change(|state| state.book.resolve_all(credits))
    }

    /// Records a purchase of `credits`, so that comparisons with the balance stay exact. Call this before the next
    /// comparison.
    pub fn record_purchase(&self, credits: u64) {
        self.change(|state| state.book.purchase(credits));
    }

    /// Replaces the price of an API method, given its `ApiMethod::NAME`, for example after a wrong `op_cost`. `None`
    /// means unknown. Returns the old price.
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
    ) -> Result<Reservation, NotAdmitted> {
        let book = &mut self.lock().book;
        if book.blocks_attempts(now) {
            return Err(NotAdmitted::ComparisonRunning);
        }
        let entry = book.admit(method.into(), limits, date).map_err(NotAdmitted::Cap)?;
        Ok(Reservation { ledger: self.clone(), entry })
    }

    /// Wakes a task at the next change that may make room. Returns the number of such changes so far.
    pub(crate) fn watch(&self, waker: &Waker) -> u64 {
        let mut state = self.lock();
        if !state.waiting.iter().any(|other| other.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        state.changes
    }

    /// Books a charged call that was considered free when it began, `elapsed` ago.
    pub(crate) fn charge(&self, method: &'static str, cost: Cost, elapsed: Duration, now: LedgerTime) {
        self.change(|state| {
            let now = state.book_time(now);
            let began = now.saturating_sub(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
            state.book.charge(method.into(), cost, began, now);
        });
    }

    /// Returns whether a method was ever charged.
    pub(crate) fn has_charged(&self, method: &str) -> bool {
        self.lock().book.price(method).is_some()
    }

    /// Returns whether a balance is recorded.
    pub(crate) fn has_baseline(&self) -> bool {
        self.lock().book.balance().is_some()
    }

    /// Starts a comparison of the book with the balance, for custom drivers. [`Client::reconcile`] is the complete comparison.
    ///
    /// Call this until it returns `ComparisonStart::Started`, request the balance, then call
    /// [`finish_comparison`](Self::finish_comparison). New attempts are blocked while this returns
    /// `ComparisonStart::Busy`, and again from the start to the finish, each time for at most 40 s.
    ///
    /// `token` distinguishes concurrent comparisons. `window` is how long an uncertain call may still be charged after
    /// its end. `now` is in milliseconds since the fixed moment of the driver's [`Now`](crate::call::Now).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tgscan_core::{Ledger, Outcome, account::ComparisonStart};
    ///
    /// let ledger = Ledger::new();
    /// let ComparisonStart::Started(comparison) = ledger.start_comparison(1, Duration::from_secs(30), 0) else { panic!("calls are in flight") };
    /// let balance = 100; // Request it here.
    /// assert_eq!(ledger.finish_comparison(comparison, balance, 10).outcome, Outcome::Baseline);
    /// ```
    ///
    /// [`Client::reconcile`]: crate::Client::reconcile
    pub fn start_comparison(&self, token: u64, window: Duration, now: u64) -> ComparisonStart {
        self.start_comparison_at(token, window, LedgerTime { origin: 0, millis: now })
    }

    pub(crate) fn start_comparison_at(
        &self,
        token: u64,
        window: Duration,
        now: LedgerTime,
    ) -> ComparisonStart {
        let mut state = self.lock();
        let now = state.book_time(now);
        state.book.start_comparison(token, window, now)
    }

    /// Compares with a balance that was requested after the comparison started, and resolves uncertain calls if possible.
    pub fn finish_comparison(&self, comparison: Comparison, balance: i64, now: u64) -> Reconciliation {
        self.finish_comparison_at(comparison, balance, LedgerTime { origin: 0, millis: now })
    }

    pub(crate) fn finish_comparison_at(
        &self,
        comparison: Comparison,
        balance: i64,
        now: LedgerTime,
    ) -> Reconciliation {
        self.change(|state| {
            let now = state.book_time(now);
            state.book.finish_comparison(comparison, balance, now, 0, &mut []).0
        })
    }

    /// Ends a comparison without a balance, for example after a failed request for it. Unblocks new attempts.
    pub fn end_comparison(&self, token: u64) {
        self.change(|state| state.book.end_comparison(token));
    }

    /// Changes the book, and wakes the waiting tasks.
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

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the book inconsistent, because no critical section panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An admitted call. If it is dropped before its settlement, its attempt in flight is uncertain.
pub(crate) struct Reservation {
    ledger: Ledger,
    entry: Entry,
}

impl Reservation {
    /// Records that no attempt is running. The credits stay reserved.
    pub(crate) fn pause(&mut self) {
        let Self { ledger, entry } = self;
        ledger.change(|state| state.book.pause(entry));
    }

    /// Admits another attempt of a call with `uncertain` uncertain attempts.
    pub(crate) fn renew(&mut self, uncertain: u32, limits: &Limits, now: u64) -> Result<(), NotAdmitted> {
        let book = &mut self.ledger.lock().book;
        if book.blocks_attempts(now) {
            return Err(NotAdmitted::ComparisonRunning);
        }
        book.renew(&mut self.entry, uncertain, limits).map_err(NotAdmitted::Cap)
    }

    /// Books the settlement. The time matters only for uncertain attempts. Returns the `observed` limits whose use this
    /// raised to 80% or to the limit.
    pub(crate) fn settle(
        &mut self,
        cost: Cost,
        now: Option<LedgerTime>,
        observed: Option<&Limits>,
    ) -> Vec<BudgetUse> {
        let Self { ledger, entry } = self;
        ledger.change(|state| {
            let now = now.map(|now| state.book_time(now));
            state
                .book
                .settle_with_warnings(entry, observed, |book, entry| book.settle(entry, cost, None, now))
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.entry.is_in_flight {
            let Self { ledger, entry } = self;
            ledger.change(|state| state.book.lose_owner(entry, None));
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
        let mut call = ledger.clone().admit(METHOD, &limits(9), 0, None).unwrap();
        let raised = call.settle(charged(8), None, Some(&limits(9)));
        assert!(matches!(&raised[..], [raised] if raised.used == 8 && raised.is_exhausted), "{raised:?}");
        assert_eq!((ledger.book().totals().charged, ledger.book().price(METHOD)), (8, Some(8)));
        assert!(format!("{ledger:?}").contains("charged: 8"), "{ledger:?}");
        assert!(ledger.has_charged(METHOD) && !ledger.has_charged("other"));
        assert_eq!(ledger.set_price(METHOD, None), Some(8));
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
    fn comparison_waits_for_late_charges_if_clocks_count_from_different_moments() {
        let (ledger, late) = (Ledger::new(), Duration::from_secs(30));
        let uncertain = Cost { charged: 0, uncertain: 1 };
        let at = |origin, millis| LedgerTime { origin, millis };
        ledger.admit(METHOD, &limits(9), 0, None).unwrap().settle(uncertain, Some(at(0, 1000)), None);
        assert_eq!(ledger.start_comparison_at(1, late, at(2, 90_000)), ComparisonStart::TooEarly(late));
        assert!(matches!(ledger.start_comparison_at(1, late, at(2, 120_000)), ComparisonStart::Started(_)));
    }

    #[test]
    fn comparison_blocks_attempts_until_it_ends() {
        let ledger = Ledger::new();
        let mut paused = ledger.admit(METHOD, &limits(9), 0, None).unwrap();
        paused.pause();
        let ComparisonStart::Started(comparison) = ledger.start_comparison(1, Duration::ZERO, 0) else {
            panic!("busy")
        };
        assert!(matches!(ledger.admit(METHOD, &limits(9), 0, None), Err(NotAdmitted::ComparisonRunning)));
        assert!(matches!(paused.renew(0, &limits(9), 0), Err(NotAdmitted::ComparisonRunning)));
        assert!(!ledger.has_baseline());
        ledger.finish_comparison(comparison, 5, 0);
        assert!(ledger.has_baseline());
        paused.renew(0, &limits(9), 0).unwrap();
        assert!(matches!(ledger.admit(METHOD, &limits(1), 0, None), Err(NotAdmitted::Cap(_))));
    }

    #[test]
    fn changes_that_may_make_room_wake_each_task_once() {
        struct Count(AtomicU64, Ledger);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                // A waker may use the ledger.
                drop(self.1.book());
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let ledger = Ledger::new();
        let [one, two] = [(); 2].map(|()| Arc::new(Count(AtomicU64::new(0), ledger.clone())));
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
            &|| ledger.charge(METHOD, charged(1), Duration::ZERO, LedgerTime { origin: 0, millis: 0 }),
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
