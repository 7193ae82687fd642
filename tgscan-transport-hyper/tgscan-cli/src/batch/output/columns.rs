//! An account as CSV: one row per group.

use csv::StringRecord;

use crate::batch::input::Account;
use crate::batch::work::Found;
use crate::exit::Failure;
use crate::show::{Selection, Show, csv_rows, escape};

/// Columns before and after those of the answer.
const BEFORE: &str = "found";
const AFTER: [&str; 2] = ["credits", "stored"];

/// The columns: those of the list, the account, the fields, and at last how many rows the account has and which this is. With
/// these two at the end, a row that was cut off is recognised.
pub(crate) struct Columns {
    /// The names of the list's columns.
    own: Vec<String>,
    /// The names of the chosen fields, and their places among all.
    fields: Vec<(String, usize)>,
    /// Whether cells are neutralised for spreadsheets.
    is_safe: bool,
    /// Which groups have rows.
    selection: Selection,
}

impl Columns {
    /// Creates the columns of an answer; all fields, if none are chosen.
    pub(super) fn new<A: Show>(
        header: Option<&StringRecord>,
        chosen: &[String],
        is_safe: bool,
        selection: Selection,
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
            ["account", "rows", "row"].contains(&name) || fields.iter().any(|(field, _)| field == name)
        };
        // The list may have columns with the same names.
        let own = |name: &str| if taken(name) { format!("list_{name}") } else { one_line(name) };
        let own = header.map(|header| header.iter().map(own).collect()).unwrap_or_default();
        Ok(Self { own, fields, is_safe, selection })
    }

    /// The names of all columns.
    pub(super) fn names(&self) -> Vec<String> {
        let account = std::iter::once("account".to_owned());
        let fields = self.fields.iter().map(|(name, _)| name.clone());
        let rows = ["rows", "row"].map(str::to_owned);
        self.own.iter().cloned().chain(account).chain(fields).chain(rows).collect()
    }

    pub(super) fn head(&self) -> Result<Vec<u8>, Failure> {
        csv_rows(&[self.names()], self.is_safe)
    }

    /// The place of the account.
    pub(super) fn account(&self) -> usize {
        self.own.len()
    }

    /// An account's rows: one per group, or a single one without.
    pub(super) fn rows<A: Show>(&self, account: &Account, found: &Found<A>) -> Result<Vec<u8>, Failure> {
        let answer = found.reply.as_ref().map(|reply| &reply.answer);
        let rows = answer.map_or_else(
            || vec![vec![String::new(); A::COLUMNS.len()]],
            |answer| answer.rows(self.selection),
        );
        let is_found = answer.is_some_and(|answer| !answer.nothing_known());
        let own = |at: usize| {
            account.columns.as_ref().and_then(|columns| columns.get(at)).map(one_line).unwrap_or_default()
        };
        let count = rows.len();
        let row = |(number, row): (usize, Vec<String>)| {
            // In the first row alone, so that they can be added up.
            let credits = if number == 0 { found.credits().to_string() } else { String::new() };
            let all: Vec<String> = std::iter::once(is_found.to_string())
                .chain(row)
                .chain([credits, found.is_stored().to_string()])
                .collect();
            let fields = self.fields.iter().map(|(_, at)| one_line(&all[*at]));
            (0..self.own.len())
                .map(own)
                .chain(std::iter::once(one_line(&account.written)))
                .chain(fields)
                .chain([count.to_string(), (number + 1).to_string()])
                .collect()
        };
        let rows: Vec<Vec<String>> = rows.into_iter().enumerate().map(row).collect();
        csv_rows(&rows, self.is_safe)
    }
}

/// A text without line breaks, so that a row is a line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
