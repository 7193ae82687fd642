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
    fn nothing_known(&self) -> bool {
        false
    }
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

/// Prints rows with the names of their columns: as a table if there are any, as CSV, or as a JSON array of objects.
/// Cells are texts, numbers or null.
pub(crate) fn print_rows(names: &[&str], rows: Vec<Vec<Value>>, format: Format) -> Result<(), Failure> {
    if rows.is_empty() && !format.is_for_programs() {
        return Ok(());
    }
    print::to_any_reader(rows_as(names, rows, format)?.print())
}

fn rows_as(names: &[&str], rows: Vec<Vec<Value>>, format: Format) -> Result<Printout, Failure> {
    if format.json {
        let names = || names.iter().map(ToString::to_string);
        let array: Vec<_> =
            rows.into_iter().map(|row| names().zip(row).collect::<Map<_, _>>().into()).collect();
        return Ok(Printout::Bytes(format!("{}\n", Value::Array(array)).into_bytes()));
    }
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().map(cell_text).collect()).collect();
    if format.csv {
        let head: Vec<String> = names.iter().map(ToString::to_string).collect();
        return Ok(Printout::Bytes(csv_rows(&[vec![head], rows].concat(), true)?));
    }
    let mut table = Table::with_head(names.iter().map(|name| name.to_uppercase()).collect());
    for row in rows {
        table.add(row.iter().map(|cell| escape(cell)).collect());
    }
    Ok(Printout::Text(table.to_string()))
}

/// Formats a cell of [`print_rows`] as text.
pub(crate) fn cell_text(cell: Value) -> String {
    match cell {
        Value::String(text) => text,
        Value::Null => String::new(),
        number => number.to_string(),
    }
}

/// Returns the width of the terminal, else the value of `COLUMNS`, where 0 means unknown.
fn screen_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if stdout.is_terminal() {
        return terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0));
    }
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width > 0)
}
