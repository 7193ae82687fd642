//! The promises, and their violations.

/// A promise of the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// A question is paid for once, unless paying again is allowed.
    PaidOnce,
    /// charged ≤ lost ≤ charged + uncertain.
    Accounted,
    /// The cap and the budget hold.
    CapHolds,
    /// An answer that was reported as stored exists.
    AnswerStored,
    /// After all calls have ended, every call can be resolved and every question can be asked again.
    NoPermanentLock,
}

/// A broken promise, and the details.
#[derive(Debug)]
pub(super) struct BrokenPromise(pub(super) Promise, pub(super) String);

pub(super) fn ensure(
    holds: bool,
    promise: Promise,
    text: impl FnOnce() -> String,
) -> Result<(), BrokenPromise> {
    if holds { Ok(()) } else { Err(BrokenPromise(promise, text())) }
}
