//! The checked promises, and their violations.

use std::fmt;
use std::time::Duration;

/// A promise that the simulation checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// No paid call is processed twice, unless the caller allows it.
    ProcessedOnce,
    /// The credits of a reply or an error are those that the account lost.
    CreditsCorrect,
    /// The credits that the account lost are between charged and charged + uncertain.
    LedgerBounds,
    /// The cap is not exceeded, except by calls that cost more than their reserve.
    CapHolds,
    /// Every byte that was delivered is in the reply or the error.
    BytesKept,
    /// When no call is left, the ledger reserves no credits.
    NothingReserved,
    /// Comparing the ledger with the balance has the correct outcome.
    Reconciles,
    /// Neither the SDK nor an assertion of the simulation panics.
    NoPanic,
}

/// A broken promise.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    pub(super) detail: String,
    /// The events of the call, if the violation has one.
    pub(super) log: Vec<(Duration, String)>,
    pub(super) seed: u64,
    pub(super) calls: u64,
    pub(super) world: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, detail, log, seed, calls, world } = self;
        writeln!(f, "{promise:?} is broken with seed {seed} in world {world}: {detail}")?;
        for (at, what) in log {
            writeln!(f, "  {at:>12.3?}  {what}")?;
        }
        write!(
            f,
            "run it again: TGSCAN_SIM_SEED={seed} TGSCAN_SIM_CALLS={calls} \
             cargo test -p tgscan-mock --test it simulation::the_promises"
        )
    }
}
