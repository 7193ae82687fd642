//! Calls that a comparison resolved together.

use serde::{Deserialize, Serialize};

use super::BudgetKey;
use super::amount::clamp;

/// The calls that a comparison resolved together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct JointResolution {
    /// The total cost of the calls whose individual costs are unknown.
    pub(super) credits: u128,
    /// The number of these calls.
    pub(super) calls: u64,
    /// The credits that no call explained.
    pub(super) unexplained: u128,
    pub(super) budgets: Vec<BudgetShare>,
}

/// A budget's charge for calls that were resolved together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct BudgetShare {
    pub(super) key: BudgetKey,
    pub(super) calls: u64,
    /// The maximum cost of its calls, if it is known.
    pub(super) reserve: Option<u128>,
    pub(super) charged: u128,
}

impl JointResolution {
    /// Returns the total cost of the calls whose individual costs are unknown, in credits.
    pub(crate) fn credits(&self) -> u64 {
        clamp(self.credits)
    }

    /// Returns the charge of a budget: all credits, but at most the reserve of its calls, because any of them may have
    /// caused the whole cost.
    pub(super) fn budget_charge(credits: u128, budget: &BudgetShare) -> u128 {
        if budget.calls == 0 { 0 } else { credits.min(budget.reserve.unwrap_or(u128::MAX)) }
    }
}
