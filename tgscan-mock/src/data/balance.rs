//! Random balances.

use proptest::strategy::{Just, SBoxedStrategy, Strategy};
use tgscan_core::types::{Balance, BalanceAnswer};

use super::counts;
use super::{Billing, Generate, Profile, World};

impl Generate for Balance {
    fn requests() -> SBoxedStrategy<Self> {
        Just(Self {}).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<BalanceAnswer> {
        counts::balance(profile)
            .prop_map(|num_credits| {
                let mut answer = BalanceAnswer::default();
                answer.num_credits = num_credits;
                answer
            })
            .sboxed()
    }

    fn answer_in(&self, _: &World) -> BalanceAnswer {
        BalanceAnswer::default()
    }

    fn num_groups_in(&self, _: &World) -> Option<u64> {
        Some(0)
    }

    fn apply_billing(&self, answer: &mut BalanceAnswer, billing: &Billing) {
        answer.num_credits = billing.num_credits;
    }
}
