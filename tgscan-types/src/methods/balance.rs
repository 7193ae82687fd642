//! Account balance: how many credits are left.
//!
//! Documentation: "Account Balance Method". It has no test method.

use serde::{Deserialize, Serialize};

use crate::ApiMethod;
use crate::lenient::whole;
use crate::object::read_from_objects;

/// Asks how many credits the account has. Free.
///
/// Source: "Account Balance Method", which takes no arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Balance {}

/// What a [`Balance`] answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct BalanceAnswer {
    /// Credits on the account's balance.
    ///
    /// Assumption: it may be negative, since the documentation only says that it is a whole number, and an account
    /// that is overdrawn must still be readable.
    pub num_credits: i64,
}

// How each of them is read; where it differs from what is written stands in `lenient.rs`.

#[derive(Deserialize)]
#[serde(remote = "BalanceAnswer")]
struct ReadAnswer {
    #[serde(deserialize_with = "whole")]
    num_credits: i64,
}

read_from_objects!(BalanceAnswer by ReadAnswer);

impl ApiMethod for Balance {
    type Answer = BalanceAnswer;
    const NAME: &'static str = "balance";
    const PATH: &'static str = "/tgscan/v1/balance";
    const TEST_PATH: Option<&'static str> = None;
    const CAN_COST: bool = false;

    fn op_cost(_: &BalanceAnswer) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_mistyped_number_is_an_error() {
        for body in ["{}", r#"{"num_credits":null}"#, r#"{"num_credits":"five"}"#, r#"{"num_credits":1.5}"#] {
            serde_json::from_str::<BalanceAnswer>(body).expect_err(body);
        }
    }

    #[test]
    fn an_overdrawn_account_is_readable() {
        let answer: BalanceAnswer =
            serde_json::from_str(r#"{"num_credits":-3,"currency":"credits"}"#).unwrap();
        assert_eq!(answer, BalanceAnswer { num_credits: -3 });
    }
}
