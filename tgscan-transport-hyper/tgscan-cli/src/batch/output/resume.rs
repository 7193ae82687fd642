//! Finds the accounts whose rows are in a file, and the end of its last whole row.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};

use serde::Deserialize;
use tgscan_core::types::UserQuery;

use super::columns::Columns;
use super::rows::Kind;
use crate::account_rows::{AccountRows, is_cut_off};
use crate::csv_cells::original;
use crate::show::escape;

/// The content of a file.
#[derive(Default)]
pub(super) struct Resumed {
    pub(super) done: HashSet<UserQuery>,
    /// The end of its last whole row, in bytes.
    pub(super) whole: u64,
    /// Whether only the newline of its last row is missing.
    pub(super) needs_newline: bool,
    /// A note about accounts that lack rows and are done.
    pub(super) note: Option<String>,
}

/// Iterates over the lines of a file, newlines included, each with the position of its end.
fn lines(file: &File) -> impl Iterator<Item = Result<(u64, Vec<u8>), String>> {
    let mut reader = BufReader::new(file);
    let mut end = 0;
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(length) => {
                end += length as u64;
                Some(Ok((end, line)))
            }
            Err(error) => Some(Err(error.to_string())),
        }
    })
}

/// Reads JSON lines. The error states why they cannot be read, or are not of this program.
pub(super) fn json_lines(file: &File, kind: Kind) -> Result<Resumed, String> {
    #[derive(Deserialize)]
    struct Row {
        account: String,
        method: Option<String>,
        #[serde(default)]
        test: bool,
    }
    let mut found = Resumed::default();
    for (number, line) in (1_u64..).zip(lines(file)) {
        let (end, line) = line?;
        let is_whole = line.ends_with(b"\n");
        let row: Option<Row> = serde_json::from_slice(&line).ok();
        match row.and_then(|row| Some((row.account.parse().ok()?, row.method, row.test))) {
            Some((_, None, _)) => {
                let method = kind.method.name();
                return Err(format!(
                    "line {number} has no method (to continue a file of an earlier version, add \"method\":\"{method}\" to each line)"
                ));
            }
            Some((_, Some(method), _)) if method != kind.method.name() => {
                return Err(of_method(number, &method));
            }
            Some((.., test)) if test != kind.is_test => {
                let key = if test { "test" } else { "live" };
                return Err(format!("line {number} is of a run with a {key} key"));
            }
            Some((account, ..)) => {
                found.done.insert(account);
                (found.whole, found.needs_newline) = (end, !is_whole);
            }
            None if is_cut_off(number, &line) => {}
            None => return Err(format!("line {number} was not written by this program")),
        }
    }
    Ok(found)
}

/// Returns why rows of another method are refused.
fn of_method(number: u64, method: &str) -> String {
    format!("line {number} is of a run with --method {}", escape(method))
}

/// Reads CSV. The error states why it cannot be read, or is not of this program.
pub(super) fn csv(file: &File, columns: &Columns) -> Result<Resumed, String> {
    let names = columns.names();
    // Columns of the list have other names.
    let method =
        columns.method().and_then(|method| Some((names.iter().position(|name| name == "method")?, method)));
    let mut found = Resumed::default();
    let mut all = AccountRows::default();
    let mut start = 0;
    for (number, line) in (1_u64..).zip(lines(file)) {
        let (end, line) = line?;
        let is_whole = line.ends_with(b"\n");
        let cells = cells(&line);
        if number == 1 {
            let head: Vec<&str> = cells.iter().map(|cell| original(cell)).collect();
            if head != names {
                let is_ours = head.contains(&"account") && head.ends_with(&["rows", "row"]);
                let why = if is_ours {
                    "its columns are not those that this run would write"
                } else {
                    "line 1 was not written by this program"
                };
                return Err(why.to_owned());
            }
            (found.whole, found.needs_newline, start) = (end, !is_whole, end);
            continue;
        }
        let tail = |back: usize| cells.len().checked_sub(back).and_then(|at| cells[at].parse::<u64>().ok());
        let (rows, row) = (tail(2), tail(1));
        let account = cells.get(columns.account()).and_then(|cell| original(cell).parse::<UserQuery>().ok());
        let (true, Some(account), Some(rows), Some(row)) = (cells.len() == names.len(), account, rows, row)
        else {
            if !is_whole {
                break;
            }
            return Err(format!("line {number} was not written by this program"));
        };
        if let Some((at, _)) = method.filter(|(at, method)| cells[*at] != *method) {
            return Err(of_method(number, &cells[at]));
        }
        if all.add(account, rows, row, start, is_whole) || is_whole {
            (found.whole, found.needs_newline, start) = (end, !is_whole, end);
        }
    }
    if let Some((_, start)) = all.take_cut_off() {
        (found.whole, found.needs_newline) = (start, false);
    }
    found.note = all.note();
    found.done = all.into_accounts();
    Ok(found)
}

fn cells(line: &[u8]) -> Vec<String> {
    let line = line.strip_prefix(crate::show::BYTE_ORDER_MARK).unwrap_or(line);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let record = reader.byte_records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
}
