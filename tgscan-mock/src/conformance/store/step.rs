//! The steps of a course.

use super::model::Answers;
use crate::data::Rng;

/// A step. Selects a call by its index among the possible ones, so that a course can be shortened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Ask {
        account: usize,
        person: usize,
        answers: Answers,
        is_capped: bool,
        reply: Reply,
    },
    /// Asks twice concurrently, by separate handles.
    AskTwice {
        account: usize,
        person: usize,
    },
    /// Asks, and drops the future after it was polled once.
    DropAsking {
        account: usize,
        person: usize,
    },
    /// Delivers the reply of a call in flight.
    Deliver {
        call: usize,
    },
    /// Drops a call in flight.
    Drop {
        call: usize,
    },
    Crash,
    AdvanceHours(u64),
    Expire {
        account: usize,
    },
    Erase {
        account: usize,
        person: usize,
    },
    Resolve {
        call: usize,
    },
    Purchase {
        account: usize,
    },
    Compare {
        account: usize,
    },
}

/// The response to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Answer,
    /// Refused temporarily: the call is sent again after a backoff.
    TooManyRequests,
    /// The connection breaks, before or after the request was charged.
    Reset {
        is_charged: bool,
    },
    Refused,
}

impl Step {
    /// Returns the account of the step.
    pub(super) fn account(self) -> Option<usize> {
        match self {
            Self::Ask { account, .. }
            | Self::AskTwice { account, .. }
            | Self::DropAsking { account, .. }
            | Self::Expire { account }
            | Self::Erase { account, .. }
            | Self::Purchase { account }
            | Self::Compare { account } => Some(account),
            _ => None,
        }
    }

    pub(super) fn random(rng: &mut Rng) -> Self {
        let (account, person) = (rng.index(super::model::ACCOUNTS.len()), rng.index(2));
        match rng.between(0, 31) {
            0..=12 => Self::Ask {
                account,
                person,
                answers: [Answers::StoredOrNew, Answers::StoredOrNew, Answers::New, Answers::Stored]
                    [rng.index(4)],
                is_capped: rng.index(3) == 0,
                reply: match rng.index(8) {
                    0 => Reply::Reset { is_charged: false },
                    1 => Reply::Reset { is_charged: true },
                    2 => Reply::Refused,
                    3 => Reply::TooManyRequests,
                    _ => Reply::Answer,
                },
            },
            13 => Self::AskTwice { account, person },
            14 => Self::DropAsking { account, person },
            15..=20 => Self::Deliver { call: rng.index(8) },
            21 => Self::Drop { call: rng.index(8) },
            22 => Self::Crash,
            23..=24 => Self::AdvanceHours(1),
            25 => Self::AdvanceHours(3),
            26 => Self::Expire { account },
            27 => Self::Erase { account, person },
            28 => Self::Resolve { call: rng.index(8) },
            29 => Self::Purchase { account },
            _ => Self::Compare { account },
        }
    }
}
