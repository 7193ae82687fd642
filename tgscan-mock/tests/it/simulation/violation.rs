//! Promises, and what is said when one is broken.

use std::fmt;
use std::time::Duration;

/// What the simulation holds the SDK to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// No paid call is processed twice, unless the caller asked for that.
    ProcessedOnce,
    /// What a reply or an error says about credits is what the account lost.
    CreditsTrue,
    /// Charged + uncertain brackets what the account lost, and equals it when nothing is uncertain.
    LedgerBrackets,
    /// The cap is not passed, but for what calls cost beyond the reserve that was held for them.
    CapHolds,
    /// Every byte that was delivered is in the reply or the error.
    BytesKept,
    /// When no call is left, the ledger holds nothing for one.
    NothingHeld,
    /// Comparing the ledger with the balance comes to the right conclusion.
    Reconciles,
    /// Nothing panics; nor does the simulation, whose own assertions count here too.
    NoPanic,
}

/// A broken promise.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    pub(super) detail: String,
    /// What happened to the call, if it was a single one.
    pub(super) story: Vec<(Duration, String)>,
    pub(super) seed: u64,
    pub(super) calls: u64,
    pub(super) world: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, detail, story, seed, calls, world } = self;
        writeln!(f, "{promise:?} is broken with seed {seed} in world {world}: {detail}")?;
        for (at, what) in story {
            writeln!(f, "  {at:>12.3?}  {what}")?;
        }
        write!(
            f,
            "run it again: TGSCAN_SIM_SEED={seed} TGSCAN_SIM_CALLS={calls} \
             cargo test -p tgscan-mock --test it simulation::the_promises"
        )
    }
}
