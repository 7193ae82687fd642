//! The steps of a course.

use tgscan_core::store::Lookup;

use super::model::ACCOUNTS;
use crate::data::Rng;
use crate::{Fault, FaultKind};

/// A step: an action, with its account, person and call.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) account: usize,
    pub(super) person: usize,
    /// Selects a call by its index among the possible ones, so that a course can be shortened.
    pub(super) call: usize,
}

/// An action. Each ignores the parts of the step that it does not need.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Ask {
        lookup: Lookup,
        is_capped: bool,
        /// The fault of the response.
        fault: Option<Fault>,
    },
    /// Asks twice concurrently, by separate handles.
    AskTwice,
    /// Asks, and drops the future after it was polled once.
    DropAsking,
    /// Delivers the reply of a call in flight.
    Deliver,
    /// Drops a call in flight.
    Drop,
    Crash,
    AdvanceHours(u32),
    Expire,
    Erase,
    Resolve,
    Purchase,
    Compare,
}

impl Step {
    /// Returns the account that the step changes, if it is only that of the step.
    pub(super) fn changed_account(&self) -> Option<usize> {
        use Action::{AdvanceHours, Crash, Deliver, Drop, Resolve};
        let is_of_all = matches!(self.action, Deliver | Drop | Crash | AdvanceHours(_) | Resolve);
        (!is_of_all).then_some(self.account)
    }

    pub(super) fn random(rng: &mut Rng) -> Self {
        let action = match rng.between(0, 31) {
            0..=12 => Action::Ask {
                lookup: [Lookup::StoredOrNew, Lookup::StoredOrNew, Lookup::New, Lookup::Stored][rng.index(4)],
                is_capped: rng.index(3) == 0,
                fault: match rng.index(8) {
                    0 => Some(Fault::new(FaultKind::Reset)),
                    1 => Some(Fault::new(FaultKind::Reset).charged()),
                    2 => Some(Fault::new(FaultKind::ErrorEnvelope { status: 400 })),
                    // The call is sent again after a backoff.
                    3 => Some(Fault::new(FaultKind::TooManyRequests { retry_after: Some(10) })),
                    _ => None,
                },
            },
            13 => Action::AskTwice,
            14 => Action::DropAsking,
            15..=20 => Action::Deliver,
            21 => Action::Drop,
            22 => Action::Crash,
            23..=24 => Action::AdvanceHours(1),
            25 => Action::AdvanceHours(3),
            26 => Action::Expire,
            27 => Action::Erase,
            28 => Action::Resolve,
            29 => Action::Purchase,
            _ => Action::Compare,
        };
        Self { action, account: rng.index(ACCOUNTS.len()), person: rng.index(2), call: rng.index(8) }
    }
}
