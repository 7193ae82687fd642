//! Limits on what calls may cost.

use serde::{Deserialize, Serialize};

/// The amount that a paid call reserves under a cap or a budget.
///
/// The documentation states no prices: each answer's `op_cost` is the only source. The price of a method is the highest
/// `op_cost` seen so far; a call never reserves less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reserve {
    /// Reserves at least this many credits for each call; 0 means 1. Give the most that you expect one call to cost: the
    /// limit then holds from the first call on, for any number of concurrent calls.
    PerCall(u64),
    /// Reserves all that is left until the first charge shows the price of a method, so that its calls go one at a time.
    /// The limit can be exceeded by the cost of that first call.
    OneAtATime,
}

/// How long a budget lasts. Periods begin at midnight UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Period {
    /// As long as the ledger or the store.
    Total,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

/// A limit on what the calls with one label may cost, in all or per period.
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
    /// Creates a budget of `limit` credits per period. Calls with the same label and period share one budget; its limit is
    /// that of the client that makes the call.
    pub fn new(label: impl Into<String>, limit: u64, period: Period, reserve: Reserve) -> Self {
        Self { label: label.into(), limit, period, reserve }
    }

    /// Returns the label.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// One period of a budget: what a call counts in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BudgetKey {
    /// The budget's label.
    pub label: String,
    /// How long the period is.
    pub period: Period,
    /// Which period: days since 1970-01-01, months since January of the year 0, or 0 for [`Period::Total`].
    pub number: u32,
}

impl Period {
    /// The number of the period in which a time falls, in milliseconds since 1970.
    pub(super) fn number(self, time: u64) -> u32 {
        let day = time / (24 * 60 * 60 * 1000);
        let number = match self {
            Self::Total => 0,
            Self::Day => day,
            Self::Month => {
                let (year, month, _) = civil(day);
                year * 12 + month - 1
            }
        };
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// Year, month and day of a day since 1970-01-01: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub(crate) fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
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

    #[test]
    fn days_have_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_782), (2026, 11, 25));
    }
}
