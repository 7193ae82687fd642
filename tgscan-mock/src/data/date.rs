//! Dates in ISO 8601, as days since 1970-01-01.

use tgscan_core::types::{civil_of_day, unix_millis};

/// 2016-01-01: the first date in random data.
pub(crate) const FIRST_DAY: u64 = 16_801;
/// 2026-01-01: the default of the last date.
pub(crate) const TODAY: u64 = 20_454;

/// Returns `2026-01-01`.
pub(crate) fn date(day: u64) -> String {
    let (year, month, day) = civil_of_day(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Parses a date from 2016-01-01 to 9999-12-31.
pub(crate) fn parse_date(text: &str) -> Option<u64> {
    let day = u64::try_from(unix_millis(text)? / 86_400_000).ok()?;
    (day >= FIRST_DAY && date(day) == text).then_some(day)
}
