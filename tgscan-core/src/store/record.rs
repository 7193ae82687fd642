//! What a store has on record.

use std::time::SystemTime;

use super::{CallId, Question, StoredAnswer};

/// One claimed call on record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredCall {
    /// The call.
    pub id: CallId,
    /// The label of the account that pays.
    pub account: String,
    /// The API method.
    pub method: String,
    /// What was asked; `None` once it expired or was erased.
    pub question: Option<Question>,
    /// When it was claimed.
    pub claimed_at: SystemTime,
    /// How it stands.
    pub state: CallState,
    /// The credits that it certainly cost.
    pub charged: u64,
    /// What came back; `None` if nothing did, or once it expired or was erased.
    pub answer: Option<StoredAnswer>,
}

impl StoredCall {
    /// Creates a record without question and answer.
    pub fn new(
        id: CallId,
        account: impl Into<String>,
        method: impl Into<String>,
        claimed_at: SystemTime,
        state: CallState,
        charged: u64,
    ) -> Self {
        let (account, method) = (account.into(), method.into());
        Self { id, account, method, question: None, claimed_at, state, charged, answer: None }
    }
}

/// How a claimed call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallState {
    /// Its owner lives and has not settled it.
    InFlight,
    /// It was answered, and its cost is known.
    Answered,
    /// It was answered, and its cost is not known: counts as uncertain until it is settled.
    AnsweredUncertain,
    /// It brought no answer, and may have been charged: its question stays taken.
    Uncertain,
    /// It brought no answer and was charged: its question stays taken until someone settles it.
    Unanswered,
    /// Its cost was settled by hand or by the balance. Several calls that a balance settled together have their cost
    /// in the last one.
    Settled,
}

/// What was spent on one day with one API method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct BillRow {
    /// The label of the account.
    pub account: String,
    /// The day in UTC on which the calls were claimed, in days since 1970-01-01.
    pub day: i64,
    /// The API method.
    pub method: String,
    /// How many calls were claimed and not found to be free.
    pub calls: u64,
    /// What they certainly cost, in credits.
    pub charged: u64,
}

impl BillRow {
    /// Creates a row.
    pub fn new(
        account: impl Into<String>,
        day: i64,
        method: impl Into<String>,
        calls: u64,
        charged: u64,
    ) -> Self {
        Self { account: account.into(), day, method: method.into(), calls, charged }
    }

    /// Returns the day as `YYYY-MM-DD`.
    pub fn date(&self) -> String {
        // Civil from days: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let shifted = self.day.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// What erasing a person removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// Questions about the person.
    pub questions: u64,
    /// Answers with the person in them.
    pub answers: u64,
}

impl Erased {
    /// Creates a report.
    pub fn new(questions: u64, answers: u64) -> Self {
        Self { questions, answers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bill_shows_days_as_dates() {
        let date = |day| BillRow::new("a", day, "search", 1, 1).date();
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_782), "2026-11-25");
        let _ = (date(i64::MAX), date(i64::MIN));
    }
}
