//! The flags of `tgscan batch`.
#![expect(clippy::doc_markdown, reason = "these are the texts of `--help`")]

use std::path::PathBuf;

use clap::Args;

use super::method::Method;
use crate::show::Selection;

/// A list and what becomes of it.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Args)]
pub(crate) struct BatchCommand {
    /// The list, one account per line or a CSV file; `-` reads standard input
    pub(crate) file: PathBuf,
    /// The question about each account
    #[arg(long, value_name = "METHOD", value_enum, default_value = "search")]
    pub(crate) method: Method,
    /// A CSV column with accounts, by name or number from 1; can be given several times
    #[arg(long, value_name = "NAME|N")]
    pub(crate) column: Vec<String>,
    /// Append the answers to this .jsonl or .csv file; accounts that are in it already are skipped
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print CSV instead of JSON lines to standard output
    #[arg(long, conflicts_with = "out")]
    pub(crate) csv: bool,
    /// Write these CSV columns only, such as group_id,group_title; account, rows and row are always written
    ///
    /// Of a search: found, user_id, username, first_name, last_name, username_history, id_history, known_num_groups, group_id,
    /// group_title, group_username, group_link, group_date, credits, stored.
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',')]
    pub(crate) fields: Vec<String>,
    /// Begin a new CSV file with a byte order mark, so that Excel reads it as UTF-8
    #[arg(long)]
    pub(crate) excel: bool,
    /// Write CSV cells that begin with = + - @, tab or CR without an apostrophe before them: spreadsheets may run them
    #[arg(long)]
    pub(crate) raw_cells: bool,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How many calls run concurrently
    #[arg(long, short, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Check each account first (free), and do not search those of which nothing is known
    #[arg(long)]
    pub(crate) check_first: bool,
    /// Ask again, also where an answer is stored
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Check accounts with a stored answer of any age (free), and search those again whose number of known groups changed
    #[arg(long, conflicts_with_all = ["fresh", "check_first"])]
    pub(crate) refresh: bool,
    /// Write rows as answers come, and not in the order of the list
    #[arg(long)]
    pub(crate) unordered: bool,
    /// Ask about at most N accounts
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print the plan and its cost; send no search
    #[arg(long)]
    pub(crate) dry_run: bool,
}
