//! Account balance: the number of credits left.
//!
//! Documentation: "Account Balance Method". It has no test method.

use serde::{Deserialize, Serialize};

use crate::ApiMethod;
use crate::lenient::whole;
use crate::object::from_object;

/// Gets the account's balance. Free.
///
/// Source: "Account Balance Method", which takes no arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Balance {}

/// The answer to [`Balance`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct BalanceAnswer {
    /// Credits on the account's balance.
    ///
    /// Assumption: it can be negative. The documentation only says that it is a whole number, and an overdrawn account
    /// must still be readable.
    #[serde(deserialize_with = "whole")]
    pub num_credits: i64,
}

from_object!(BalanceAnswer);

impl ApiMethod for Balance {
    type Answer = BalanceAnswer;
    const NAME: &'static str = "balance";
    const PATH: &'static str = "/tgscan/v1/balance";
    const TEST_PATH: Option<&'static str> = None;
    const CAN_COST: bool = false;

    fn op_cost(_: &BalanceAnswer) -> Option<u64> {
        None
    }

    fn people(&self, _: Option<&BalanceAnswer>) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_missing_or_mistyped_number() {
        for body in ["{}", r#"{"num_credits":null}"#, r#"{"num_credits":"five"}"#, r#"{"num_credits":1.5}"#] {
            serde_json::from_str::<BalanceAnswer>(body).expect_err(body);
        }
    }

    #[test]
    fn reads_a_negative_balance() {
        let answer: BalanceAnswer =
            serde_json::from_str(r#"{"num_credits":-3,"currency":"credits"}"#).unwrap();
        assert_eq!(answer, BalanceAnswer { num_credits: -3 });
    }
}
