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

#[cfg(test)]
mod tests {
    use tgscan_core::types::{Balance, Search, UserCheck};

    use super::*;

    #[test]
    fn a_free_method_takes_no_credits() {
        let mut account = Account::new(5);
        assert_eq!(account.charge(&MethodInfo::of::<UserCheck>(), 3, false).unwrap(), 0);
        assert_eq!(account.charge(&MethodInfo::of::<Search>(), 3, true).unwrap(), 0);
        assert_eq!(account.charge(&MethodInfo::of::<Search>(), 3, false).unwrap(), 3);
        assert_eq!((account.credits, account.spent, account.charged_calls), (2, 3, 1));
    }

    #[test]
    fn balance_is_granted_less_spent_at_the_limits_too() {
        let mut account = Account::new(i64::MAX);
        account.charge(&MethodInfo::of::<Search>(), 3, false).unwrap();
        for credits in [i64::MIN, 5, i64::MAX, 0] {
            account.set_credits(credits);
            assert_eq!(account.granted.checked_sub_unsigned(account.spent), Some(account.credits));
        }
        account.set_credits(5);
        assert_eq!((account.credits, account.granted), (5, 8));
    }

    #[test]
    fn all_methods_but_balance_need_credits() {
        let mut account = Account::new(0);
        let without_twin = |mut method: MethodInfo| {
            method.test_path = None;
            method
        };
        assert!(account.charge(&MethodInfo::of::<UserCheck>(), 0, false).is_err());
        assert!(account.charge(&without_twin(MethodInfo::of::<Search>()), 0, false).is_err());
        assert!(account.charge(&MethodInfo::of::<Balance>(), 0, false).is_ok());
    }
}
