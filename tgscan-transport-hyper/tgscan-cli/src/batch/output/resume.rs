//! Finds the accounts whose rows are in a file, and the end of its last whole row.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tgscan_core::types::UserQuery;

use super::columns::Columns;
use super::rows::Kind;
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
            // A row that was cut off, after rows of this program or where one would begin.
            None if !is_whole && !is_json(&line) && (number > 1 || is_start(&line)) => {}
            None => return Err(format!("line {number} was not written by this program")),
        }
    }
    Ok(found)
}

/// Returns why rows of another method are refused.
fn of_method(number: u64, method: &str) -> String {
    format!("line {number} is of a run with --method {}", escape(method))
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Returns whether a line may be the start of a row.
fn is_start(line: &[u8]) -> bool {
    line.starts_with(br#"{"account":""#)
}

/// Reads CSV. The error states why it cannot be read, or is not of this program.
///
/// Only the last account can lack rows because a run was killed. If others lack some, their owner removed these rows, or a
/// spreadsheet sorted them, so these accounts are done.
pub(super) fn csv(file: &File, columns: &Columns) -> Result<Resumed, String> {
    let names = columns.names();
    // Columns of the list have other names.
    let method =
        columns.method().and_then(|method| Some((names.iter().position(|name| name == "method")?, method)));
    let mut found = Resumed::default();
    let mut row_counts: HashMap<UserQuery, u64> = HashMap::new();
    let mut last: Option<Last> = None;
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
        let count = row_counts.entry(account.clone()).or_default();
        // The number of a row without a newline may be cut off.
        *count += u64::from(is_whole || row == rows);
        let is_cut_off = row != rows && *count < rows;
        let start_of_account = last.filter(|last| last.account == account).map_or(start, |last| last.start);
        last = Some(Last { account, start: start_of_account, is_cut_off });
        (found.whole, found.needs_newline, start) = (end, !is_whole, end);
    }
    if let Some(last) = last.filter(|last| last.is_cut_off) {
        row_counts.remove(&last.account);
        (found.whole, found.needs_newline) = (last.start, false);
    }
    found.done = row_counts.into_keys().collect();
    Ok(found)
}

/// The account of the last rows.
struct Last {
    account: UserQuery,
    /// The beginning of its rows at the end of the file, in bytes.
    start: u64,
    /// Whether its last rows are missing.
    is_cut_off: bool,
}

fn cells(line: &[u8]) -> Vec<String> {
    let line = line.strip_prefix(crate::show::BYTE_ORDER_MARK).unwrap_or(line);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let record = reader.byte_records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
}
