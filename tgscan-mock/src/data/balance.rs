//! Random balances.

use proptest::strategy::{Just, SBoxedStrategy, Strategy};
use tgscan_core::types::{Balance, BalanceAnswer};

use super::values::balance;
use super::{Generate, Profile, World};

impl Generate for Balance {
    fn requests() -> SBoxedStrategy<Self> {
        Just(Self {}).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<BalanceAnswer> {
        let answer = |num_credits| {
            let mut answer = BalanceAnswer::default();
            answer.num_credits = num_credits;
            answer
        };
        balance(profile).prop_map(answer).sboxed()
    }

    fn answer_in(&self, _: &World) -> Option<BalanceAnswer> {
        Some(BalanceAnswer::default())
    }

    fn apply_billing(&self, answer: &mut BalanceAnswer, _: u64, num_credits: i64) {
        answer.num_credits = num_credits;
    }
}
