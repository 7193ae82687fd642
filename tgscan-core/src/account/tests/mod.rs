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
