//! The mock's account: credits, keys and costs.

use serde::Serialize;
use tgscan_core::types::registry::MethodInfo;

use super::refusal::Refusal;

/// The kind of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// A live key.
    Live,
    /// A test key.
    Test,
    /// A key that was replaced by a newer one: "When you generate new API key the old API key is removed".
    Revoked,
}

/// A limit above any real balance and far below an overflow.
const MOST_CREDITS: i64 = 1_000_000_000_000_000;

/// The state of the mock's account. `granted - spent` always equals `credits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Account {
    /// Credits on the balance.
    pub credits: i64,
    /// Credits charged for calls.
    pub spent: u64,
    /// Credits added to the balance so far, including the initial ones.
    pub granted: i64,
    /// Number of calls that were charged.
    pub charged_calls: u64,
}

impl Account {
    pub(super) fn new(credits: i64) -> Self {
        let credits = credits.min(MOST_CREDITS);
        Self { credits, spent: 0, granted: credits, charged_calls: 0 }
    }

    /// Sets the balance, limited so that spending cannot overflow.
    pub(super) fn set_credits(&mut self, credits: i64) {
        self.credits = credits.clamp(-MOST_CREDITS, MOST_CREDITS);
        self.granted = self.credits.saturating_add_unsigned(self.spent);
    }

    /// Takes the cost of a call, or refuses it. Returns the credits taken.
    ///
    /// Free and test methods need a balance above zero, but take no credits ("Basic User Check", "Test Methods").
    pub(super) fn charge(&mut self, method: &MethodInfo, cost: u64, is_test: bool) -> Result<u64, Refusal> {
        // Assumption: the balance can be requested at any balance; the documentation states no condition.
        let needs_credits = method.can_cost || method.test_path.is_some();
        if needs_credits && self.credits <= 0 {
            return Err(Refusal::no_credits(self.credits, "this method needs credits on the balance"));
        }
        if is_test || !method.can_cost || cost == 0 {
            return Ok(0);
        }
        // Assumption: a call that costs more than the balance is refused, not paid in part.
        match self.credits.checked_sub_unsigned(cost) {
            Some(left @ 0..) => {
                self.credits = left;
                self.spent = self.spent.saturating_add(cost);
                self.charged_calls += 1;
                Ok(cost)
            }
            _ => Err(Refusal::no_credits(self.credits, &format!("this call costs {cost}"))),
        }
    }
}
