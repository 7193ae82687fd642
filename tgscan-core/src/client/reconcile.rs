//! Compares the book with the balance; for calls, one comparison at a time.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tgscan_types::Balance;

use super::drive::{ClientClock, First};
use crate::account::{Book, Comparison, ComparisonStart, LedgerTime, Outcome, Reconciliation};
use crate::panics::{self, catch};
use crate::store::{Done, Operation, StoreError, StoreRefusal, next_token};
use crate::{Client, Credits, Error, ErrorKind};

/// The maximum wait for calls in flight; longer than an attempt.
const MAX_WAIT: Duration = Duration::from_secs(45);
/// The interval at which calls in flight are checked for their end.
const PAUSE: Duration = Duration::from_millis(50);

/// A comparison, which delays new attempts until it ends or is dropped.
struct ComparisonGuard<'a> {
    client: &'a Client,
    token: u64,
    /// Whether the book may have the barrier of this comparison.
    is_started: bool,
}

impl Drop for ComparisonGuard<'_> {
    fn drop(&mut self) {
        if !std::mem::take(&mut self.is_started) {
            return;
        }
        match self.client.account() {
            None => self.client.ledger().end_comparison(self.token),
            Some(account) => {
                catch(|| account.writer().submit_alone(Operation::EndComparison { token: self.token }));
            }
        }
    }
}

impl Client {
    /// Compares the book with the balance, which is free to request, and resolves uncertain calls if possible. With a
    /// store, this applies to all processes that share it.
    ///
    /// The first comparison only records the balance, so call this before the first paid call.
    ///
    /// If a call is uncertain, this first waits until it can no longer be charged late
    /// ([`with_late_charge_window`](Self::with_late_charge_window)). Then it waits up to 45 s for the attempts in flight,
    /// and requests the balance. Each of these two steps delays new attempts, for at most 40 s. A call in a backoff
    /// after a free attempt delays no comparison.
    ///
    /// Trusts the balance: spending by other programs on the same account is attributed to this client. Use one ledger or
    /// store for each account, and record purchases.
    ///
    /// # Errors
    /// If the request for the balance fails, or the store fails.
    pub async fn reconcile(&self) -> Result<Reconciliation, Error> {
        let mut guard = ComparisonGuard { client: self, token: next_token(), is_started: false };
        let (mut has_waited, mut until) = (false, None);
        let comparison = loop {
            match self.start_comparison(&mut guard).await? {
                ComparisonStart::Started(comparison) => break comparison,
                ComparisonStart::TooEarly(wait) if !has_waited => {
                    has_waited = true;
                    self.shared.timer.sleep(wait).await;
                }
                // Another call has become uncertain.
                ComparisonStart::TooEarly(_) => return self.inconclusive(Outcome::TooEarly).await,
                ComparisonStart::Busy => {
                    let until = *until.get_or_insert_with(|| self.now().saturating_add(MAX_WAIT));
                    if self.now() >= until {
                        return self.inconclusive(Outcome::CallsInFlight).await;
                    }
                    self.shared.timer.sleep(PAUSE).await;
                }
            }
        };
        let reply = Box::pin(self.drive(First::Internal(Balance {}), None)).await?;
        let balance = reply.answer.num_credits;
        let report = self.finish_comparison(comparison, balance).await?;
        guard.is_started = false;
        Ok(report)
    }

    /// Returns the book: the store's if the client has one, else the ledger's.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn book(&self) -> Result<Book, Error> {
        match self.account() {
            None => Ok(self.ledger().book()),
            Some(account) => account.book().await.map_err(failed),
        }
    }

    /// Returns whether a balance is recorded. Resolving the calls of a ledger by hand discards the balance.
    pub(super) fn has_baseline(&self) -> bool {
        self.shared.has_balance.load(Ordering::Relaxed)
            && (self.shared.place.is_some() || self.ledger().has_baseline())
    }

    /// Records a baseline balance before the first paid call, to resolve uncertain calls later. Ignores failures,
    /// because the call then probably fails too.
    pub(super) async fn take_baseline(&self) {
        let comparisons = self.shared.comparisons.clone();
        let Some(comparison) = self.begin_comparison(&comparisons).await else { return };
        let is_known = match self.book().await {
            Ok(book) if book.balance().is_some() => true,
            Ok(_) => self.reconcile().await.is_ok_and(|report| report.outcome.is_conclusive()),
            Err(_) => false,
        };
        self.shared.has_balance.store(is_known, Ordering::Relaxed);
        comparison.end(comparisons.revision());
    }

    /// Reconciles to make room for a call, unless the book has not changed since the last such comparison. If another
    /// caller compares, waits for the end of that comparison instead.
    pub(super) async fn reconcile_once(&self) {
        let comparisons = self.shared.comparisons.clone();
        let Some(comparison) = self.begin_comparison(&comparisons).await else { return };
        let Ok(before) = self.book().await else { return };
        if comparisons.revision() == Some(before.revision()) {
            return;
        }
        let is_conclusive = self.reconcile().await.is_ok_and(|report| report.outcome.is_conclusive());
        let after = if is_conclusive { self.book().await.ok() } else { None };
        comparison.end(after.map(|after| after.revision()));
    }

    /// Begins a comparison for a call. If one is running, waits for its end instead, for at most as long as a comparison
    /// may wait, and returns `None`.
    async fn begin_comparison<'a>(&self, comparisons: &'a Comparisons) -> Option<RunningComparison<'a>> {
        let limit = self.shared.late_charge.saturating_add(2 * MAX_WAIT);
        self.before(Some(self.now().saturating_add(limit)), comparisons.begin()).await.flatten()
    }

    /// Starts a comparison, unless attempts are running. Notes in the guard whether the book may have a barrier then,
    /// also if this future is dropped.
    async fn start_comparison(&self, guard: &mut ComparisonGuard<'_>) -> Result<ComparisonStart, Error> {
        let (token, late_charge) = (guard.token, self.shared.late_charge);
        let was_started = std::mem::replace(&mut guard.is_started, true);
        let started = match self.account() {
            None => Ok(self.ledger().start_comparison_at(
                token,
                late_charge,
                LedgerTime::of(&ClientClock(self, Duration::ZERO)),
            )),
            Some(account) => match account.perform(Operation::StartComparison { token, late_charge }).await {
                Ok(Done::Started(start)) => Ok(start),
                Ok(_) => Ok(ComparisonStart::Busy),
                Err(error) => Err(error),
            },
        };
        guard.is_started = match &started {
            Ok(start) => !matches!(start, ComparisonStart::TooEarly(_)),
            Err(error) => was_started || error.is_in_doubt(),
        };
        started.map_err(failed)
    }

    async fn finish_comparison(&self, comparison: Comparison, balance: i64) -> Result<Reconciliation, Error> {
        match self.account() {
            None => {
                let now = LedgerTime::of(&ClientClock(self, Duration::ZERO));
                Ok(self.ledger().finish_comparison_at(comparison, balance, now))
            }
            Some(account) => {
                match account
                    .perform(Operation::FinishComparison { comparison, balance })
                    .await
                    .map_err(failed)?
                {
                    Done::Compared(report) => Ok(report),
                    _ => self.inconclusive(Outcome::Overlapped).await,
                }
            }
        }
    }

    async fn inconclusive(&self, outcome: Outcome) -> Result<Reconciliation, Error> {
        Ok(self.book().await?.inconclusive(outcome))
    }
}

fn failed(error: StoreError) -> Error {
    let kind = ErrorKind::Store(StoreRefusal::Failed(error));
    Error::new("balance", kind, Credits::NotCharged, 0)
}

/// The comparisons that a client and its clones start for calls.
#[derive(Default)]
pub(super) struct Comparisons {
    state: Mutex<ComparisonState>,
}

#[derive(Default)]
struct ComparisonState {
    is_running: bool,
    /// The number of comparisons that ended and were not dropped.
    ended: u64,
    /// The book's revision after the last comparison, if that was conclusive.
    revision: Option<u64>,
    waiting: Vec<Waker>,
}

/// A running comparison. If it is dropped before its [end](Self::end), another caller may compare.
struct RunningComparison<'a>(&'a Comparisons);

impl Comparisons {
    /// Begins a comparison. If one is running, waits for its end instead, and returns `None`.
    async fn begin(&self) -> Option<RunningComparison<'_>> {
        let mut seen = None;
        poll_fn(|context| {
            let mut state = self.lock();
            if *seen.get_or_insert(state.ended) != state.ended {
                return Poll::Ready(None);
            }
            if !std::mem::replace(&mut state.is_running, true) {
                return Poll::Ready(Some(RunningComparison(self)));
            }
            if !state.waiting.iter().any(|other| other.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Returns the book's revision after the last comparison, if that was conclusive.
    fn revision(&self) -> Option<u64> {
        self.lock().revision
    }

    fn lock(&self) -> MutexGuard<'_, ComparisonState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningComparison<'_> {
    /// Ends the comparison, with the book's revision after it if it was conclusive. Callers that wait for it continue.
    fn end(self, revision: Option<u64>) {
        let mut state = self.0.lock();
        (state.ended, state.revision) = (state.ended + 1, revision);
    }
}

impl Drop for RunningComparison<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_running = false;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(panics::wake);
    }
}
