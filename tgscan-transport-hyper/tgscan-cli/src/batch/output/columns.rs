//! An account as CSV: one row per group.

use csv::StringRecord;

use super::rows::Kind;
use crate::batch::input::{Account, Row};
use crate::batch::method::Method;
use crate::batch::work::Found;
use crate::exit::Failure;
use crate::show::{Selection, Show, csv_rows, escape};

/// Columns before and after those of the answer.
const BEFORE: &str = "found";
const AFTER: [&str; 2] = ["credits", "stored"];

/// The columns: those of the list, the account, the fields, then the number of rows of the account and the number of
/// this row. An incomplete row lacks one of these two, so it is recognised.
pub(crate) struct Columns {
    /// The names of the list's columns.
    own: Vec<String>,
    /// The names of the chosen fields, and their indices among all fields.
    fields: Vec<(String, usize)>,
    /// Whether cells are neutralised for spreadsheets.
    is_safe: bool,
    /// Which groups have rows.
    selection: Selection,
    /// The rows of another method than search, and those of a test key, have one more column each, so that other rows are
    /// not added to them.
    kind: Kind,
}

impl Columns {
    /// Creates the columns of an answer, with all fields if none are chosen.
    pub(super) fn new<A: Show>(
        header: Option<&StringRecord>,
        chosen: &[String],
        is_safe: bool,
        selection: Selection,
        kind: Kind,
    ) -> Result<Self, Failure> {
        let known: Vec<&str> =
            std::iter::once(BEFORE).chain(A::COLUMNS.iter().copied()).chain(AFTER).collect();
        let find = |name: &String| {
            let at = known.iter().position(|known| known == name);
            at.map(|at| (name.clone(), at)).ok_or_else(|| {
                Failure::usage(format!(
                    "--fields: there is no {}; choose from: {}",
                    escape(name),
                    known.join(",")
                ))
            })
        };
        let fields = if chosen.is_empty() {
            known.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at)).collect()
        } else {
            chosen.iter().map(find).collect::<Result<Vec<_>, _>>()?
        };
        let taken = |name: &str| {
            ["account", "method", "test", "rows", "row"].contains(&name)
                || fields.iter().any(|(field, _)| field == name)
        };
        // The list may have columns with the same names.
        let own = |name: &str| if taken(name) { format!("list_{name}") } else { one_line(name) };
        let own = header.map(|header| header.iter().map(own).collect()).unwrap_or_default();
        Ok(Self { own, fields, is_safe, selection, kind })
    }

    pub(super) fn names(&self) -> Vec<String> {
        let account = std::iter::once("account".to_owned());
        let fields = self.fields.iter().map(|(name, _)| name.clone());
        let method = self.method().map(|_| "method".to_owned());
        let test = self.kind.is_test.then(|| "test".to_owned());
        let rows = ["rows", "row"].map(str::to_owned);
        let own = self.own.iter().cloned();
        own.chain(account).chain(fields).chain(method).chain(test).chain(rows).collect()
    }

    pub(super) fn head(&self) -> Result<Vec<u8>, Failure> {
        csv_rows(&[self.names()], self.is_safe)
    }

    /// Returns the content of the column `method`; `None` for a search, whose rows have no such column.
    pub(super) fn method(&self) -> Option<&'static str> {
        Some(self.kind.method).filter(|method| *method != Method::Search).map(Method::name)
    }

    /// Returns the index of the account's column.
    pub(super) fn account(&self) -> usize {
        self.own.len()
    }

    /// Returns an account's rows: for each of its rows in the list, one per group, or a single one without groups.
    pub(super) fn rows<A: Show>(&self, account: &Account, found: &Found<A>) -> Result<Vec<u8>, Failure> {
        let answer = found.reply.as_ref().map(|reply| &reply.answer);
        let rows = answer.map_or_else(
            || vec![vec![String::new(); A::COLUMNS.len()]],
            |answer| answer.rows(self.selection),
        );
        let is_found = answer.is_some_and(|answer| !answer.nothing_known());
        let count = rows.len() * (1 + account.repeats.len());
        let listed = account.rows().flat_map(|listed| rows.iter().map(move |row| (listed, row)));
        let row = |(number, (listed, row)): (usize, (&Row, &Vec<String>))| {
            let own = |at: usize| listed.columns.as_ref()?.get(at).map(one_line);
            // Only in the first row, so that the sum of the column is the cost.
            let credits = if number == 0 { found.credits().to_string() } else { String::new() };
            let all: Vec<String> = std::iter::once(is_found.to_string())
                .chain(row.iter().cloned())
                .chain([credits, found.is_stored().to_string()])
                .collect();
            let fields = self.fields.iter().map(|(_, at)| one_line(&all[*at]));
            (0..self.own.len())
                .map(|at| own(at).unwrap_or_default())
                .chain(std::iter::once(one_line(&listed.written)))
                .chain(fields)
                .chain(self.method().map(str::to_owned))
                .chain(self.kind.is_test.then(|| "true".to_owned()))
                .chain([count.to_string(), (number + 1).to_string()])
                .collect()
        };
        let rows: Vec<Vec<String>> = listed.enumerate().map(row).collect();
        csv_rows(&rows, self.is_safe)
    }
}

/// Removes line breaks from a text, so that a row is a line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
