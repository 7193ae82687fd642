//! Attempts, and their actual charges.

use crate::store::CallId;

/// An attempt that the service may have received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Attempt {
    pub(super) call: CallId,
    pub(super) question: usize,
    pub(super) sent_at: u64,
    pub(super) is_charged: bool,
    /// Whether it may still be charged.
    pub(super) is_open: bool,
    /// The caller that waits for its response.
    pub(super) caller: Option<usize>,
    /// The day on which its call was claimed, if it has a budget.
    pub(super) day: Option<u64>,
}

/// The actual charges and purchases, which the rules cannot see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Truth {
    /// The credits that the account lost.
    pub(super) spent: u64,
    /// How often each question was paid for.
    pub(super) paid: [u64; 2],
    /// How often each question may be paid for.
    pub(super) allowed: [u64; 2],
    /// The cost of each call.
    pub(super) calls: Vec<(CallId, u64)>,
    /// For each day, the cost of the calls with a budget that were claimed on that day.
    pub(super) days: Vec<(u64, u64)>,
    /// Whether the answer to each question was reported as stored.
    pub(super) is_stored: [bool; 2],
    pub(super) bought: u64,
    /// Bought, but not recorded.
    pub(super) unrecorded: u64,
    /// Whether the balance read by a comparison includes unrecorded credits.
    pub(super) unrecorded_is_seen: bool,
    /// Whether a comparison has resolved several calls together, so that budgets are charged for calls of other budgets.
    pub(super) is_joint: bool,
}

impl Truth {
    pub(super) fn record_purchases(&mut self) {
        (self.unrecorded, self.unrecorded_is_seen) = (0, false);
    }
}
