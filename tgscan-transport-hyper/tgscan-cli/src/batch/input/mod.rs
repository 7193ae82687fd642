//! Reads a list of accounts.

mod table;
mod text;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use csv::StringRecord;
use tgscan_core::types::UserQuery;

use crate::csv_cells::original;
use crate::exit::Failure;
use crate::print;
use crate::show::escape;

/// The maximum number of invalid lines to print.
const SHOWN: usize = 20;
/// Words that stand for an empty cell.
const NOTHING: &str = "none null nil nan n/a #n/a na undefined unknown - -- empty";
/// Words that head a column of accounts.
const HEADERS: &str = "account accounts handle id login name telegram user user_id username usernames users";

/// An account in the list.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) query: UserQuery,
    pub(crate) first: Row,
    /// The other rows of the list with this account, if rows keep their columns.
    pub(crate) repeats: Vec<Row>,
}

impl Account {
    /// The rows of the list with this account, at least one.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        std::iter::once(&self.first).chain(&self.repeats)
    }
}

/// A row of the list that names an account.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its line, counted from 1.
    pub(crate) line: u64,
    /// The account as written there.
    pub(crate) written: Box<str>,
    pub(crate) columns: Option<Box<StringRecord>>,
}

/// An invalid line.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) line: u64,
    pub(crate) why: String,
}

/// The accounts in order, each once.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) accounts: Vec<Account>,
    pub(crate) bad: Vec<Bad>,
    /// The number of lines that repeat an account.
    pub(crate) repeated: u64,
    /// The names of the list's columns.
    pub(crate) header: Option<StringRecord>,
    /// The place of each account in `accounts`.
    seen: HashMap<UserQuery, usize>,
    /// Whether rows keep the list's columns.
    keeps_columns: bool,
}

impl List {
    fn add(&mut self, line: u64, text: &str, columns: Option<&StringRecord>) {
        let text = original(text.trim());
        if text.is_empty() || text.starts_with('#') && !text.eq_ignore_ascii_case("#n/a") {
            return;
        }
        if is_among(NOTHING, text) {
            return self.refuse(line, &format!("{text:?} stands for an empty cell"));
        }
        match text.parse::<UserQuery>() {
            Ok(query) => self.add_account(query, line, text, columns),
            Err(error) => self.refuse(line, &error.to_string()),
        }
    }

    fn add_account(&mut self, query: UserQuery, line: u64, text: &str, columns: Option<&StringRecord>) {
        let columns = columns.filter(|_| self.keeps_columns).cloned().map(Box::new);
        let row = Row { line, written: text.into(), columns };
        match self.seen.entry(query) {
            Entry::Vacant(entry) => {
                let query = entry.key().clone();
                entry.insert(self.accounts.len());
                self.accounts.push(Account { query, first: row, repeats: Vec::new() });
            }
            Entry::Occupied(entry) => {
                self.repeated += 1;
                let Some(account) = self.accounts.get_mut(*entry.get()) else { return };
                // A row that names an account in two columns is one row.
                if row.columns.is_some() && account.rows().last().is_some_and(|last| last.line != line) {
                    account.repeats.push(row);
                }
            }
        }
    }

    /// Refuses accounts that cannot be asked about.
    pub(crate) fn refuse_unless(&mut self, can_ask: impl Fn(&UserQuery) -> bool, why: &str) {
        let all = std::mem::take(&mut self.accounts);
        let (good, bad): (Vec<_>, Vec<_>) = all.into_iter().partition(|account| can_ask(&account.query));
        self.accounts = good;
        for account in bad {
            self.refuse(account.first.line, why);
        }
    }

    pub(crate) fn report_bad_lines(&self) {
        for bad in self.bad.iter().take(SHOWN) {
            print::note(&format!("line {}: {}", bad.line, bad.why));
        }
        if self.bad.len() > SHOWN {
            print::note(&format!("{} more invalid lines", self.bad.len() - SHOWN));
        }
    }

    fn refuse(&mut self, line: u64, why: &str) {
        self.bad.push(Bad { line, why: escape(why) });
    }
}

fn is_header(text: &str) -> bool {
    is_among(HEADERS, text.trim())
}

fn is_among(words: &str, text: &str) -> bool {
    words.split(' ').any(|word| word.eq_ignore_ascii_case(text))
}

/// Reads a file, or standard input for `-`. Rows keep the list's columns if `keeps_columns`.
pub(crate) fn read(path: &Path, columns: &[String], keeps_columns: bool) -> Result<List, Failure> {
    let named = |failure: Failure| Failure::usage(format!("{}: {failure}", path.display()));
    let has_end = |wanted: &str| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(wanted));
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| named(Failure::usage(error.to_string())))?)
    };
    let text = text::read(source).map_err(named)?;
    let mut list = if !columns.is_empty() || has_end("csv") || has_end("tsv") {
        table::read(&text, has_end("tsv"), columns, keeps_columns).map_err(named)?
    } else {
        read_lines(&text)
    };
    // Frees the memory.
    list.seen = HashMap::new();
    Ok(list)
}

fn read_lines(text: &str) -> List {
    let mut list = List::default();
    let mut is_first = true;
    for (line, text) in (1..).zip(text.split('\n')) {
        let text = text.trim();
        if is_first && is_header(text) {
            list.refuse(
                line,
                &format!("{text:?} looks like a header; put an @ before it if it is an account"),
            );
        } else {
            list.add(line, text, None);
        }
        is_first &= text.is_empty() || text.starts_with('#');
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_as_people_have_them_are_read() {
        let text = "@Alice_1 \n\n# a comment\nt.me/bob_1\r\n136817688\nALICE_1\nhttps://t.me/+invite\n  carol_1\n\u{1b}[2J\nNone\n-\n'@dave_1";
        let list = read_lines(text);
        let queries: Vec<_> =
            list.accounts.iter().map(|account| account.query.as_str().into_owned()).collect();
        assert_eq!(queries, ["Alice_1", "bob_1", "136817688", "carol_1", "dave_1"]);
        assert_eq!((list.accounts[3].first.line, &*list.accounts[0].first.written), (8, "@Alice_1"));
        assert_eq!(list.repeated, 1);
        assert_eq!(list.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [7, 9, 10, 11]);
        assert!(list.bad.iter().all(|bad| !bad.why.contains('\u{1b}')), "{:?}", list.bad);
    }

    #[test]
    fn header_of_a_plain_list_is_not_searched() {
        let list = read_lines("# exported\nUsername\nalice_1\nuser\n");
        assert_eq!(list.accounts.len(), 2, "only in the first line");
        assert!(list.bad[0].line == 2 && list.bad[0].why.contains("looks like a header"), "{:?}", list.bad);
        assert_eq!(read_lines("@username\n").accounts.len(), 1);
    }
}
