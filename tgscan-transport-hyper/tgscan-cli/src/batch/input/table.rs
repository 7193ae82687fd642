//! Reads lists in columns.

use csv::StringRecord;
use tgscan_core::types::UserQuery;

use super::{List, is_header};
use crate::exit::Failure;
use crate::help::quoted;
use crate::show::escape;

/// The maximum number of lines in a quoted cell.
const LONGEST_CELL: u64 = 50;

pub(super) fn read(
    text: &str,
    is_tsv: bool,
    columns: &[String],
    keeps_columns: bool,
) -> Result<List, Failure> {
    let (text, delimiter, skipped) = delimiter(text, is_tsv);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut list = List { keeps_columns, ..List::default() };
    let mut record = StringRecord::new();
    let mut at: Option<Vec<usize>> = None;
    loop {
        let start = reader.position().clone();
        let is_record = reader
            .read_record(&mut record)
            .map_err(|error| Failure::usage(format!("line {}: {error}", start.line() + skipped)))?;
        if !is_record {
            break;
        }
        let line = record.position().map_or(start.line(), csv::Position::line) + skipped;
        check_quotes(text, &start, reader.position(), line)?;
        let Some(at) = &at else {
            let numbers = numbers(columns)?;
            let found = match numbers {
                Some(numbers) => numbers,
                None => find(&record, columns, line)?,
            };
            if let Some(at) = found.iter().find(|at| **at >= record.len()) {
                return Err(Failure::usage(format!(
                    "--column {}: line {line} has {} columns, separated by {}",
                    at + 1,
                    record.len(),
                    name(delimiter)
                )));
            }
            let is_head = !columns.iter().all(|column| column.parse::<usize>().is_ok())
                || columns.is_empty()
                || found.iter().all(|at| is_header(&record[*at]));
            if is_head {
                list.header = Some(record.clone());
            } else {
                add(&mut list, line, &record, &found);
            }
            at = Some(found);
            continue;
        };
        add(&mut list, line, &record, at);
    }
    Ok(list)
}

fn add(list: &mut List, line: u64, record: &StringRecord, at: &[usize]) {
    for at in at {
        match record.get(*at) {
            Some(cell) => list.add(line, cell, Some(record)),
            None => list.refuse(line, &format!("there is no column {}", at + 1)),
        }
    }
}

/// Returns the text after a line `sep=`, the delimiter of its columns, and the number of skipped lines.
fn delimiter(text: &str, is_tsv: bool) -> (&str, u8, u64) {
    let first = text.lines().next().unwrap_or_default();
    if let Some(&[separator]) = first.strip_prefix("sep=").map(str::as_bytes) {
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        return (rest, separator, 1);
    }
    if is_tsv {
        return (text, b'\t', 0);
    }
    let mut is_quoted = false;
    let (mut commas, mut semicolons, mut tabs) = (0, 0, 0);
    for byte in first.bytes() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => commas += 1,
            b';' if !is_quoted => semicolons += 1,
            b'\t' if !is_quoted => tabs += 1,
            _ => {}
        }
    }
    let delimiter = match commas.max(semicolons).max(tabs) {
        most if most == commas => b',',
        most if most == semicolons => b';',
        _ => b'\t',
    };
    (text, delimiter, 0)
}

fn name(delimiter: u8) -> String {
    if delimiter == b'\t' { "tabs".to_owned() } else { format!("`{}`", char::from(delimiter)) }
}

/// Refuses a quote that is not closed: it would swallow the lines after it.
fn check_quotes(text: &str, start: &csv::Position, end: &csv::Position, line: u64) -> Result<(), Failure> {
    let spanned = end.line().saturating_sub(start.line());
    if spanned <= 1 {
        return Ok(());
    }
    let at =
        |position: &csv::Position| usize::try_from(position.byte()).unwrap_or(usize::MAX).min(text.len());
    let quotes = text[at(start)..at(end)].matches('"').count();
    if quotes % 2 == 1 || spanned > LONGEST_CELL {
        return Err(Failure::usage(format!("line {line}: a quote is opened and not closed")));
    }
    Ok(())
}

/// Returns the indices of columns that are given by number.
fn numbers(columns: &[String]) -> Result<Option<Vec<usize>>, Failure> {
    let numbers: Option<Vec<usize>> = columns.iter().map(|column| column.parse().ok()).collect();
    match numbers {
        Some(numbers) if numbers.contains(&0) => Err(Failure::usage("--column: columns are counted from 1")),
        Some(numbers) if !numbers.is_empty() => Ok(Some(numbers.iter().map(|number| number - 1).collect())),
        _ => Ok(None),
    }
}

/// Returns the indices of columns in the header.
fn find(head: &StringRecord, columns: &[String], line: u64) -> Result<Vec<usize>, Failure> {
    let names: Vec<&str> = head.iter().map(str::trim).collect();
    let known = escape(&names.join(", "));
    if columns.is_empty() {
        if let [name] = names[..] {
            if !is_header(name) && name.parse::<UserQuery>().is_ok() {
                // A number would be read as the number of a column.
                let skipping = if name.parse::<usize>().is_ok() {
                    String::new()
                } else {
                    format!(", --column {} skips it as the name of the column", quoted(name))
                };
                return Err(Failure::usage(format!(
                    "line {line}: is {name:?} an account or the name of the column? --column 1 looks it up (and pays \
                     for it) as an account{skipping}"
                )));
            }
            return Ok(vec![0]);
        }
        return Err(Failure::usage(format!(
            "which column has the accounts? Give --column with one of: {known}"
        )));
    }
    let find = |column: &String| {
        let by_number = || column.parse::<usize>().ok()?.checked_sub(1);
        names.iter().position(|name| name.eq_ignore_ascii_case(column)).or_else(by_number).ok_or_else(|| {
            Failure::usage(format!("--column: there is no column {column:?}; the file has: {known}"))
        })
    };
    columns.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(text: &str, columns: &[&str]) -> Result<Vec<String>, String> {
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let list = read(text, false, &columns, false).map_err(|failure| failure.to_string())?;
        let accounts = list.accounts.iter().map(|account| account.query.as_str().into_owned());
        Ok(accounts.chain(list.bad.iter().map(|bad| format!("{}: {}", bad.line, bad.why))).collect())
    }

    #[test]
    fn columns_are_found_by_name_or_number() {
        let text = "id,Username,note\n1,alice_1,\"two\nlines\"\n2,bob_1,\n";
        assert_eq!(read_with(text, &["username"]).unwrap(), ["alice_1", "bob_1"]);
        assert_eq!(read_with("alice_1,x\nbob_1,y\n", &["1"]).unwrap(), ["alice_1", "bob_1"]);
        assert_eq!(read_with("a,b\nalice_1,bob_1\n", &["a", "b"]).unwrap(), ["alice_1", "bob_1"]);
        assert_eq!(read_with("username\nalice_1\n", &[]).unwrap(), ["alice_1"]);
        assert_eq!(read_with("username,x\nalice_1,y\n", &["1"]).unwrap(), ["alice_1"], "a header");
        for (columns, says) in [
            (&[][..], "which column"),
            (&["name"], "no column"),
            (&["0"], "counted from 1"),
            (&["7"], "line 1 has 3"),
        ] {
            let error = read_with(text, columns).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(read_with("a,b\nx\n", &["b"]).unwrap(), ["2: there is no column 2"]);
    }

    #[test]
    fn separators_of_spreadsheets_are_recognised() {
        for text in [
            "n;user\n1;alice_1\n",
            "n\tuser\n1\talice_1\n",
            "sep=;\nn;user\n1;alice_1\n",
            "sep=|\nn|user\n1|alice_1\n",
        ] {
            assert_eq!(read_with(text, &["user"]).unwrap(), ["alice_1"], "{text}");
        }
        assert_eq!(read_with("sep=;\nuser;n\n?;1\n", &["user"]).unwrap()[0].split(':').next(), Some("3"));
    }
}
