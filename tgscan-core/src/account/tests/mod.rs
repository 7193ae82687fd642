//! Tests of the book through its functions.

mod comparisons;
mod limits;
mod properties;
mod refusals;
mod reports;
mod schedules;
mod settlements;

use super::*;

/// The documented name of a method, for tests.
const METHOD: &str = "search";

fn capped(credits: u64, reserve: u64) -> Limits {
    Limits { cap: Some((credits, Reserve::PerCall(reserve))), budgets: Vec::new() }
}

fn charged(credits: u64) -> Cost {
    Cost { charged: credits, uncertain: 0 }
}

fn uncertain(attempts: u32) -> Cost {
    Cost { charged: 0, uncertain: attempts }
}

/// (charged, in flight, uncertain, unexplained)
fn amounts(totals: Totals) -> (u64, u64, u64, u64) {
    (totals.charged, totals.in_flight, totals.uncertain, totals.unexplained)
}

impl Book {
    /// Changes all times.
    pub(crate) fn age(&mut self, age: impl Fn(&mut u64)) {
        self.uncertain_at.iter_mut().for_each(&age);
        self.barrier.iter_mut().for_each(|barrier| age(&mut barrier.until));
    }

    /// Removes an expired barrier.
    pub(crate) fn remove_expired_barrier(&mut self, now: u64) {
        if !self.blocks_attempts(now) {
            self.barrier = None;
        }
    }

    /// Makes books with the same behaviour equal. Of a revision, only equality with that of the comparison matters.
    pub(crate) fn normalize(&mut self, comparison: Option<&mut Comparison>) {
        if let Some(comparison) = comparison {
            comparison.revision = if comparison.revision == self.revision { 0 } else { u64::MAX };
        }
        self.revision = 0;
        if self.totals().uncertain_attempts == 0 {
            (self.uncertain_at, self.has_undated) = (None, false);
        }
    }
}
