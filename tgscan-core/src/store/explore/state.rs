//! The states of callers, attempts and the service, and the times of the model.

use std::time::Duration;

use crate::account::Cost;
use crate::call::machine::{Action, Claimed, Machine, Moment, Renewed};
use crate::store::{CallId, Operation, OwnerId, Settlement};

pub(super) const FENCE: Duration = Duration::from_secs(5);
/// The time after the start of an attempt during which the service may charge it.
pub(super) const LATE_CHARGE: u64 = 60_000;
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const PAY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Owners that have crashed, or whose lease has passed.
pub(super) const LOST: OwnerId = 9;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    #[default]
    Idle,
    /// Ready to perform an action.
    Ready(Machine, Action),
    /// The reply to a transaction, requested at this moment, has not arrived.
    ReplyPending(Machine, StoreReply, Moment),
    /// Waits for the response.
    AttemptRunning(Machine),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StoreReply {
    Claimed(Claimed),
    Renewed(Renewed),
    LookedUp(bool),
    Paused(bool),
    Settled,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CallerState {
    pub(super) phase: Phase,
    pub(super) asks: u8,
    /// The claimed call, and the day of the claim.
    pub(super) call: Option<(CallId, u64)>,
    /// The start of its wait.
    pub(super) since: u64,
    /// Whether its last attempt was answered.
    pub(super) is_answered: bool,
}

impl CallerState {
    /// Changes the recorded moments.
    pub(super) fn age(&mut self, age: impl Fn(Moment) -> Moment) {
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Ready(machine, _) | Phase::AttemptRunning(machine) => machine.age(age),
            Phase::ReplyPending(machine, _, asked) => {
                *asked = age(*asked);
                machine.age(age);
            }
        }
    }
}

/// Returns the operation that releases the claim of an unsent call.
pub(super) fn release(call: CallId) -> Operation {
    settle(call, Cost::NONE)
}

pub(super) fn settle(call: CallId, cost: Cost) -> Operation {
    Operation::Settle { call, settlement: Settlement::without_response(cost) }
}

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
