//! The rows of each account in an output file of `tgscan batch`.

use std::collections::{HashMap, HashSet};

use serde::de::IgnoredAny;
use tgscan_core::types::UserQuery;

use crate::exit::counted;
use crate::show::escape;

/// The rows that were read so far.
///
/// Only an account whose first rows, in order, are the end of the file was cut off by a killed run. If others lack rows, their
/// owner removed these, or a spreadsheet sorted them.
#[derive(Default)]
pub(crate) struct AccountRows {
    accounts: HashMap<UserQuery, Numbers>,
    last: Option<Last>,
}

/// The numbers of an account's rows.
struct Numbers {
    /// The number of accounts before it.
    place: usize,
    /// The number of its rows in a whole file.
    of: u64,
    /// All numbers up to this one were read.
    first: u64,
    /// The numbers after a gap.
    others: HashSet<u64>,
}

impl Numbers {
    /// Adds a number. Returns whether it is new.
    fn add(&mut self, row: u64) -> bool {
        if row <= self.first || !self.others.insert(row) {
            return false;
        }
        while self.others.remove(&(self.first + 1)) {
            self.first += 1;
        }
        true
    }

    fn is_complete(&self) -> bool {
        self.first >= self.of
    }
}

/// The account of the last row.
struct Last {
    account: UserQuery,
    /// The beginning of its rows at the end of the file, in bytes.
    start: u64,
    /// Whether these are all of its rows, in order.
    is_all: bool,
}

impl AccountRows {
    /// Adds a row that begins at `start` and has the number `row` of `of`. Returns whether it is new. A row without a newline
    /// whose number was read before is not complete: the end of its number is missing.
    pub(crate) fn add(&mut self, account: UserQuery, of: u64, row: u64, start: u64, is_whole: bool) -> bool {
        let place = self.accounts.len();
        let new = || Numbers { place, of, first: 0, others: HashSet::new() };
        let numbers = self.accounts.entry(account.clone()).or_insert_with(new);
        numbers.of = of;
        let is_next = row == numbers.first + 1 && numbers.others.is_empty();
        let is_new = numbers.add(row);
        if !is_new && !is_whole {
            return false;
        }
        match &mut self.last {
            Some(last) if last.account == account => last.is_all &= is_next,
            last => *last = Some(Last { account, start, is_all: is_next && row == 1 }),
        }
        is_new
    }

    /// Removes the account that was cut off. Returns it, and the beginning of its rows.
    pub(crate) fn take_cut_off(&mut self) -> Option<(UserQuery, u64)> {
        let last = self.last.take().filter(|last| last.is_all)?;
        if self.accounts.get(&last.account)?.is_complete() {
            return None;
        }
        self.accounts.remove(&last.account);
        Some((last.account, last.start))
    }

    /// Returns a note about the accounts with fewer rows than their answers.
    pub(crate) fn note(&self) -> Option<String> {
        let mut few: Vec<_> = self.accounts.iter().filter(|(_, numbers)| !numbers.is_complete()).collect();
        few.sort_unstable_by_key(|(_, numbers)| numbers.place);
        let names: Vec<String> = few.iter().take(3).map(|(account, _)| escape(&account.as_str())).collect();
        let more = if few.len() > names.len() { ", …" } else { "" };
        let count = counted(few.len() as u64, "account");
        let verb = if few.len() == 1 { "has" } else { "have" };
        let names = names.join(", ");
        (!few.is_empty()).then(|| format!("{count} {verb} fewer rows than the answer: {names}{more}"))
    }

    pub(crate) fn into_accounts(self) -> HashSet<UserQuery> {
        self.accounts.into_keys().collect()
    }
}

/// Returns whether a line of JSON lines is a row that was cut off, after rows of this program or where one would begin.
pub(crate) fn is_cut_off(number: u64, line: &[u8]) -> bool {
    !line.ends_with(b"\n")
        && serde_json::from_slice::<IgnoredAny>(line).is_err()
        && (number > 1 || line.starts_with(br#"{"account":""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds rows such as `a1/2`, each 10 bytes long. A last one with `-` has no newline.
    fn read(rows: &str) -> (Option<(String, u64)>, Option<String>) {
        let mut all = AccountRows::default();
        for (at, row) in (0_u64..).zip(rows.split(' ')) {
            let (account, numbers) = row.split_at(1);
            let (row, of) = numbers.trim_end_matches('-').split_once('/').unwrap();
            let account = format!("{account}lice_1").parse().unwrap();
            all.add(account, of.parse().unwrap(), row.parse().unwrap(), at * 10, !numbers.ends_with('-'));
        }
        let cut_off = all.take_cut_off().map(|(account, start)| (account.as_str().to_string(), start));
        (cut_off, all.note())
    }

    #[test]
    fn only_the_first_rows_of_an_account_at_the_end_are_cut_off() {
        for (rows, cut_off, few) in [
            ("a1/2 a2/2 b1/1", None, ""),
            ("a1/2 a2/2 b1/3 b2/3", Some(20), ""),
            ("a1/2", Some(0), ""),
            // The last number is complete, or its end is missing.
            ("a1/2 a2/2-", None, ""),
            ("a1/12 a2/12 a3/12 a1/12-", Some(0), ""),
            // Sorted.
            ("a2/2 b1/2 a1/2 b2/2-", None, ""),
            ("b1/2 a1/2 a2/2 b2/2", None, ""),
            ("a2/3 b1/1 a1/3", None, "1 account has fewer rows than the answer: alice_1"),
            ("a1/3 b1/1 a2/3", None, "1 account has fewer rows than the answer: alice_1"),
            ("a2/3 a1/3", None, "1 account has fewer rows than the answer: alice_1"),
            // Removed.
            ("a1/3 a3/3", None, "1 account has fewer rows than the answer: alice_1"),
            ("a2/2", None, "1 account has fewer rows than the answer: alice_1"),
            ("a1/2 b1/1", None, "1 account has fewer rows than the answer: alice_1"),
            (
                "d1/2 c1/2 b1/2 a1/2 e1/1",
                None,
                "4 accounts have fewer rows than the answer: dlice_1, clice_1, blice_1, …",
            ),
            ("b1/2 a1/2", Some(10), "1 account has fewer rows than the answer: blice_1"),
            // Read twice.
            ("a1/3 a1/3 a2/3", None, "1 account has fewer rows than the answer: alice_1"),
        ] {
            let (start, note) = read(rows);
            assert_eq!(
                (start.map(|(_, start)| start), note.unwrap_or_default().as_str()),
                (cut_off, few),
                "{rows}"
            );
        }
    }
}
