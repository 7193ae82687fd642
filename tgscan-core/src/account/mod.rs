//! The book of an account: what its calls cost, may have cost and may still cost, and all arithmetic on that.
//!
//! Pure functions over a [`Book`], which is a value. A [`Ledger`] is a book in memory; a
//! [store](crate::store) keeps the same book in its transactions. Amounts are credits.
//!
//! At any time: charged ≤ what the account really lost ≤ charged + uncertain, except for calls that cost more than their
//! reserve and for other programs that use the account, which [`Client::reconcile`](crate::Client::reconcile) finds.

mod admit;
mod book;
mod budget;
mod compare;
mod entry;
mod ledger;
#[cfg(test)]
mod tests;
mod usage;

pub use admit::CapReached;
pub(crate) use admit::Limits;
pub use book::{Book, Totals};
pub(crate) use budget::civil;
pub use budget::{Budget, BudgetKey, Period, Reserve};
pub(crate) use compare::{CLOCK_SLACK, Joint};
pub use compare::{Comparison, Outcome, Reconciliation, Start};
pub(crate) use entry::Cost;
pub use entry::Entry;
pub use ledger::Ledger;
pub(crate) use ledger::{Instant, Refusal, Reservation};
pub use usage::BudgetUse;
