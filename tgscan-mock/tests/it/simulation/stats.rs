//! What happened how often, so that a run which tested nothing is noticed.

use std::collections::BTreeMap;

/// Counts by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stats(BTreeMap<String, u64>);

impl Stats {
    pub(super) fn count(&mut self, what: &str) {
        match self.0.get_mut(what) {
            Some(count) => *count += 1,
            None => _ = self.0.insert(what.to_owned(), 1),
        }
    }

    pub(super) fn plus(mut self, other: Self) -> Self {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
        self
    }

    pub(super) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}
