//! A durable record of paid calls: no question is paid for twice and no paid answer is lost, across crashes, restarts
//! and machines.
//!
//! A [`Store`] is asked before a paid call is sent ([`Store::claim`]) and told how it ended ([`Store::settle`]). Give one
//! to a client with [`Client::with_store`](crate::Client::with_store); `tgscan-store` has stores in a file, in PostgreSQL
//! and in memory. Without one, nothing is kept.
//!
//! ```text
//!  claim (durable) ──► granted ──► send … ──► settle (durable) ──► reply
//!      │                                        ├ answered: response, credits, time
//!      ├► stored answer: 0 credits              ├ not charged: the claim is gone
//!      ├► in flight elsewhere: wait, ask again  └ unanswered: stays, counts against the cap
//!      ├► uncertain since …: an error, nothing is sent
//!      └► cap reached
//! ```
//!
//! # What a store must hold
//! Whatever dies when:
//! 1. **Claims are durable first.** A granted claim survives a crash before [`Store::claim`] returns it.
//! 2. **Answers are durable first.** An answer survives a crash before [`Store::settle`] returns.
//! 3. **One claim per question.** However many tasks and processes ask a question at once, one of them is granted; the
//!    others get [`Claim::InFlight`] until it is settled.
//! 4. **Dead owners leave uncertain calls.** A claim whose owner died is [`Claim::Uncertain`]: never free, never granted
//!    again by itself. It ends by [`Store::finish_reconcile`], by [`Store::resolve`], or by a request that
//!    [allows paying twice](ClaimRequest::pay_again_after).
//! 5. **The cap counts everyone.** Charged, in flight and uncertain calls of all who share the store count, across
//!    restarts, one row per call.
//! 6. **Nothing outlives `keep_for`.** Erasing a person removes questions and answers, and leaves the bill.
//! 7. **Accounts never mix**, nor do live and test.
//!
//! `tgscan-mock` has a conformance suite that checks these.

mod book;
mod call;
mod claim;
mod drive;
mod error;
mod person;
mod policy;
mod question;
mod record;

use std::time::Duration;

use async_trait::async_trait;
use tgscan_types::UserQuery;

pub use book::{AccountBook, MethodBook, ReconcileStart, StoreCap, StoreCapReached, StoreReconciliation};
pub use call::{ClaimBackoff, ClaimStep, GrantedCall, PendingClaim, PendingSettlement, RunningCall};
pub use claim::{CallId, Claim, ClaimRequest, Settlement, StoredAnswer};
pub(crate) use drive::{Stored, Task};
pub use error::{StoreError, StoreRefusal};
pub use person::Person;
pub use policy::{Lookup, StorePolicy};
pub use question::Question;
pub use record::{BillRow, CallState, Erased, StoredCall};

/// A durable record of paid calls; see the [module](self) for what it must hold.
///
/// Object-safe. Times are the store's own: its process's clock, or the database server's.
#[async_trait]
pub trait Store: Send + Sync {
    /// Claims a question before it is sent, or says why it need not or must not be sent. A granted claim is durable when
    /// this returns.
    ///
    /// If the future is dropped before it has answered, a claim that it made is given back as not charged.
    ///
    /// # Errors
    /// If the store fails. Then nothing may be sent. A claim that was written all the same is given back or uncertain.
    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError>;

    /// Books how a claimed call ended, durably. Also accepts a claim that was taken for dead meanwhile: what really
    /// happened replaces the uncertainty. The question of an erased call gets no answer; its credits are booked.
    ///
    /// # Errors
    /// If the store fails. The claim then stays, and is uncertain once its owner is gone.
    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError>;

    /// Called when a claimed call is dropped before it has ended, and when [`settle`](Self::settle) has failed. Returns at
    /// once; the store books it as soon as it can, as `settle` would, and tries again if it fails.
    fn abandon(&self, call: CallId, settlement: Settlement);

    /// Returns the totals of an account; empty if the store has not seen it.
    ///
    /// # Errors
    /// If the store fails.
    async fn book(&self, account: &str) -> Result<AccountBook, StoreError>;

    /// Lists the uncertain calls of an account, oldest first.
    ///
    /// # Errors
    /// If the store fails.
    async fn uncertain(&self, account: &str) -> Result<Vec<StoredCall>, StoreError>;

    /// Settles an uncertain call by hand: it cost `credits`, 0 for nothing. Its question may be asked again. Returns
    /// `false`, and changes nothing, if there is no such uncertain call.
    ///
    /// # Errors
    /// If the store fails.
    async fn resolve(&self, call: CallId, credits: u64) -> Result<bool, StoreError>;

    /// Begins to compare an account with its balance, before the balance is asked for.
    ///
    /// # Errors
    /// If the store fails.
    async fn start_reconcile(&self, account: &str) -> Result<ReconcileStart, StoreError>;

    /// Compares an account with the balance that was asked for since `start`, and settles what was uncertain if it can;
    /// see [`AccountBook::reconcile`].
    ///
    /// # Errors
    /// If the store fails.
    async fn finish_reconcile(
        &self,
        account: &str,
        start: ReconcileStart,
        balance: i64,
    ) -> Result<StoreReconciliation, StoreError>;

    /// Records a purchase of `credits`, so that comparing with the balance stays exact.
    ///
    /// # Errors
    /// If the store fails.
    async fn record_top_up(&self, account: &str, credits: u64) -> Result<(), StoreError>;

    /// Lists calls and charged credits by account, day (UTC) and API method, in this order.
    ///
    /// # Errors
    /// If the store fails.
    async fn bill(&self) -> Result<Vec<BillRow>, StoreError>;

    /// Lists up to `limit` calls with an id above `after`, ascending: one row per call ever claimed and not free, with
    /// its question and answer unless they expired or were erased.
    ///
    /// # Errors
    /// If the store fails.
    async fn calls(&self, after: CallId, limit: usize) -> Result<Vec<StoredCall>, StoreError>;

    /// Removes questions and answers whose time is over; returns how many. Uncertain calls and calls in flight keep
    /// their question.
    ///
    /// # Errors
    /// If the store fails.
    async fn expire(&self) -> Result<u64, StoreError>;

    /// Removes every question about a person and every answer with that person in it, under any name or id that these
    /// answers connect; see [`Person`]. The bill keeps its rows. A file is compacted, so that nothing is left on disk.
    ///
    /// # Errors
    /// If the store fails.
    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError>;
}

/// How long a claim that is in flight elsewhere is waited for before it is asked about again: from 5 ms, doubling up to
/// half a second.
fn wait_before(again: u32) -> Duration {
    Duration::from_millis(5).saturating_mul(1 << again.min(7)).min(Duration::from_millis(500))
}
