//! The book of an account: the charged, uncertain and reserved credits of its calls, and all arithmetic on credits.
//!
//! Pure functions over a [`Book`]. A [`Ledger`](crate::Ledger) is a book in memory; a [store](crate::store) keeps the same
//! book in its transactions. Amounts are credits.
//!
//! At any time: charged ≤ credits spent by the account ≤ charged + uncertain + in flight. Exceptions are calls that cost more
//! than their reserve, and other programs that use the account; [`Client::reconcile`](crate::Client::reconcile) detects both.

mod admit;
mod amount;
mod barrier;
pub(crate) mod book;
pub(crate) mod budget;
pub(crate) mod compare;
mod entry;
mod joint;
pub(crate) mod ledger;
mod periods;
#[cfg(test)]
mod tests;
mod usage;

pub use admit::CapReached;
pub(crate) use admit::Limits;
pub(crate) use book::Book;
pub use book::Totals;
pub use budget::BudgetKey;
pub(crate) use budget::{Budget, Period, Reserve};
pub(crate) use compare::{CLOCK_SLACK, Outcome, Reconciliation};
pub use compare::{Comparison, ComparisonStart};
pub(crate) use entry::Cost;
pub use entry::Entry;
pub(crate) use joint::JointResolution;
pub(crate) use ledger::{LedgerTime, NotAdmitted, Reservation};
pub use usage::BudgetUse;
