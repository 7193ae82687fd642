//! The steps of a course.

/// Random numbers from a seed: `SplitMix64`.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or_default()
    }
}

/// One step. A call is chosen by its place among those that the step can concern, so that a course can be shortened.
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

/// Which answers a question accepts; see [`Lookup`](tgscan_core::store::Lookup).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    StoredOrNew,
    New,
    Stored,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Answer,
    /// Refused for now: the call is sent again after a pause.
    TooManyRequests,
    /// The connection breaks, before or after the request was charged.
    Reset {
        is_charged: bool,
    },
    Refused,
}

impl Step {
    /// The account that it names.
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
        match rng.below(32) {
            0..=12 => Self::Ask {
                account,
                person,
                answers: [Answers::StoredOrNew, Answers::StoredOrNew, Answers::New, Answers::Stored]
                    [rng.index(4)],
                is_capped: rng.below(3) == 0,
                reply: match rng.below(8) {
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
