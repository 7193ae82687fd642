//! Compares the book with the balance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tgscan_types::Balance;

use crate::account::{Book, Comparison, ComparisonStart, LedgerTime, Outcome, Reconciliation};
use crate::panics::catch;
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

/// A comparison that makes room for a call. If it is dropped before it is conclusive, the next call may compare again.
struct Reconciling<'a> {
    reconciled: &'a AtomicU64,
    result: u64,
}

impl Drop for Reconciling<'_> {
    fn drop(&mut self) {
        self.reconciled.store(self.result, Ordering::Relaxed);
    }
}

impl Client {
    /// Compares the book with the balance, which is free to request, and resolves uncertain calls if possible. With a
    /// store, this applies to all processes that share it.
    ///
    /// The first comparison only records the balance, so call this before the first paid call.
    ///
    /// If a call is uncertain, this first waits until it can no longer be charged late
    /// ([`with_late_charge_window`](Self::with_late_charge_window)). Then it waits for the attempts in flight, and
    /// requests the balance. Each of these two steps delays new attempts, for at most 40 s.
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
            match self.start_comparison(guard.token).await? {
                ComparisonStart::Started(comparison) => break comparison,
                ComparisonStart::TooEarly(wait) if !has_waited => {
                    has_waited = true;
                    self.shared.timer.sleep(wait).await;
                }
                // Another call has become uncertain.
                ComparisonStart::TooEarly(_) => return self.inconclusive(Outcome::TooEarly).await,
                ComparisonStart::Busy => {
                    guard.is_started = true;
                    let until = *until.get_or_insert_with(|| self.now().saturating_add(MAX_WAIT));
                    if self.now() >= until {
                        return self.inconclusive(Outcome::CallsInFlight).await;
                    }
                    self.shared.timer.sleep(PAUSE).await;
                }
            }
        };
        guard.is_started = true;
        let balance = Box::pin(self.run(Balance {}, None)).await?.answer.num_credits;
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
        let is_known = match self.book().await {
            Ok(book) if book.balance().is_some() => true,
            Ok(_) => self.reconcile().await.is_ok_and(|report| report.outcome.is_conclusive()),
            Err(_) => false,
        };
        self.shared.has_balance.store(is_known, Ordering::Relaxed);
    }

    /// Reconciles to make room for a call, unless the book has not changed since the last such comparison.
    pub(super) async fn reconcile_once(&self) {
        let Ok(before) = self.book().await else { return };
        if self.shared.reconciled.swap(before.revision(), Ordering::Relaxed) == before.revision() {
            return;
        }
        let mut attempt = Reconciling { reconciled: &self.shared.reconciled, result: u64::MAX };
        let report = self.reconcile().await;
        if report.is_ok_and(|report| report.outcome.is_conclusive()) {
            if let Ok(after) = self.book().await {
                attempt.result = after.revision();
            }
        }
    }

    async fn start_comparison(&self, token: u64) -> Result<ComparisonStart, Error> {
        let late_charge = self.shared.late_charge;
        match self.account() {
            None => Ok(self.ledger().start_comparison_at(token, late_charge, self.instant())),
            Some(account) => {
                match account
                    .perform(Operation::StartComparison { token, late_charge })
                    .await
                    .map_err(failed)?
                {
                    Done::Started(start) => Ok(start),
                    _ => Ok(ComparisonStart::Busy),
                }
            }
        }
    }

    async fn finish_comparison(&self, comparison: Comparison, balance: i64) -> Result<Reconciliation, Error> {
        match self.account() {
            None => Ok(self.ledger().finish_comparison(comparison, balance, self.millis())),
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

    fn millis(&self) -> u64 {
        u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX)
    }

    fn instant(&self) -> LedgerTime {
        LedgerTime { origin: self.shared.timer_origin, millis: self.millis() }
    }
}

fn failed(error: StoreError) -> Error {
    let kind = ErrorKind::Store(StoreRefusal::Failed(error));
    Error::new("balance", kind, Credits::NotCharged, 0)
}
