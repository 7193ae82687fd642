//! Parsing the dates in answers, whose format the documentation does not state.

/// Parses a date from an answer into milliseconds since 1970-01-01 UTC, or returns `None` for an unknown format.
///
/// The documentation states no format, so answers keep dates as strings. Existing clients sort by JavaScript's
/// `new Date(text)`. This function accepts:
///
/// - `2023-05-06` and `2023/05/06`;
/// - `06.05.2023`, the day first;
/// - `May 6, 2023`, `6 May 2023` and `Sat, 06 May 2023`, with English month names, in full or as three letters;
/// - each of these, then `T`, spaces or a comma, then a time: `12:30`, `12:30:59`, `12:30:59.123`;
/// - the time with a zone: `Z`, `UTC`, `GMT`, `+02:00`, `+0200`, `+02`. Assumption: a time without a zone is UTC.
///
/// It rejects ambiguous dates, such as `05/06/2023`, and plain numbers.
///
/// ```
/// use tgscan_types::unix_millis;
///
/// assert_eq!(unix_millis("2023-05-06T12:30:00+02:00"), Some(1_683_369_000_000));
/// assert_eq!(unix_millis("06.05.2023 10:30"), Some(1_683_369_000_000));
/// assert_eq!(unix_millis("yesterday"), None);
/// ```
pub fn unix_millis(date: &str) -> Option<i64> {
    let date = date.trim();
    if !date.is_ascii() {
        return None;
    }
    // The hour ends at the first colon.
    let (day, time) = match date.find(':') {
        Some(colon) => {
            let hour = date.get(..colon)?.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let (day, time) = date.split_at(hour);
            let separated = day.strip_suffix(['T', 't']).unwrap_or(day);
            if separated.len() == day.len() && !day.ends_with([' ', '\t', ',']) {
                return None;
            }
            (separated, millis_of_day(time)?)
        }
        None => (date, 0),
    };
    days(day.trim_end_matches([' ', '\t', ',']))?.checked_mul(86_400_000)?.checked_add(time)
}

/// Parses a date as days since 1970-01-01.
fn days(date: &str) -> Option<i64> {
    if date.contains(['-', '/']) {
        let separator = if date.contains('-') { '-' } else { '/' };
        let [year, month, day] = parts(date.split(separator))?;
        return (year.len() == 4).then(|| civil(number(year)?, number(month)?, number(day)?))?;
    }
    if date.contains('.') {
        let [day, month, year] = parts(date.split('.'))?;
        return (year.len() == 4).then(|| civil(number(year)?, number(month)?, number(day)?))?;
    }
    let words: Vec<&str> = date.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let is_word = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    let (day, month, year) = match words[..] {
        // A weekday comes first.
        [weekday, month, day, year] if is_word(weekday) && is_word(month) => (day, month, year),
        [weekday, day, month, year] if is_word(weekday) => (day, month, year),
        [month, day, year] if is_word(month) => (day, month, year),
        [day, month, year] => (day, month, year),
        _ => return None,
    };
    (year.len() == 4).then(|| civil(number(year)?, named_month(month)?, number(day)?))?
}

fn parts<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<[&'a str; 3]> {
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// Parses a number of one to four digits.
fn number(digits: &str) -> Option<i64> {
    let is_number = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Returns the number of a month by the first three letters of its English name.
fn named_month(name: &str) -> Option<i64> {
    const MONTHS: &str = "jan feb mar apr may jun jul aug sep oct nov dec";
    let short = name.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.split(' ').position(|month| month == short)?;
    i64::try_from(at + 1).ok()
}

/// Converts days since 1970-01-01 to year, month and day. Source: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms".
#[doc(hidden)]
pub fn civil_of_day(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar, or `None` if the date does not exist.
fn civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // In years that begin in March, the leap day is the last day, and months have 30.6 days on average.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_month = (month * 153 + 2) / 5;
    // From 0000-03-01 to 1970-01-01.
    Some(before_year + before_month + day - 1 - 719_468)
}

/// Parses a time such as `12:30:59.123+02:00` as milliseconds since midnight UTC.
fn millis_of_day(time: &str) -> Option<i64> {
    let end = time.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(time.len());
    let (clock, zone) = time.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut units = clock.split(':').map(|unit| if unit.len() <= 2 { number(unit) } else { None });
    let (hour, minute) = (units.next()??, units.next()??);
    let second = units.next().unwrap_or(Some(0))?;
    if units.next().is_some() || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(((hour * 60 + minute - zone_minutes(zone.trim())?) * 60 + second) * 1000 + millis)
}

/// Parses a zone as minutes ahead of UTC.
fn zone_minutes(zone: &str) -> Option<i64> {
    let zone = ["UTC", "GMT", "Z", "z"].iter().find_map(|name| zone.strip_prefix(name)).unwrap_or(zone);
    let Some(sign) = zone.bytes().next() else { return Some(0) };
    let digits = zone.get(1..)?.replacen(':', "", 1);
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    let ahead = number(hours)? * 60 + minutes;
    match sign {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{civil_of_day, unix_millis};

    #[test]
    fn days_have_dates() {
        assert_eq!(civil_of_day(0), (1970, 1, 1));
        assert_eq!(civil_of_day(11_016), (2000, 2, 29));
        assert_eq!(civil_of_day(20_782), (2026, 11, 25));
    }

    #[test]
    fn parses_the_common_forms() {
        const DAY: i64 = 1_683_331_200_000;
        for (date, after_midnight) in [
            ("2023-05-06", 0),
            (" 2023/05/06 ", 0),
            ("2023-5-6", 0),
            ("06.05.2023", 0),
            ("6.5.2023", 0),
            ("May 6, 2023", 0),
            ("may 06 2023", 0),
            ("6 May 2023", 0),
            ("Sat, 06 May 2023", 0),
            ("Saturday, May 6, 2023", 0),
            ("2023-05-06T12:30:59Z", 45_059_000),
            ("2023-05-06 12:30:59", 45_059_000),
            ("2023-05-06t12:30", 45_000_000),
            ("2023-05-06 12:30:59.5", 45_059_500),
            ("2023-05-06T12:30:59.123456789Z", 45_059_123),
            ("2023-05-06T12:30:59+02:00", 37_859_000),
            ("2023-05-06T12:30:59-0130", 50_459_000),
            ("2023-05-06 12:30:59 UTC", 45_059_000),
            ("2023-05-06 12:30:59 +02", 37_859_000),
            ("06.05.2023 12:30", 45_000_000),
            ("06.05.2023, 12:30", 45_000_000),
            ("Sat, 06 May 2023 12:30:59 GMT", 45_059_000),
            ("Sat May 06 2023 12:30:59 GMT+0200", 37_859_000),
            ("May 6, 2023 00:00", 0),
        ] {
            assert_eq!(unix_millis(date), Some(DAY + after_midnight), "{date}");
        }
        for (date, millis) in [
            ("1970-01-01", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-02-29", 951_782_400_000),
            ("2024-12-31", 1_735_603_200_000),
            ("1900-03-01", -2_203_891_200_000),
            ("0000-01-01", -62_167_219_200_000),
            ("9999-12-31", 253_402_214_400_000),
        ] {
            assert_eq!(unix_millis(date), Some(millis), "{date}");
        }
    }

    #[test]
    fn refuses_other_forms() {
        for date in [
            "",
            "yesterday",
            "1700000000",
            "05/06/2023",
            "2023-13-01",
            "2023-02-29",
            "1900-02-29",
            "2023-04-31",
            "2023-00-10",
            "2023-01-00",
            "0000-00-00",
            "23-05-06",
            "+275760-09-13",
            "2023-05",
            "2023-05-06-07",
            "2023-05-06T",
            "2023-05-06T25:00",
            "2023-05-06T12:60",
            "2023-05-06T12:30:61",
            "2023-05-06T12:30:59.",
            "2023-05-06T12:30:59.1.2",
            "2023-05-06T12:30:59:01",
            "2023-05-06T12:30 MESZ",
            "2023-05-06T12:30+2",
            "2023-05-0612:30",
            "12:30",
            ":",
            "Smarch 6, 2023",
            "6 May",
            "6 May 23",
            "6 mai 2023",
            "\u{666}.05.2023",
            "2023-05-06\u{1f600}",
        ] {
            assert_eq!(unix_millis(date), None, "{date}");
        }
    }
}
