//! The state of a caller.

use crate::account::Cost;
use crate::call::machine::{Action, Claimed, Machine, Moment, Renewed};
use crate::store::{CallId, Operation, Settlement};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    #[default]
    Idle,
    /// With a fault: the caller has checked whether a call fits the cap.
    CheckedCap(bool),
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
            Phase::Idle | Phase::CheckedCap(_) => {}
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
    Operation::Settle { call, settlement: Settlement::without_response(Cost::NONE) }
}
