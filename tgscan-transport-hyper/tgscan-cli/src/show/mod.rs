//! Prints answers as text, JSON and CSV.

mod answers;
mod selection;
mod table;

use std::borrow::Cow;
use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use serde_json::value::{Map, RawValue, Value};
use tgscan_core::Reply;

pub(crate) use crate::escape::{escape, isolate};
pub(crate) use selection::Selection;
pub(crate) use table::{Table, cut};

use crate::args::{Format, Output};
use crate::csv_cells::neutralised;
use crate::exit::{Code, Failure};
use crate::print;

/// An answer that can be shown.
pub(crate) trait Show: Serialize {
    /// The names of the columns of its rows.
    const COLUMNS: &'static [&'static str];

    /// Formats the answer as text.
    fn show(&self, selection: Selection) -> String;

    /// Formats the answer as rows: one for each group, and at least one.
    fn rows(&self, selection: Selection) -> Vec<Vec<String>>;

    /// Returns whether the service knows nothing about the query.
    fn nothing_known(&self) -> bool;
}

/// Returns the answer as received, without its envelope. If only a lenient reader can parse it, it is serialised again.
pub(crate) fn result_json<A: Serialize>(reply: &Reply<A>) -> Result<Cow<'_, str>, Failure> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        result: &'a RawValue,
    }
    let body = reply.raw().strip_prefix(BYTE_ORDER_MARK).unwrap_or(reply.raw());
    match serde_json::from_slice::<Raw<'_>>(body) {
        Ok(raw) => Ok(raw.result.get().into()),
        Err(_) => serde_json::to_string(&reply.answer)
            .map(Cow::from)
            .map_err(|error| Failure::new(Code::Undecodable, error.to_string())),
    }
}

/// A text for standard output.
pub(crate) enum Printout {
    /// Printed unchanged.
    Bytes(Vec<u8>),
    /// Shown by the pager, if there is one.
    Text(String),
}

impl Printout {
    pub(crate) fn print(&self) -> Result<(), Failure> {
        match self {
            Self::Bytes(bytes) => print::bytes(bytes),
            Self::Text(text) => print::page(text),
        }
    }
}

/// Formats an answer.
pub(crate) fn answer<A: Show>(
    reply: &Reply<A>,
    output: Output,
    selection: Selection,
) -> Result<Printout, Failure> {
    if output.raw {
        return Ok(Printout::Bytes(reply.raw().to_vec()));
    }
    if output.json {
        return Ok(Printout::Bytes(format!("{}\n", result_json(reply)?).into_bytes()));
    }
    if output.csv || output.excel {
        let mut bytes = if output.excel { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
        let mut rows = vec![A::COLUMNS.iter().map(ToString::to_string).collect()];
        rows.extend(reply.answer.rows(selection));
        bytes.extend(csv_rows(&rows, true)?);
        return Ok(Printout::Bytes(bytes));
    }
    Ok(Printout::Text(reply.answer.show(selection)))
}

/// Makes Excel read a file as UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Formats rows as CSV, safe for spreadsheets if `is_safe`.
pub(crate) fn csv_rows(rows: &[Vec<String>], is_safe: bool) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let cell = |cell: &String| if is_safe { neutralised(cell).into_owned() } else { cell.clone() };
    let written = rows.iter().try_for_each(|row| writer.write_record(row.iter().map(cell)));
    written.map_err(|error| Failure::new(Code::Other, error.to_string()))?;
    writer.into_inner().map_err(|error| Failure::new(Code::Other, error.to_string()))
}

/// Rows with the names of their columns, for printing.
pub(crate) struct Rows {
    names: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    pub(crate) fn new(names: &[&'static str]) -> Self {
        Self { names: names.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Prints the rows: as a table, as CSV, or as a JSON array of objects.
    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        if format.json {
            let object = |row: &Vec<String>| {
                let value = |text: &String| {
                    text.parse::<u64>().map_or_else(|_| Value::from(text.as_str()), Value::from)
                };
                self.names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .zip(row.iter().map(value))
                    .collect::<Map<_, _>>()
            };
            let array: Vec<_> = self.rows.iter().map(object).collect();
            return print::bytes(format!("{}\n", Value::from(array)).as_bytes());
        }
        if format.csv {
            let head: Vec<String> = self.names.iter().map(ToString::to_string).collect();
            let rows: Vec<_> = std::iter::once(head).chain(self.rows.iter().cloned()).collect();
            return print::bytes(&csv_rows(&rows, true)?);
        }
        let mut table = Table::with_head(self.names.iter().map(|name| name.to_uppercase()).collect());
        for row in &self.rows {
            table.add(row.iter().map(|cell| escape(cell)).collect());
        }
        print::page(&table.to_string())
    }
}

/// Returns the width of the terminal, else the value of `COLUMNS`.
fn screen_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if stdout.is_terminal() {
        return terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0));
    }
    std::env::var("COLUMNS").ok()?.parse().ok()
}
