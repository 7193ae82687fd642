//! Dates in ISO 8601.

use std::str::FromStr;

use tgscan_core::types::{civil_of_day, unix_millis};

/// 2016-01-01 in days since 1970-01-01: the first date in random data.
pub(crate) const FIRST_DAY: u64 = 16_801;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date(u64);

impl Date {
    /// 2026-01-01.
    pub(crate) const DEFAULT: Self = Self(20_454);

    /// Creates a date from the days since 1970-01-01.
    pub(crate) fn of_day(day: u64) -> Self {
        Self(day)
    }

    pub(crate) fn day(self) -> u64 {
        self.0
    }

    /// Returns year, month and day.
    pub(crate) fn civil(self) -> (u64, u64, u64) {
        civil_of_day(self.0)
    }

    /// Returns `2026-01-01`.
    pub(crate) fn text(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Date {
    type Err = ();

    /// Parses a date from 2016-01-01 to 9999-12-31.
    fn from_str(text: &str) -> Result<Self, ()> {
        let days = unix_millis(text).map(|millis| millis / 86_400_000);
        let date = days.and_then(|days| u64::try_from(days).ok()).map(Self);
        date.filter(|date| date.0 >= FIRST_DAY && date.text() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        for (day, text) in [
            (FIRST_DAY, "2016-01-01"),
            (16_860, "2016-02-29"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
        ] {
            assert_eq!(Date(day).text(), text);
            assert_eq!(text.parse(), Ok(Date(day)));
        }
        assert_eq!(Date::DEFAULT.text(), "2026-01-01");
        assert_eq!("9999-12-31".parse::<Date>().unwrap().text(), "9999-12-31");
        for wrong in ["", "2015-12-31", "2026-02-29", "2026-1-1", "tomorrow", "99999-01-01", "２０２６-01-01"]
        {
            assert_eq!(wrong.parse::<Date>(), Err(()), "{wrong}");
        }
    }
}
