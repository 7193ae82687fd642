//! Reads a list of accounts.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tgscan_core::types::UserQuery;

use crate::exit::Failure;
use crate::show::escape;

/// An account in the list.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Where it stands first, from 1.
    pub(crate) line: u64,
    pub(crate) query: UserQuery,
}

/// A line that is no account.
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
    /// How many lines repeat an account.
    pub(crate) repeated: u64,
    seen: HashSet<UserQuery>,
}

impl List {
    fn add(&mut self, line: u64, text: &str) {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        match text.parse::<UserQuery>() {
            Ok(query) if self.seen.insert(query.clone()) => self.accounts.push(Account { line, query }),
            Ok(_) => self.repeated += 1,
            Err(error) => self.bad.push(Bad { line, why: escape(&error.to_string()) }),
        }
    }
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path, column: Option<&str>) -> Result<List, Failure> {
    let fail = |error| Failure::usage(format!("{}: {error}", path.display()));
    let is_csv = column.is_some() || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(fail)?)
    };
    if is_csv { read_csv(source, column) } else { read_lines(BufReader::new(source)).map_err(fail) }
}

fn read_lines(mut source: impl BufRead) -> std::io::Result<List> {
    let mut list = List::default();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if source.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        list.add(line, &String::from_utf8_lossy(&bytes));
    }
    Ok(list)
}

fn read_csv(source: impl Read, column: Option<&str>) -> Result<List, Failure> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut list = List::default();
    let number = column.and_then(|column| column.parse::<usize>().ok());
    let mut at = match number {
        Some(0) => return Err(Failure::usage("--column: columns are counted from 1")),
        Some(number) => Some(number - 1),
        None => None,
    };
    let mut record = csv::ByteRecord::new();
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| Failure::usage(format!("the CSV file: {error}")))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| String::from_utf8_lossy(record.get(at).unwrap_or_default()).into_owned();
        let Some(at) = at else {
            at = Some(find(&record, column)?);
            continue;
        };
        list.add(line, &cell(at));
    }
    Ok(list)
}

/// The place of a column in the head of a CSV file.
fn find(head: &csv::ByteRecord, column: Option<&str>) -> Result<usize, Failure> {
    let names: Vec<String> = head
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    let Some(column) = column else {
        if names.len() == 1 {
            return Ok(0);
        }
        return Err(Failure::usage(format!(
            "which column has the accounts? Give --column with one of: {}",
            escape(&names.join(", "))
        )));
    };
    names.iter().position(|name| name.eq_ignore_ascii_case(column)).ok_or_else(|| {
        Failure::usage(format!(
            "--column: there is no column {column:?}; the file has: {}",
            escape(&names.join(", "))
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(list: &List) -> Vec<String> {
        list.accounts.iter().map(|account| account.query.as_str().into_owned()).collect()
    }

    #[test]
    fn lists_as_people_have_them_are_read() {
        let text = "\u{feff}@Alice_1 \n\n# a comment\nt.me/bob_1\r\n136817688\nALICE_1\nhttps://t.me/+invite\n  carol_1\n\u{1b}[2J\n";
        let list = read_lines(text.as_bytes()).unwrap();
        assert_eq!(queries(&list), ["Alice_1", "bob_1", "136817688", "carol_1"]);
        assert_eq!(list.accounts[3].line, 8);
        assert_eq!(list.repeated, 1);
        assert_eq!(list.bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [7, 9]);
        assert!(list.bad.iter().all(|bad| !bad.why.contains('\u{1b}')), "{:?}", list.bad);
    }

    #[test]
    fn a_csv_column_is_found_by_name_or_number() {
        let text = "\u{feff}id,Username,note\n1,alice_1,\"two\nlines\"\n2,bob_1,\n3\n";
        let by_name = read_csv(text.as_bytes(), Some("username")).unwrap();
        assert_eq!(queries(&by_name), ["alice_1", "bob_1"]);
        assert_eq!(by_name.accounts[1].line, 4);
        let by_number = read_csv("alice_1,x\nbob_1,y\n".as_bytes(), Some("1")).unwrap();
        assert_eq!(queries(&by_number), ["alice_1", "bob_1"]);
        for (column, says) in
            [(None, "which column"), (Some("name"), "no column"), (Some("0"), "counted from 1")]
        {
            let error = read_csv(text.as_bytes(), column).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
