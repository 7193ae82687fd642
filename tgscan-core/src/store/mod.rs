//! Records paid calls durably: no question is paid for twice and no paid answer is lost, across crashes, restarts and
//! machines.
//!
//! A call is claimed before it is sent, and settled before its caller gets the answer. Add a store to a client with
//! [`Client::with_store`](crate::Client::with_store). The crate `tgscan-store` has stores in a file, in PostgreSQL and in
//! memory.
//!
//! ```text
//!  claim (durable) ─► granted ─► attempts ─► settle (durable) ─► reply
//!      ├► stored answer (≤ max_age): 0 credits      ├ answered: keeps response, credits, time
//!      ├► in flight elsewhere: wait, claim again    ├ not charged: the call is removed
//!      ├► uncertain or unanswered: an error         └ uncertain or unanswered: blocks the
//!      └► cap or budget reached: an error             question, counts against the cap
//! ```
//!
//! # Write a store
//! A [`Store`] contains no rules. A transaction loads the rows in [`Needs`], passes them to the rules of this crate
//! ([`Decide`]), and writes the [`Changes`] that they return. Requirements:
//! 1. **One transaction at a time for each account.** Between the load and the write of a transaction, no other
//!    transaction on the account loads.
//! 2. **Durable and atomic.** When [`Store::transact`] returns, all changes survive a crash. If it fails, no change is written,
//!    or the error is [in doubt](StoreError::in_doubt).
//! 3. **Owners.** Claims belong to an owner, which is an open store. An owner is alive as long as its lock or lease
//!    lasts. In each transaction, the lease must still last for at least [`Store::fence`]; if not, renew it first.
//!    Calls in flight of a dead owner are in [`Loaded::lost`]. An owner's number is never reused.
//! 4. **Indexes** are derived from the rows; see [`Selection`].
//! 5. **Damaged rows** fail only the operations on them: add rows with [`Loaded::add_call`],
//!    [`Loaded::add_question`] and [`Loaded::add_journal`].
//! 6. **Limits.** Every function returns within a time limit, even if the disk or the network does not respond, because
//!    the callers of claims and settlements wait for it.
//!
//! `tgscan-mock` has a conformance suite that checks these requirements, and the promises that depend on them.

mod account;
mod ask;
mod decide;
mod error;
#[cfg(test)]
mod explore;
mod forget;
mod operation;
mod people;
mod policy;
mod question;
mod record;
#[cfg(test)]
mod schedules;
mod slot;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;

pub use account::Account;
pub use ask::Answered;
pub(crate) use ask::{AccountReply, Request, Unwritten, ask, people_of};
pub use error::{StoreError, StoreRefusal};
pub(crate) use operation::{Claim, Done, Operation, Settlement, next_token};
pub(crate) use people::in_body as people_in;
pub use policy::{Lookup, StorePolicy};
pub use question::{AccountName, Question};
pub use record::{
    Answer, BillRow, Call, CallId, CallState, Erased, Event, JournalEntry, OwnerId, QuestionRow, Row,
};
pub(crate) use slot::{Sender, slot};
pub use transaction::{AccountRow, Changes, Found, Loaded, Needs, Selection};

/// A task that a store or runtime runs to completion.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Returns the changes to write for the loaded rows. May run again if a transaction is repeated.
pub type Decide = Box<dyn FnMut(Loaded) -> Changes + Send>;

/// A database of accounts; see the [module](self) for the requirements.
#[async_trait]
pub trait Store: Send + Sync {
    /// Runs a transaction on an account: locks it, loads the rows in `needs`, calls `decide`, and writes the returned changes.
    ///
    /// # Errors
    /// If nothing was written, or if it is [in doubt](StoreError::in_doubt).
    async fn transact(&self, account: &AccountName, needs: Needs, decide: Decide) -> Result<(), StoreError>;

    /// Reads rows of an account. Does not wait for transactions.
    ///
    /// # Errors
    /// If the store fails.
    async fn read(&self, account: &AccountName, rows: Selection) -> Result<Found, StoreError>;

    /// Lists all accounts.
    ///
    /// # Errors
    /// If the store fails.
    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError>;

    /// Removes deleted rows from the disk, as far as the store can.
    ///
    /// # Errors
    /// If deleted rows remain on the disk. The text states the remedy.
    async fn compact(&self) -> Result<(), StoreError>;

    /// Runs a task to completion on a thread or runtime of the store, independently of the caller.
    fn spawn(&self, task: Task);

    /// Waits for this duration, in a task of [`spawn`](Self::spawn).
    async fn pause(&self, duration: Duration);

    /// Returns how long the confirmation of a claim is valid. An attempt that begins later renews the claim first. Must
    /// be at most half of a lease. Default: 5 s.
    fn fence(&self) -> Duration {
        Duration::from_secs(5)
    }
}
