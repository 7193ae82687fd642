//! A book's record of one call.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::BudgetKey;

/// A [`Book`](super::Book)'s record of one call. Only functions of the book change it, together with the totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the facts are independent")]
pub struct Entry {
    #[serde(rename = "m")]
    pub(super) method: Cow<'static, str>,
    /// The minimum reserve of an attempt, in credits.
    #[serde(rename = "r")]
    pub(super) reserve: u64,
    #[serde(rename = "b", skip_serializing_if = "Vec::is_empty")]
    pub(super) budgets: Vec<BudgetKey>,
    #[serde(rename = "f", skip_serializing_if = "is_default")]
    pub(super) is_in_flight: bool,
    /// Whether an attempt may be running.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    pub(super) is_sending: bool,
    /// Attempts that ended without a known cost.
    #[serde(rename = "u", skip_serializing_if = "is_default")]
    pub(super) uncertain: u32,
    #[serde(rename = "c", skip_serializing_if = "is_default")]
    pub(super) charged: u64,
    /// Whether the call was uncertain at the first balance, so that no comparison can resolve it.
    #[serde(rename = "o", skip_serializing_if = "is_default")]
    pub(super) is_before_baseline: bool,
    /// The comparison that resolved the call.
    #[serde(rename = "j", skip_serializing_if = "is_default")]
    pub(super) comparison: Option<u64>,
    /// Whether that comparison resolved several calls, so that only their total cost is known.
    #[serde(rename = "h", skip_serializing_if = "is_default")]
    pub(super) is_shared: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Entry {
    /// Returns the API method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the credits that were certainly charged.
    pub fn charged(&self) -> u64 {
        self.charged
    }

    /// Returns the minimum reserve of each attempt, in credits.
    pub fn reserve(&self) -> u64 {
        self.reserve
    }

    /// Returns the budgets that the call counts in.
    pub fn budgets(&self) -> &[BudgetKey] {
        &self.budgets
    }

    /// Returns whether the call has not ended.
    pub fn is_in_flight(&self) -> bool {
        self.is_in_flight
    }

    /// Returns whether the call has ended and may have cost more than [`charged`](Self::charged).
    pub fn is_uncertain(&self) -> bool {
        !self.is_in_flight && self.uncertain > 0
    }

    /// Returns the comparison that resolved the call, by the number of its journal entry in the store.
    pub fn comparison(&self) -> Option<u64> {
        self.comparison
    }

    /// Returns whether a comparison resolved the call together with others, so that only their total cost is known.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Returns whether a comparison with the balance can resolve the call.
    pub(crate) fn is_comparable(&self) -> bool {
        self.is_uncertain() && !self.is_before_baseline
    }
}

/// The cost of a call's attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cost {
    /// The charged credits.
    pub(crate) charged: u64,
    /// The number of attempts without a known cost.
    pub(crate) uncertain: u32,
}

impl Cost {
    pub(crate) const NONE: Self = Self { charged: 0, uncertain: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Period;

    #[test]
    fn entry_round_trips_and_is_compact() {
        let ended = Entry { method: "search".into(), reserve: 1, charged: 2, ..Entry::default() };
        let text = serde_json::to_string(&ended).unwrap();
        assert_eq!(text, r#"{"m":"search","r":1,"c":2}"#);
        let budget = BudgetKey { label: "team".into(), period: Period::Day, number: 7 };
        let full = Entry {
            budgets: vec![budget],
            is_in_flight: true,
            is_sending: true,
            uncertain: 3,
            is_before_baseline: true,
            comparison: Some(4),
            is_shared: true,
            ..ended.clone()
        };
        for entry in [ended, full, Entry::default()] {
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
        }
    }
}
