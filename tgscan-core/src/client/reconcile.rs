//! Compares the book with the balance.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tgscan_types::Balance;

use crate::account::{Book, Comparison, ComparisonStart, LedgerTime, Outcome, Reconciliation};
use crate::panics::catch;
use crate::store::{Done, Operation, StoreError, StoreRefusal, next_token};
use crate::{Client, Credits, Error, ErrorKind};

/// The maximum wait for calls in flight; longer than an attempt.
const MAX_WAIT: Duration = Duration::from_secs(45);
/// The interval of checks whether calls in flight have ended.
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

impl Client {
    /// Requests the balance (free), compares the book with it, and resolves uncertain calls if possible: in the client's store,
    /// for all processes that share it, or else in the ledger.
    ///
    /// If a call is uncertain, this first waits until late charges are no longer possible
    /// ([`with_late_charge_window`](Self::with_late_charge_window)). Then it delays new attempts until the attempts in flight and
    /// the request for the balance have ended, for at most 40 s. The first comparison only records the balance, so make it
    /// before spending.
    ///
    /// Trusts the balance: spending by other programs on the same account is attributed to this client. Use one ledger or
    /// store for each account, and record purchases.
    ///
    /// # Errors
    /// If the balance could not be read, or the store fails.
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

    /// Records a baseline balance before the first paid call, to resolve uncertain calls later. Ignores failures, since the
    /// call then fails too.
    pub(super) async fn take_baseline(&self) {
        let is_known = match self.book().await {
            Ok(book) if book.balance().is_some() => true,
            Ok(_) => self.reconcile().await.is_ok_and(|report| report.outcome.is_conclusive()),
            Err(_) => false,
        };
        self.shared.has_balance.store(is_known, Ordering::Relaxed);
    }

    /// Reconciles to make room for a call, at most once for each change of the book.
    pub(super) async fn reconcile_once(&self) {
        let Ok(before) = self.book().await else { return };
        if self.shared.reconciled.swap(before.revision(), Ordering::Relaxed) == before.revision() {
            return;
        }
        let report = self.reconcile().await;
        if report.is_ok_and(|report| report.outcome.is_conclusive()) {
            if let Ok(after) = self.book().await {
                self.shared.reconciled.store(after.revision(), Ordering::Relaxed);
            }
        } else {
            self.shared.reconciled.store(u64::MAX, Ordering::Relaxed);
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
