//! The flags of `tgscan batch`.
#![expect(clippy::doc_markdown, reason = "these are the texts of `--help`")]

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::method::Method;
use crate::show::Selection;

/// A list, and the output of its answers.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Args)]
pub(crate) struct BatchCommand {
    /// List of accounts: one per line, or a CSV file; `-` reads standard input
    pub(crate) file: PathBuf,
    /// API method to call for each line
    #[arg(long, value_name = "METHOD", value_enum, default_value = "search")]
    pub(crate) method: Method,
    /// CSV column with accounts, by name or by number from 1; repeatable
    #[arg(long, value_name = "NAME|N")]
    pub(crate) column: Vec<String>,
    /// Append the answers to this .jsonl, .ndjson or .csv file, and skip accounts that are already in it
    ///
    /// When the command ends, even by a signal, the rows are on disk. A power failure before that can lose rows;
    /// their answers are safe in a store.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print CSV instead of JSON lines to standard output
    #[arg(long, conflicts_with = "out")]
    pub(crate) csv: bool,
    /// Write only these CSV columns of the answer, such as group_id,group_title
    ///
    /// Columns of a search: found, user_id, username, first_name, last_name, username_history, id_history,
    /// known_num_groups, group_id, group_title, group_username, group_link, group_date, credits, stored.
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    pub(crate) fields: Vec<String>,
    /// Begin a new CSV file with a byte order mark, so that Excel reads it as UTF-8
    #[arg(long)]
    pub(crate) excel: bool,
    /// Do not put an apostrophe before CSV cells that begin with = + - @, tab or CR; spreadsheets may run these as
    /// formulas
    #[arg(long)]
    pub(crate) raw_cells: bool,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Number of concurrent calls
    #[arg(long, short, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Send at most N requests per second, evenly spaced
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Check each account first (free), and skip those about which nothing is known
    #[arg(long)]
    pub(crate) check_first: bool,
    /// Ask again even if an answer is stored, including one that an interrupted run stored and did not write
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Check accounts with a stored answer of any age (free), and search again those whose number of known groups
    /// changed
    #[arg(long, conflicts_with_all = ["fresh", "check_first"])]
    pub(crate) refresh: bool,
    /// Write rows as answers arrive, not in the order of the list
    #[arg(long)]
    pub(crate) unordered: bool,
    /// Look up at most N accounts
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print the plan and its cost, and send no search
    #[arg(long)]
    pub(crate) dry_run: bool,
}
