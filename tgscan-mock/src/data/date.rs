//! Days, as ISO 8601 writes them.

use std::str::FromStr;

/// 2016-01-01, in days since 1970: before it, nothing is known.
pub(crate) const FIRST_DAY: u64 = 16_801;

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date(u64);

impl Date {
    /// 2026-01-01.
    pub(crate) const DEFAULT: Self = Self(20_454);

    /// The first day of which anything is known, as a text.
    pub(crate) fn first() -> String {
        Self(FIRST_DAY).text()
    }

    /// The day so many days after 1970-01-01.
    pub(crate) fn of_day(day: u64) -> Self {
        Self(day)
    }

    pub(crate) fn day(self) -> u64 {
        self.0
    }

    /// Year, month and day: Howard Hinnant's `civil_from_days`.
    pub(crate) fn civil(self) -> (u64, u64, u64) {
        let z = self.0 + 719_468;
        let (era, of_era) = (z / 146_097, z % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        (year_of_era + era * 400 + next, month, day)
    }

    /// `2026-01-01`. Not by `Display`, which takes several times as long: an answer has hundreds.
    pub(crate) fn text(self) -> String {
        let (year, month, day) = self.civil();
        let digit = |number| b'0' + u8::try_from(number % 10).unwrap_or_default();
        let [y, yy, yyy, yyyy] = [year / 1000, year / 100, year / 10, year].map(digit);
        let [m, mm, d, dd] = [month / 10, month, day / 10, day].map(digit);
        String::from_utf8(vec![y, yy, yyy, yyyy, b'-', m, mm, b'-', d, dd]).unwrap_or_default()
    }
}

impl FromStr for Date {
    type Err = ();

    /// Reads a day from 2016-01-01 to 9999-12-31.
    fn from_str(text: &str) -> Result<Self, ()> {
        // A day is the only one that is written so.
        let year: u64 =
            text.get(..4).and_then(|year| year.parse().ok()).filter(|year| *year >= 2016).ok_or(())?;
        let about = (year - 1970) * 365;
        let mut days = (about..=about + 366 + (year - 1970) / 4).map(Self);
        days.find(|day| day.text() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_and_read() {
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
