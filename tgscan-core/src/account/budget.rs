//! Limits on the cost of calls.

use serde::{Deserialize, Serialize};
use tgscan_types::civil_of_day;

/// The amount that a paid call reserves under a cap or a budget.
///
/// The service documents no prices: the `op_cost` of answers is the only source. The price of a method is the highest
/// `op_cost` seen so far, and a call never reserves less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reserve {
    /// Reserves at least this number of credits for each call; 0 means 1. Use the maximum expected cost of a call: then
    /// the limit holds from the first call on, for any number of concurrent calls.
    PerCall(u64),
    /// Reserves the rest of the limit until the first charge of a method shows its price, so its calls run one at a
    /// time until then. The first call can exceed the limit.
    OneAtATime,
}

/// The period of a budget. Periods begin at midnight UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Period {
    /// The lifetime of the ledger or the store.
    Total,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

/// A limit on the cost of the calls with one label, in total or per period.
///
/// A call counts in the period in which it is claimed. If the clock was ahead for some calls, their cost moves to the
/// current period when the clock is right again. A budget keeps its two latest periods, so charges of the
/// current period can be lost if a clock showed two later ones.
///
/// ```
/// use tgscan_core::{Budget, Period, Reserve};
///
/// let budget = Budget::new("tenant 7", 100, Period::Day, Reserve::PerCall(5));
/// // client.clone().with_budget(budget)
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub(super) label: String,
    pub(super) limit: u64,
    pub(super) period: Period,
    pub(super) reserve: Reserve,
}

impl Budget {
    /// Creates a budget of `limit` credits per period. Budgets with the same label and period share their totals. Each
    /// call must fit the limit of the client that makes it.
    pub fn new(label: impl Into<String>, limit: u64, period: Period, reserve: Reserve) -> Self {
        Self { label: label.into(), limit, period, reserve }
    }
}

/// One period of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BudgetKey {
    /// The budget's label.
    pub label: String,
    /// The kind of the period.
    pub period: Period,
    /// The number of the period: days since 1970-01-01, months since January of the year 0, or 0 for [`Period::Total`].
    pub number: u32,
}

impl Period {
    /// Returns the number of the period that contains a time in milliseconds since 1970.
    pub(super) fn number(self, time: u64) -> u32 {
        let day = time / (24 * 60 * 60 * 1000);
        let number = match self {
            Self::Total => 0,
            Self::Day => day,
            Self::Month => {
                let (year, month, _) = civil_of_day(day);
                year * 12 + month - 1
            }
        };
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    #[test]
    fn periods_begin_at_midnight_utc_and_with_the_month() {
        for period in [Period::Total, Period::Day, Period::Month] {
            assert_eq!(period.number(0), period.number(DAY - 1), "{period:?}");
        }
        assert_eq!(Period::Total.number(u64::MAX), 0);
        assert_eq!((Period::Day.number(DAY - 1), Period::Day.number(DAY)), (0, 1));
        // 2024-02-29 is day 19,782.
        let month = |day: u64| Period::Month.number(day * DAY);
        assert_eq!((month(19_782), month(19_783)), (2024 * 12 + 1, 2024 * 12 + 2));
        assert_eq!((month(19_782 - 28), month(19_782 - 29)), (2024 * 12 + 1, 2024 * 12));
        assert_eq!(month(20_454) - month(20_453), 1, "2025-12-31 and 2026-01-01");
    }
}
