//! What happens in a course, one step after the other.

/// Random numbers from a seed: `SplitMix64`.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
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

/// One step. Calls are named by their place among those that the step can concern, so that a course can be shortened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Claim {
        question: usize,
        max_age: MaxAge,
        stored_only: bool,
        cap: Cap,
        pays_again: bool,
    },
    /// Claims, and drops the future before it has answered.
    DropClaim {
        question: usize,
    },
    Settle {
        call: usize,
        ending: Ending,
    },
    /// As if the caller was gone.
    Abandon {
        call: usize,
        ending: Ending,
    },
    /// Settles a call whose owner was taken for dead.
    SettleLate {
        call: usize,
        ending: Ending,
    },
    Crash,
    /// Moves the clock by so many hours.
    Advance(i64),
    Expire,
    Erase {
        person: usize,
    },
    Resolve {
        call: usize,
    },
    /// Buys credits, and records it or does not.
    TopUp {
        account: usize,
        is_recorded: bool,
    },
    Reconcile {
        account: usize,
    },
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MaxAge {
    None,
    NinetyMinutes,
    Any,
}

/// The cap of a claim, at twelve credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cap {
    None,
    TwoPerCall,
    OneAtATime,
}

/// How a call ends. What it costs is decided when it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Answered,
    AnsweredUncertain,
    /// Uncertain, if it cost something.
    NotCharged,
    /// Without an answer. Uncertain, if it cost nothing.
    Charged,
    Uncertain,
}

impl Step {
    pub(super) fn random(rng: &mut Rng) -> Self {
        match rng.below(32) {
            0..=11 => Self::Claim {
                question: rng.index(super::model::QUESTIONS.len()),
                max_age: [MaxAge::None, MaxAge::NinetyMinutes, MaxAge::NinetyMinutes, MaxAge::Any]
                    [rng.index(4)],
                stored_only: rng.below(8) == 0,
                cap: [Cap::None, Cap::None, Cap::TwoPerCall, Cap::OneAtATime][rng.index(4)],
                pays_again: rng.below(8) == 0,
            },
            12 => Self::DropClaim { question: rng.index(super::model::QUESTIONS.len()) },
            13..=18 => Self::Settle { call: rng.index(8), ending: Ending::random(rng) },
            19 => Self::Abandon { call: rng.index(8), ending: Ending::random(rng) },
            20..=21 => Self::SettleLate { call: rng.index(8), ending: Ending::random(rng) },
            22 => Self::Crash,
            23..=24 => Self::Advance(1),
            25 => Self::Advance(if rng.below(4) == 0 { -1 } else { 3 }),
            26 => Self::Expire,
            27 => Self::Erase { person: rng.index(2) },
            28 => Self::Resolve { call: rng.index(8) },
            29 => Self::TopUp { account: rng.index(2), is_recorded: rng.below(2) == 0 },
            _ => Self::Reconcile { account: rng.index(2) },
        }
    }
}

impl Ending {
    fn random(rng: &mut Rng) -> Self {
        match rng.below(8) {
            0..=3 => Self::Answered,
            4 => Self::AnsweredUncertain,
            5 => Self::NotCharged,
            6 => Self::Charged,
            _ => Self::Uncertain,
        }
    }
}
