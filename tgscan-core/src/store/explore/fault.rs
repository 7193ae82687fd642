//! The faults that can be injected.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Calls in flight of a lost owner are considered free.
    FreesCallsOfLostOwners,
    /// Dropped calls with a running attempt are considered free.
    FreesDroppedCalls,
    /// A comparison does not wait for late charges.
    ComparesBeforeLateCharges,
    /// The store keeps only the last answer.
    KeepsOneAnswer,
    /// Claims are not checked against the cap.
    IgnoresCap,
    /// A call sends an attempt after a backoff without renewing its claim.
    SendsWithoutRenewing,
    /// Settlements of calls that have ended are dropped.
    DropsLateSettlements,
    /// The cap is checked before the transaction of the claim.
    ChecksCapBeforeLock,
    /// Answers are reported as stored before they are durable.
    StoresAnswersLater,
    /// A new process gets the owner number of the previous one.
    ReusesOwners,
    /// The balance is read before the comparison has started.
    ReadsBalanceFirst,
    /// A purchase is not recorded.
    LosesPurchases,
    /// Midnight counts as part of the previous day.
    CountsMidnightToTheDayBefore,
    /// Commits in doubt are not repeated.
    ForgetsCommitsInDoubt,
    /// A call in a backoff loses its reserve.
    LosesReserveInBackoff,
}
